"""The functions of kernel32 that the journal calls, as the Windows SDK declares them.

Every failure raises OSError with `winerror`. Handles are not inherited by child processes.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"  # noqa: S101 - mypy leaves the rest out elsewhere

import ctypes
import msvcrt
import os
from ctypes import wintypes
from pathlib import Path
from typing import Any

ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION = 5, 32, 33  # winerror.h
UNABLE_TO_REMOVE_REPLACED, UNABLE_TO_MOVE_REPLACEMENT, UNABLE_TO_MOVE_REPLACEMENT_2 = 1175, 1176, 1177
IN_USE = {
    *(SHARING_VIOLATION, LOCK_VIOLATION),
    *(UNABLE_TO_REMOVE_REPLACED, UNABLE_TO_MOVE_REPLACEMENT, UNABLE_TO_MOVE_REPLACEMENT_2),
}

READ, WRITE, DELETE = 0x80000000, 0x40000000, 0x00010000  # winnt.h: access
SHARE_READ, SHARE_WRITE, SHARE_DELETE = 1, 2, 4
SHARE_ALL = SHARE_READ | SHARE_WRITE | SHARE_DELETE
CREATE_NEW, OPEN_EXISTING, OPEN_ALWAYS = 1, 3, 4  # fileapi.h
_NORMAL, _OPEN_REPARSE_POINT = 0x80, 0x00200000
_REPLACE_EXISTING, _WRITE_THROUGH = 1, 8  # winbase.h
_LOCK_NOW, _LOCK_ALONE = 1, 2
_LONGEST = 240  # of MAX_PATH, 260, the longest name that a short path may have
_EPOCH = 116_444_736_000_000_000  # of Unix, in the 100 ns since 1601 that Windows counts

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_INVALID = wintypes.HANDLE(-1).value


class _Overlapped(ctypes.Structure):
    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )


class FileSecurity(ctypes.Structure):
    """SECURITY_ATTRIBUTES: what a new file or folder may be used for by whom; None has it from its folder."""

    _fields_ = (("length", wintypes.DWORD), ("descriptor", ctypes.c_void_p), ("inherit", wintypes.BOOL))


def _declared(name: str, result: object, *arguments: object) -> Any:
    function = getattr(_kernel32, name)
    function.restype, function.argtypes = result, arguments
    return function


_Security = ctypes.POINTER(FileSecurity)
_DWORD, _HANDLE, _TEXT, _YES = wintypes.DWORD, wintypes.HANDLE, wintypes.LPCWSTR, wintypes.BOOL
_create_file = _declared("CreateFileW", _HANDLE, _TEXT, _DWORD, _DWORD, _Security, _DWORD, _DWORD, _HANDLE)
_create_directory = _declared("CreateDirectoryW", _YES, _TEXT, _Security)
_close = _declared("CloseHandle", _YES, _HANDLE)
_move = _declared("MoveFileExW", _YES, _TEXT, _TEXT, _DWORD)
_replace = _declared("ReplaceFileW", _YES, _TEXT, _TEXT, _TEXT, _DWORD, ctypes.c_void_p, ctypes.c_void_p)
_delete = _declared("DeleteFileW", _YES, _TEXT)
_set_time = _declared("SetFileTime", _YES, _HANDLE, *[ctypes.POINTER(wintypes.FILETIME)] * 3)
_lock = _declared("LockFileEx", _YES, _HANDLE, *[_DWORD] * 4, ctypes.POINTER(_Overlapped))
_unlock = _declared("UnlockFileEx", _YES, _HANDLE, *[_DWORD] * 3, ctypes.POINTER(_Overlapped))


def native(path: Path) -> str:
    r"""Return the path as the functions take it: a long one needs the prefix \\?\."""
    text = str(path)
    if len(text) < _LONGEST or text.startswith("\\\\?\\"):
        return text
    return "\\\\?\\UNC" + text[1:] if text.startswith("\\\\") else "\\\\?\\" + text


def _check(succeeded: int, path: Path, target: Path | None = None) -> None:
    if not succeeded:
        raise _error(path, target)


def _error(path: Path, target: Path | None = None) -> OSError:
    code = ctypes.get_last_error()
    error = ctypes.WinError(code)
    return OSError(error.errno, error.strerror, str(path), code, None if target is None else str(target))


def open_handle(
    path: Path,
    access: int,
    share: int,
    disposition: int,
    *,
    security: FileSecurity | None = None,
    through: bool = False,
) -> int:
    """CreateFileW. A reparse point in the path's last part is opened itself, unless `through`."""
    flags = _NORMAL if through else _NORMAL | _OPEN_REPARSE_POINT
    pointer = None if security is None else ctypes.byref(security)
    handle = _create_file(native(path), access, share, pointer, disposition, flags, None)
    if handle == _INVALID:
        raise _error(path)
    return int(handle)


def close_handle(handle: int) -> None:
    _close(handle)


def descriptor(handle: int, flags: int) -> int:
    """Return a file descriptor that owns the handle."""
    try:
        return msvcrt.open_osfhandle(handle, flags | os.O_BINARY | os.O_NOINHERIT)
    except BaseException:
        _close(handle)
        raise


def make_directory(path: Path, security: FileSecurity | None) -> None:
    pointer = None if security is None else ctypes.byref(security)
    _check(_create_directory(native(path), pointer), path)


def move(source: Path, target: Path, *, replace: bool) -> None:
    """MoveFileExW; it returns when the rename is on the medium."""
    flags = _WRITE_THROUGH | (_REPLACE_EXISTING if replace else 0)
    _check(_move(native(source), native(target), flags), source, target)


def replace(target: Path, replacement: Path, backup: Path) -> None:
    """ReplaceFileW: rename `target` to `backup`, then `replacement` to `target`, which gets the former one's ACL."""
    _check(_replace(native(target), native(replacement), native(backup), 0, None, None), target)


def delete(path: Path) -> None:
    _check(_delete(native(path)), path)


def set_write_time(fd: int, mtime_ns: int) -> None:
    ticks = mtime_ns // 100 + _EPOCH
    time = wintypes.FILETIME(ticks & 0xFFFFFFFF, ticks >> 32)
    _check(_set_time(msvcrt.get_osfhandle(fd), None, None, ctypes.byref(time)), Path())


def lock(handle: int, path: Path) -> bool:
    """LockFileEx of the first byte, alone and at once; return False where another handle has it."""
    if _lock(handle, _LOCK_NOW | _LOCK_ALONE, 0, 1, 0, ctypes.byref(_Overlapped())):
        return True
    error = _error(path)
    if error.winerror == LOCK_VIOLATION:
        return False
    raise error


def unlock(handle: int) -> None:
    _unlock(handle, 0, 1, 0, ctypes.byref(_Overlapped()))
