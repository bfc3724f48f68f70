"""Reading a file that another program may keep to itself, and the name of that program (Windows)."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Final

from journal.fs import FileInUse

assert sys.platform == "win32"  # noqa: S101  for mypy, which checks this file for Windows alone

LARGEST: Final = 32 << 20
_SHARING_VIOLATION, _LOCK_VIOLATION = 32, 33  # winerror.h


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file of 32 MB at most, sharing it with all. Raises FileInUse, or another OSError."""
    try:
        return _read(path)
    except OSError as error:
        if error.winerror in {_SHARING_VIOLATION, _LOCK_VIOLATION}:
            raise FileInUse(error.errno, error.strerror, str(path)) from error
        raise


def _read(path: Path) -> bytes:
    from journal.private import read_from  # noqa: PLC0415  ctypes is for commands that look

    with read_from(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST:
            raise OSError(errno.EFBIG, "it has more than 32 MB", str(path))
        return file.read(LARGEST)


def holders(path: Path) -> tuple[str, ...]:
    """Return name and process id of each program that has the file open; () where Windows names none."""
    import ctypes  # noqa: PLC0415  only for a refusal

    from cfp.host.system.files import restart_manager  # noqa: PLC0415  the same

    try:
        return restart_manager.holders(path, ctypes.WinDLL("rstrtmgr"))
    except OSError:
        return ()
