"""Which code runs: an identity that changes with any source file of ours, so that a stale worker is seen."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import cfp
import journal

_PACKAGE = Path(cfp.__file__).parent


@cache
def runtime_id() -> str:
    """Return 16 hex digits over the names and contents of all Python files of `cfp` and `journal`."""
    state = hashlib.sha256()
    for root in (_PACKAGE, Path(journal.__file__).parent):
        for path in sorted(root.rglob("*.py")):
            state.update(f"{root.name}/{path.relative_to(root).as_posix()}\0".encode())
            state.update(path.read_bytes())
    return state.hexdigest()[:16]


def package_path() -> str:
    return str(_PACKAGE)


def python_path(executable: str = sys.executable) -> str:
    """Return this interpreter under one name, however it was called.

    `python` and `python3` of one environment are the same program, and a hook that names either is the same hook.
    """
    called = Path(executable)
    for name in ("python3", "python"):
        usual = called.with_name(name)
        with suppress(OSError):  # a folder on the way may be closed to this user
            if usual.exists() and os.path.realpath(usual) == os.path.realpath(called):
                return str(usual)
    return executable
