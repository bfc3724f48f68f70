"""The file operations of macOS: F_FULLFSYNC and renamex_np(2). No test has run them there; contract tests hold them.

fsync(2) hands data to the drive, which may keep it in a cache; F_FULLFSYNC asks the drive to write its cache out.
Extended attributes and ACLs of a replaced file are not kept.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"  # noqa: S101 - mypy leaves the rest out elsewhere

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from journal._posix import PosixFs

if TYPE_CHECKING:
    import ctypes
_FULLFSYNC = 51  # sys/fcntl.h
_EXCLUSIVE, _EXCHANGE = 4, 2  # sys/stdio.h
_NO_FULLFSYNC = {errno.ENOTSUP, errno.EINVAL, errno.ENOTTY}  # a network or foreign file system


class MacosFs(PosixFs):
    """`journal.fs.Fs` describes each operation."""

    def __init__(
        self, control: Callable[[int, int], int] = fcntl.fcntl, library: Callable[[], ctypes.CDLL] | None = None
    ) -> None:
        self._control = control
        self._library = library

    def fsync(self, fd: int) -> None:
        try:
            self._control(fd, _FULLFSYNC)
        except OSError as error:
            if error.errno not in _NO_FULLFSYNC:
                raise
            os.fsync(fd)

    def exchange(self, first: Path, second: Path) -> bool:
        return self._rename(first, second, _EXCHANGE)

    def move_new(self, source: Path, target: Path) -> None:
        if not self._rename(source, target, _EXCLUSIVE):
            super().move_new(source, target)

    def _rename(self, source: Path, target: Path, flag: int) -> bool:
        from journal import rename  # noqa: PLC0415 - ctypes costs time that `interrupted` does not have

        library = (self._library or rename.c_library)()
        function = getattr(library, "renamex_np", None)  # since macOS 10.12
        return rename.rename(function, source, target, flag)
