"""The file operations that every POSIX system has; `_linux` and `_macos` add what each has of its own."""

from __future__ import annotations

import sys

assert sys.platform != "win32"  # noqa: S101 - mypy leaves the rest out elsewhere

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from journal.fs import FileType, Stat

_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE_TYPES = {stat.S_IFREG: FileType.FILE, stat.S_IFDIR: FileType.FOLDER, stat.S_IFLNK: FileType.LINK}
UNSUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}


class PosixFs:
    """`journal.fs.Fs` describes each operation. Rename without replacing is by a link, and nothing is exchanged."""

    hides_targets = False

    def names(self, folder: Path) -> list[str]:
        return os.listdir(folder)

    def lstat(self, path: Path) -> Stat:
        result = path.lstat()
        return Stat(
            file_type=_FILE_TYPES.get(stat.S_IFMT(result.st_mode), FileType.OTHER),
            mode=stat.S_IMODE(result.st_mode),
            uid=result.st_uid,
            gid=result.st_gid,
            mtime_ns=result.st_mtime_ns,
            links=result.st_nlink,
            device=result.st_dev,
            inode=result.st_ino,
        )

    def readlink(self, path: Path) -> str:
        return str(path.readlink())

    def read(self, path: Path) -> bytes:
        fd = os.open(path, _FLAGS & ~os.O_RDWR | os.O_RDONLY)
        with os.fdopen(fd, "rb") as file:
            return file.read()

    def xattrs(self, path: Path) -> Mapping[str, bytes]:
        return {}

    def writable(self, path: Path) -> bool:
        return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)

    def require_free(self, path: Path) -> None:
        pass

    def create(self, path: Path, mode: int) -> int:
        return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path: Path) -> int:
        return os.open(path, _FLAGS)

    def write(self, fd: int, data: bytes, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def reserve(self, fd: int, size: int) -> None:
        pass

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def set_owner(self, fd: int, uid: int, gid: int) -> None:
        os.fchown(fd, uid, gid)

    def set_mode(self, fd: int, mode: int) -> None:
        os.fchmod(fd, mode)

    def set_xattr(self, fd: int, name: str, value: bytes) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    def drop_xattr(self, fd: int, name: str) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    def set_mtime(self, fd: int, mtime_ns: int) -> None:
        os.utime(fd, ns=(mtime_ns, mtime_ns))

    def exchange(self, first: Path, second: Path) -> bool:
        return False

    def move(self, source: Path, target: Path) -> None:
        source.replace(target)

    def move_new(self, source: Path, target: Path) -> None:
        """For an instant the file has two names."""
        os.link(source, target, follow_symlinks=False)
        source.unlink()

    def unlink(self, path: Path) -> None:
        path.unlink()

    def unlink_unused(self, path: Path) -> bool:
        path.unlink()
        return True

    def make_folder(self, path: Path, mode: int) -> None:
        path.mkdir(mode)

    def remove_folder(self, path: Path) -> None:
        path.rmdir()

    def fsync_folder(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.fsync(fd)
        finally:
            os.close(fd)
