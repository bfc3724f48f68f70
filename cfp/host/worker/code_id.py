"""The identity of the running code; it changes with any source file of ours, so that a stale worker shows."""

from __future__ import annotations

import hashlib
import os
import site
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import cfp
import journal
from cfp.host.system.interpreters import lasting_path

_PACKAGE = Path(cfp.__file__).parent


@cache
def runtime_id() -> str:
    """Return 16 hex digits over the names and contents of all Python files of `cfp` and `journal`."""
    state = hashlib.sha256()
    for root in (_PACKAGE, Path(journal.__file__).parent):
        for name in sorted(_sources(str(root))):
            state.update(f"{root.name}/{name}\0".encode())
            with open(f"{root}/{name}", "rb", buffering=0) as file:  # noqa: PTH123  200 files, before the first health response
                state.update(file.read())
    return state.hexdigest()[:16]


def is_unchanged() -> bool:
    """Whether the files are those of the code that runs; raises OSError where some are gone."""
    return runtime_id() == runtime_id.__wrapped__()


def _sources(root: str) -> Iterator[str]:
    """Yield the Python files under a folder, relative to it, with slashes; pathlib's walk costs twice as much."""
    for folder, _, names in os.walk(root):
        inside = folder[len(root) + 1 :].replace(os.sep, "/")
        for name in names:
            if name.endswith(".py"):
                yield f"{inside}/{name}" if inside else name


def package_path() -> str:
    return str(_PACKAGE)


def user_base() -> str:
    """Return the base of the user's site where this program is installed there, also in development mode; else ""."""
    if not site.ENABLE_USER_SITE:
        return ""
    with suppress(OSError):
        if any(name.startswith("codex_fast_proxy-") for name in os.listdir(site.getusersitepackages())):
            return site.getuserbase()
    return ""


def python_path(executable: str = sys.executable) -> str:
    """Return the path of this interpreter under one name, whichever of its names started it.

    `python` and `python3` of one environment are the same program, and hooks with either name are the same hook.
    """
    executable = lasting_path(executable)
    called = Path(executable)
    for name in ("python3", "python"):
        usual = called.with_name(name)
        with suppress(OSError):  # a folder on the way may be closed to this user
            if usual.exists() and os.path.realpath(usual) == os.path.realpath(called):
                return str(usual)
    return executable
