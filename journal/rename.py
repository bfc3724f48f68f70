"""Renames that os.rename cannot perform: exchange two names, and fail where the target exists.

Linux: renameat2(2). macOS: renamex_np(2), untested. Other systems have neither, and `rename` returns False.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}  # kernel or file system does not know the flag

if sys.platform == "linux":
    EXCLUSIVE, EXCHANGE = 1, 2  # linux/fs.h
    _AT_FDCWD = -100

    @cache
    def _call() -> Callable[[bytes, bytes, int], int] | None:
        function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if function is None:  # pragma: no cover - a C library older than glibc 2.28
            return None
        return lambda source, target, flag: int(function(_AT_FDCWD, source, _AT_FDCWD, target, flag))

elif sys.platform == "darwin":  # pragma: no cover - untested: only Linux is run
    EXCLUSIVE, EXCHANGE = 4, 2  # sys/stdio.h

    @cache
    def _call() -> Callable[[bytes, bytes, int], int] | None:
        function = getattr(ctypes.CDLL(None, use_errno=True), "renamex_np", None)
        if function is None:
            return None
        return lambda source, target, flag: int(function(source, target, flag))

else:  # pragma: no cover - untested: only Linux is run
    EXCLUSIVE, EXCHANGE = 0, 0

    def _call() -> Callable[[bytes, bytes, int], int] | None:
        return None


def rename(source: Path, target: Path, flag: int) -> bool:
    """Rename with EXCLUSIVE or EXCHANGE; return False where the kernel or file system lacks it. Raises OSError."""
    call = _call()
    if call is None:  # pragma: no cover - as above, and untested systems
        return False
    if call(os.fsencode(source), os.fsencode(target), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))
