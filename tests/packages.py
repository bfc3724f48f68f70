"""The packages that an installation of this program needs: fetched once, so that uv, pipx and pip need no index."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

from tests.house.source import REPOSITORY

CONSTRAINTS = REPOSITORY / ".ci" / "constraints.txt"


def offline(user: Path) -> dict[str, str]:
    """Return the environment in which a user's uv, pipx and pip know these packages and no index."""
    packages = _packages()
    config = user / ".config" / "uv" / "uv.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"no-index = true\nfind-links = [{json.dumps(str(packages))}]\n")
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(packages),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_CONFIG_FILE": str(config),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "PIPX_DEFAULT_PYTHON": sys.executable,
    }


@cache
def _packages() -> Path:
    """Fetch the dependencies and the build backend by pip, at their locked versions; skip where there is no index."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"], "pip"]
    name = hashlib.sha256(f"{wanted}{CONSTRAINTS.read_text()}{sys.version}".encode()).hexdigest()[:16]
    folder = REPOSITORY / ".cache" / "packages" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            _fetch(wanted, folder)
    return folder


def _fetch(wanted: list[str], folder: Path) -> None:
    beginning = folder.with_suffix(".part")
    shutil.rmtree(beginning, ignore_errors=True)
    options = ("-q", "--only-binary=:all:", "-c", str(CONSTRAINTS), "-d", str(beginning))
    command = [sys.executable, "-m", "pip", "download", *options, *wanted]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=280)
    if done.returncode != 0 and os.environ.get("CFP_REQUIRE_CODEX") != "1":
        pytest.skip("no package index to install the program's dependencies from")
    assert done.returncode == 0, done.stderr
    beginning.rename(folder)
