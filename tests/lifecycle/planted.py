"""Plant bugs, one at a time, and see that the state machine of tests/lifecycle falsifies each within the gate's size.

    python -m tests.lifecycle.planted [NAME ...]

Each bug is run in a process of its own, in which one module is another one. A bug that no home meets makes the exit
code 1.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """In `module` the text `right`, which stands there once, reads `wrong`."""

    name: str
    module: str
    right: str
    wrong: str

    def source(self) -> str:
        text = (REPOSITORY / (self.module.replace(".", "/") + ".py")).read_text()
        assert text.count(self.right) == 1, f"{self.name}: {self.module} does not read like that"
        return text.replace(self.right, self.wrong)


EFFECTS, TABLES = "cfp.lifecycle.effects", "cfp.lifecycle.tables"
# fmt: off
BUGS = (
    Bug(name="no folder is made durable", module="journal.transaction",
        right="self._context.fs.fsync_folder(folder)", wrong="pass"),
    Bug(name="files are not given back when a command fails", module=EFFECTS,
        right="switch.conflicts.extend(switch.tx.restore_files())", wrong="pass"),
    Bug(name="a failed command's worker stays", module=EFFECTS,
        right="switch.tx.retract_workers()", wrong="pass"),
    Bug(name="a stopped worker is not written down, so it never comes back", module=EFFECTS,
        right="    previous = _previous(switch)\n    _record_stopping(switch, previous)\n    switch.cut_streams",
        wrong="    previous = _previous(switch)\n    switch.cut_streams"),
    Bug(name="the old worker is never released", module=EFFECTS,
        right="switch.workers.release(_previous(switch))", wrong="pass"),
    Bug(name="a failed transaction is left open", module=EFFECTS,
        right='switch.tx.close_rolled_back("failed")', wrong="pass"),
    Bug(name="what a worker wrote stays behind", module=EFFECTS,
        right="switch.lease.remove((*written, *switch.remove))", wrong="switch.lease.remove(switch.remove)"),
)
# fmt: on


def falsified(bug: Bug, homes: int) -> bool:
    """Whether some home of that many shows it; the same homes in every run."""
    program = "import sys; from tests.lifecycle.planted import live; live(*sys.argv[1:])"
    command = [sys.executable, "-c", program, bug.name, str(homes)]
    environ = {**os.environ, "HYPOTHESIS_PROFILE": "ci"}
    ran = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode in {0, 3}, ran.stderr
    return ran.returncode == 3


class _Plant(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the bug in the place of its module."""

    def __init__(self, bug: Bug) -> None:
        self._bug = bug

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == self._bug.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._bug.source(), f"<{self._bug.name}>", "exec"), module.__dict__)  # noqa: S102 - it is a bug


def live(name: str, homes: str) -> None:
    """In a child: live through homes with the bug; exits 3 where one of them shows it."""
    (bug,) = (bug for bug in BUGS if bug.name == name)
    sys.meta_path.insert(0, _Plant(bug))
    from tests.lifecycle.test_lifecycles import is_falsified  # noqa: PLC0415 - imports the module with the bug

    sys.exit(3 if is_falsified(int(homes)) else 0)


def main(names: list[str]) -> int:
    missed = 0
    for bug in BUGS:
        if not names or bug.name in names:
            began = time.monotonic()
            hit = falsified(bug, 320)
            missed += not hit
            print(f"{'found ' if hit else 'MISSED'} {time.monotonic() - began:6.1f} s  {bug.name}", flush=True)  # noqa: T201 - the answer
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
