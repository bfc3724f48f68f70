"""Renames that os.rename cannot do: exchange two names, and refuse to replace one.

Linux: renameat2(2). macOS: renamex_np(2), untested. Elsewhere neither exists and `exchange` says so.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

LACKING = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}  # kernel or file system does not know the flag

if sys.platform == "linux":
    EXCLUSIVE, EXCHANGE = 1, 2  # linux/fs.h
    _HERE = -100  # AT_FDCWD

    @cache
    def _call() -> Callable[[bytes, bytes, int], int] | None:
        function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if function is None:  # pragma: no cover - a C library older than glibc 2.28
            return None
        return lambda source, target, flag: int(function(_HERE, source, _HERE, target, flag))

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
    """Rename with EXCLUSIVE or EXCHANGE; False where kernel or file system lacks it. Raises OSError otherwise."""
    call = _call()
    if call is None:  # pragma: no cover - as above, and untested systems
        return False
    if call(os.fsencode(source), os.fsencode(target), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in LACKING:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))
