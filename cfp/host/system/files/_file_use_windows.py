"""Reading a file that another program may keep to itself, and the name of that program (Windows)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from journal.fs import FileInUse

assert sys.platform == "win32"  # noqa: S101  for mypy, which checks this file for Windows alone

_SHARING_VIOLATION, _LOCK_VIOLATION = 32, 33  # winerror.h
_GENERIC_READ = 0x80000000


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file, sharing it with everybody. Raises FileInUse, or another OSError.

    `open` of Python shares no deletion, so it would keep others from their file, and hides the reason of a refusal.
    """
    import msvcrt  # noqa: PLC0415  only who reads

    from journal import _private_windows as system  # noqa: PLC0415  ctypes is for commands that look

    try:
        handle = system.open_handle(path, _GENERIC_READ, system.OPEN_EXISTING, system.ATTRIBUTE_NORMAL)
        with os.fdopen(msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_NOINHERIT), "rb") as file:
            return file.read()
    except OSError as error:
        if error.winerror in {_SHARING_VIOLATION, _LOCK_VIOLATION}:
            raise FileInUse(error.errno, error.strerror, str(path)) from error
        raise


def holders(path: Path) -> tuple[str, ...]:
    """Return name and process id of each program that has the file open; () where Windows names none."""
    import ctypes  # noqa: PLC0415  only for a refusal

    from cfp.host.system.files import restart_manager  # noqa: PLC0415  the same

    try:
        return restart_manager.holders(path, ctypes.WinDLL("rstrtmgr"))
    except OSError:
        return ()
