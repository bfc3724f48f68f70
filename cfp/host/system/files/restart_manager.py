"""The programs that have a file open, as the Restart Manager of Windows names them (rstrtmgr.dll).

Wine 8 has the functions and names nobody, as Windows does for a file that a driver or another machine has open.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any, Final

_MORE_DATA: Final = 234  # winerror.h: the list has grown since its length was asked for
_ROUNDS: Final = 3


class ProcessInfo(ctypes.Structure):
    """RM_PROCESS_INFO (restartmanager.h)."""

    _fields_ = (
        ("pid", ctypes.c_uint32),
        ("started", ctypes.c_uint32 * 2),
        ("application", ctypes.c_wchar * 256),
        ("service", ctypes.c_wchar * 64),
        ("kind", ctypes.c_int),
        ("status", ctypes.c_uint32),
        ("session", ctypes.c_uint32),
        ("restartable", ctypes.c_int),
    )


def holders(path: Path, library: Any) -> tuple[str, ...]:
    """Return name and process id of each other program that has the file open; () where Windows names none.

    library  rstrtmgr.dll, or one like it
    """
    handle, key = ctypes.c_uint32(), ctypes.create_unicode_buffer(33)
    if library.RmStartSession(ctypes.byref(handle), 0, key):
        return ()
    try:
        paths = (ctypes.c_wchar_p * 1)(str(path))
        refused = library.RmRegisterResources(handle, 1, paths, 0, None, 0, None)
        programs = [] if refused else _list(library, handle)
    finally:
        library.RmEndSession(handle)
    return tuple(f"{one.application} (process {one.pid})" for one in programs if one.pid != os.getpid())


def _list(library: Any, session: ctypes.c_uint32) -> list[ProcessInfo]:
    """Return the programs; none where the list does not stand still, or is refused."""
    needed, reasons = ctypes.c_uint32(0), ctypes.c_uint32(0)
    for _ in range(_ROUNDS):
        length = ctypes.c_uint32(needed.value)
        programs = (ProcessInfo * max(1, length.value))()
        code = library.RmGetList(session, ctypes.byref(needed), ctypes.byref(length), programs, ctypes.byref(reasons))
        if code == 0:
            return list(programs[: length.value])
        if code != _MORE_DATA:
            break
    return []
