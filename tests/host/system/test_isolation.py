"""The trial of the interpreter that hook and worker will run in."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from cfp.host.system.isolation import DEPENDENCIES, import_error
from cfp.host.worker.code_id import package_path
from tests.conftest import REPOSITORY


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
    ("program", "reason"),
    [
        ("echo \"ImportError: no 'cfp'\" >&2; exit 1", "ImportError: no 'cfp'"),
        ("exit 3", "it exited with code 3"),
        ("echo /elsewhere; echo", "it finds another copy in /elsewhere"),
        (f"echo {package_path()}; echo httpx rich", "it does not find httpx, rich"),
    ],
)
def test_each_reason(tmp_path: Path, program: str, reason: str) -> None:
    """An interpreter that answers like this cannot run the program."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o700)
    assert reason == import_error(str(python), "", package_path())


def test_a_missing_interpreter_is_a_reason() -> None:
    """It may have been removed since this process started."""
    assert "No such file or directory" == import_error("/nonexistent/python", "", package_path())
