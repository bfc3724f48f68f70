"""The trial of the interpreter that hook and worker will run in."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import journal
from cfp.host.system.isolation import DEPENDENCIES, import_error
from cfp.host.worker.code_id import package_path
from tests.conftest import REPOSITORY
from tests.host.conftest import interpreter_with


def test_the_dependencies_are_those_of_the_package() -> None:
    """Each of pyproject.toml, by the module that it installs."""
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[>=<;\s]", line, maxsplit=1)[0] for line in declared}
    if sys.version_info >= (3, 14):
        names.remove("backports.zstd")
    provided = packages_distributions()
    of = {name for module in DEPENDENCIES for name in provided[module.partition(".")[0]]}
    assert names == of & names
    assert len(names) == len(DEPENDENCIES)


def test_this_environment_runs_the_program() -> None:
    """In development mode, too."""
    assert "" == import_error(sys.executable, "", package_path())


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ("raise ImportError(\"no 'cfp'\")", "ImportError: no 'cfp'"),
        ("raise SystemExit(3)", "it exited with code 3"),
        ("raise SystemExit(0)", "its answer cannot be read"),
        ("__path__ = ['/elsewh\\u0142re']", "it finds another copy in /elsewh\u0142re"),
        (f"__path__ = [{package_path()!r}]", "it does not find httpx, rich"),
        (
            f"import journal; journal.__file__ = '/a/journal.py'; __path__ = [{package_path()!r}]",
            "it takes /a/journal.py for the module journal of this program",
        ),
    ],
)
def test_each_reason(tmp_path: Path, package: str, reason: str) -> None:
    """An interpreter that finds this as our package cannot run the program."""
    others = dict.fromkeys(("codex_fast_proxy", *DEPENDENCIES), "")
    others["journal"] = f"__file__ = {journal.__file__!r}"
    modules = {"cfp": package, **others}
    for name in ("httpx", "rich"):
        del modules[name]
    assert reason == import_error(str(interpreter_with(tmp_path / "own", modules)), "", package_path())


def test_a_missing_interpreter_is_a_reason() -> None:
    """It may have been removed since this process started; the words are the system's."""
    with pytest.raises(OSError, match=r".") as missing:
        subprocess.run(["/nonexistent/python"], check=False)
    assert missing.value.strerror == import_error("/nonexistent/python", "", package_path())
