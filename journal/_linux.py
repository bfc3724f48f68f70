"""The file operations of Linux: renameat2(2), extended attributes, reserved space."""

from __future__ import annotations

import sys

assert sys.platform == "linux"  # noqa: S101 - mypy leaves the rest out elsewhere

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from journal._posix import UNSUPPORTED, PosixFs

if TYPE_CHECKING:
    import ctypes

    from journal.rename import Call
_EXCLUSIVE, _EXCHANGE = 1, 2  # linux/fs.h
_AT_FDCWD = -100


class LinuxFs(PosixFs):
    """`journal.fs.Fs` describes each operation."""

    def xattrs(self, path: Path) -> Mapping[str, bytes]:
        try:
            names = self._attributes(path)
        except OSError as error:
            if error.errno in UNSUPPORTED:
                return {}
            raise
        return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}

    def _attributes(self, path: Path) -> list[str]:
        return os.listxattr(path, follow_symlinks=False)

    def set_xattr(self, fd: int, name: str, value: bytes) -> None:
        os.setxattr(fd, name, value)

    def drop_xattr(self, fd: int, name: str) -> None:
        os.removexattr(fd, name)

    def reserve(self, fd: int, size: int) -> None:
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise

    def exchange(self, first: Path, second: Path) -> bool:
        return self._rename(first, second, _EXCHANGE)

    def move_new(self, source: Path, target: Path) -> None:
        if not self._rename(source, target, _EXCLUSIVE):
            super().move_new(source, target)

    def _rename(self, source: Path, target: Path, flag: int) -> bool:
        return rename(source, target, flag)


def rename(source: Path, target: Path, flag: int) -> bool:
    from journal import rename as renames  # noqa: PLC0415 - ctypes costs time that `interrupted` does not have

    return renames.rename(_renameat2(), source, target, flag)


@cache
def _renameat2() -> Call | None:
    from journal import rename as renames  # noqa: PLC0415 - as above

    return renameat2_of(renames.c_library())


def renameat2_of(library: ctypes.CDLL) -> Call | None:
    """Return the rename of a C library; None where it is older than glibc 2.28."""
    function = getattr(library, "renameat2", None)
    if function is None:
        return None
    return lambda source, target, flag: int(function(_AT_FDCWD, source, _AT_FDCWD, target, flag))
