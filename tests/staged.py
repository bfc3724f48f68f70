"""The real commands on a real home, in processes that really die, with workers that are records in a file.

Everything is the program's own: command line, plans, machines, journal, real files and the real lock. Only three
things are the stage's: worker processes (starting one costs a line in a file), the ports that the survey asks, and
the time that a plan writes down. What a command does to the world are its *acts*, in order (`tests.homes.acts`): the
changing operations on files, and those on workers.
"""

from __future__ import annotations

import json
import os
import secrets
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cfp.core.settings import settings_from_json
from cfp.host.disk import MachineDisk
from cfp.layout import Layout, locate
from journal.context import Locks
from tests.homes.acts import ActingFs, Acts
from tests.homes.computer import Computer, Worker, Workers
from tests.homes.places import BEGINNING
from tests.homes.site import CommandAnswer, StagedHost, run_on
from tests.users import of_user


class Street(Computer):
    """A computer whose workers are a file: it outlives the processes that write it."""

    def __init__(self, path: Path, home: Path) -> None:
        super().__init__(home=home)
        self._path = path

    @property
    def workers(self) -> Workers:
        records = json.loads(self.read() or b"[]")
        return {one["nonce"]: Worker(**{**one, "settings": settings_from_json(one["settings"])}) for one in records}

    def keep(self, workers: Workers) -> None:
        records = [{**asdict(worker), "settings": worker.settings.to_json()} for worker in workers.values()]
        self.write(json.dumps(records).encode())

    def read(self) -> bytes:
        return self._path.read_bytes() if self._path.exists() else b""

    def write(self, text: bytes) -> None:
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        new.write_bytes(text)
        new.replace(self._path)  # whoever reads meanwhile has no lock

    def token(self, size: int) -> str:
        """Other processes draw tokens too."""
        return secrets.token_hex(size)


class StageDisk(MachineDisk):
    """This machine's files; each backup is a second later than the last, in a fork as in its parent."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self._layout = layout

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=len(self.names(self._layout.backups)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A user's folder with a Codex home in it, and the street outside."""

    root: Path
    environ: Mapping[str, str]

    @property
    def home(self) -> Path:
        return self.root / "user" / ".codex"

    @property
    def street(self) -> Street:
        return Street(self.root / "street.json", self.home)

    @property
    def layout(self) -> Layout:
        return locate(None, self._environ())

    def host(self, acts: Acts | None = None, locks: Locks | None = None) -> StagedHost:
        """The machine as one process sees it."""
        layout, acts = self.layout, acts or Acts()
        return StagedHost(
            layout=layout,
            environ=self._environ(),
            python="/opt/python",
            disk=StageDisk(layout),
            fs=ActingFs(acts),
            computer=self.street,
            act=acts.act,
            more={"locks": locks},
        )

    def run(self, *words: str, acts: Acts | None = None, locks: Locks | None = None) -> CommandAnswer:
        """Run one command line in this process."""
        return run_on(self.host(acts, locks), words)

    def _environ(self) -> dict[str, str]:
        return {**of_user(self.home.parent), **self.environ}


def in_a_child(act: Callable[[], object], *, fork: Callable[[], int] | None = None) -> int:
    """Run something in a process of its own; returns its exit code, or minus the signal that ended it."""
    return exit_of(_child(act, fork or os.fork))


def in_children(acts: Sequence[Callable[[], object]], gate: int) -> list[int]:
    """Run each act in a child of its own, all released by the closing of `gate`; return the exit codes."""
    children = [_child(act, os.fork) for act in acts]
    os.close(gate)
    return [exit_of(child) for child in children]


def _child(act: Callable[[], object], fork: Callable[[], int]) -> int:
    child = fork()
    if child == 0:
        code = 99
        try:
            result = act()
            code = result if isinstance(result, int) else 0
        except BaseException:  # noqa: BLE001 - the parent's test must not go on in the child
            traceback.print_exc()
        os._exit(code)
    return child


def exit_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
