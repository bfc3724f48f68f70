"""Renames that os.rename cannot perform: exchange two names, and fail where the target exists.

The systems that have them differ in the C function and its flags; see `_linux` and `_macos`.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}  # kernel or file system does not know the flag
Call = Callable[[bytes, bytes, int], int]


def c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def rename(call: Call | None, source: Path, target: Path, flag: int) -> bool:
    """Rename by this C function; return False where C library, kernel or file system lacks it. Raises OSError."""
    if call is None:
        return False
    if call(os.fsencode(source), os.fsencode(target), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))
