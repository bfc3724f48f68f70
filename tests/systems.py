"""The system that the tests run on, for the few that must know it; every system can import this.

A test of what Windows does not have says so: `@pytest.mark.posix("what it lacks")`, with `needs="root"` or
`needs="linux"` where not every POSIX system will do. One of what Windows has and Wine lacks says
`@pytest.mark.beyond_wine("what it lacks")`. Here is what such a test names when it is imported.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import socket
import sys
from typing import Any

import pytest

WINDOWS = sys.platform == "win32"
LINUX = sys.platform == "linux"
IN_WINE = WINDOWS and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
UID = -1 if WINDOWS else os.getuid()
IS_ROOT = UID == 0
SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # both are TerminateProcess on Windows
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

named_ipv6 = pytest.mark.beyond_wine("the process of an IPv6 listener")
as_root = pytest.mark.posix("a second user, by number", needs="root")
on_linux = pytest.mark.posix("sock_diag and /proc", needs="linux")

_NEEDS = {"root": LINUX and IS_ROOT, "linux": LINUX}


def posix_module(name: str) -> Any:
    """A module of the standard library that Windows lacks: None there."""
    return None if WINDOWS else importlib.import_module(name)


def show_owner(bound: socket.socket) -> None:
    """Let the system name the process of a socket: Wine does so only once that has set an option of it."""
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def lacking(mark: pytest.Mark) -> str | None:
    """Return the reason for which a test with this mark does not run here, None where it does."""
    match mark:
        case pytest.Mark(name="beyond_wine", args=(reason,)) if IN_WINE:
            return f"Wine lacks it: {reason}"
        case pytest.Mark(name="posix", args=(reason,)) if WINDOWS:
            return f"POSIX by nature: {reason}"
        case pytest.Mark(name="posix", args=(reason,), kwargs={"needs": needs}) if not _NEEDS[needs]:
            return f"needs {needs}: {reason}"
    return None
