"""The system that the tests run on, for the few that must know it; every system can import this.

A test of what Windows does not have says so: `@pytest.mark.posix("what it lacks")`, with `needs="root"` or
`needs="linux"` where not every POSIX system will do. Here is what such a test names when it is imported.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any

import pytest

WINDOWS = sys.platform == "win32"
LINUX = sys.platform == "linux"
UID = -1 if WINDOWS else os.getuid()
IS_ROOT = UID == 0
SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # both are TerminateProcess on Windows
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

as_root = pytest.mark.posix("a second user, by number", needs="root")
on_linux = pytest.mark.posix("sock_diag and /proc", needs="linux")

_NEEDS = {"": True, "root": LINUX and IS_ROOT, "linux": LINUX}


def posix_module(name: str) -> Any:
    """A module of the standard library that Windows lacks: None there."""
    return None if WINDOWS else importlib.import_module(name)


def lacking(reason: str, *, needs: str = "") -> str | None:
    """Return the reason for which a test with the marker `posix` does not run here, None where it does."""
    if WINDOWS:
        return f"POSIX by nature: {reason}"
    return None if _NEEDS[needs] else f"needs {needs}: {reason}"
