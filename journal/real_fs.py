"""The file operations of the operating system.

Tested on Linux. The branches for macOS (F_FULLFSYNC) and Windows (no folder fsync, retried renames) follow their
documentation and are untested.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from journal.fs import FileType, Stat

_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_FILE_TYPES = {stat.S_IFREG: FileType.FILE, stat.S_IFDIR: FileType.FOLDER, stat.S_IFLNK: FileType.LINK}
_UNSUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}

if sys.platform == "win32":  # pragma: no cover - untested: only Linux is run
    _BUSY = {5, 32, 33}  # access denied, sharing violation, lock violation: another program has the file open
    _PAUSES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)

    def _sync(fd: int) -> None:
        os.fsync(fd)

    def _retry_while_busy(rename: Callable[[], object]) -> None:
        for pause in _PAUSES:
            try:
                rename()
            except OSError as error:
                if error.winerror not in _BUSY:
                    raise
            else:
                return
            time.sleep(pause)
        rename()
else:

    def _sync(fd: int) -> None:
        if sys.platform == "darwin":  # pragma: no cover - untested: only Linux is run
            import fcntl  # noqa: PLC0415 - exists on POSIX only

            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fsync(fd)

    def _retry_while_busy(rename: Callable[[], object]) -> None:
        rename()


class RealFs:
    """The real file system; `journal.fs.Fs` describes each operation."""

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
        if not hasattr(os, "listxattr"):  # pragma: no cover - Linux only; elsewhere attributes are not kept
            return {}
        try:
            names = os.listxattr(path, follow_symlinks=False)
        except OSError as error:
            if error.errno in _UNSUPPORTED:  # pragma: no cover - no file system at hand is without attributes
                return {}
            raise
        return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}

    def writable(self, path: Path) -> bool:
        return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)

    def create(self, path: Path, mode: int) -> int:
        return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path: Path) -> int:
        return os.open(path, _FLAGS)

    def write(self, fd: int, data: bytes, offset: int) -> int:
        if sys.platform == "win32":
            os.lseek(fd, offset, os.SEEK_SET)
            return os.write(fd, data)
        return os.pwrite(fd, data, offset)

    def reserve(self, fd: int, size: int) -> None:
        if not hasattr(os, "posix_fallocate"):  # pragma: no cover - not on macOS and Windows: no promise there
            return
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise

    def fsync(self, fd: int) -> None:
        _sync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def set_owner(self, fd: int, uid: int, gid: int) -> None:
        if sys.platform != "win32":
            os.fchown(fd, uid, gid)

    def set_mode(self, fd: int, mode: int) -> None:
        if sys.platform != "win32":
            os.fchmod(fd, mode)

    def set_xattr(self, fd: int, name: str, value: bytes) -> None:
        os.setxattr(fd, name, value)

    def drop_xattr(self, fd: int, name: str) -> None:
        os.removexattr(fd, name)

    def set_mtime(self, fd: int, mtime_ns: int) -> None:
        if sys.platform != "win32":
            os.utime(fd, ns=(mtime_ns, mtime_ns))

    def exchange(self, first: Path, second: Path) -> bool:
        from journal import rename  # noqa: PLC0415 - ctypes costs time that `interrupted` does not have

        return rename.rename(first, second, rename.EXCHANGE)

    def move(self, source: Path, target: Path) -> None:
        _retry_while_busy(lambda: source.replace(target))

    def move_new(self, source: Path, target: Path) -> None:
        from journal import rename  # noqa: PLC0415 - as above

        if rename.rename(source, target, rename.EXCLUSIVE):
            return
        if sys.platform == "win32":  # pragma: no cover - untested: os.rename refuses to replace there
            _retry_while_busy(lambda: source.rename(target))
        else:  # pragma: no cover - no file system at hand lacks it; `link_new` is tested by itself
            link_new(source, target)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def make_folder(self, path: Path, mode: int) -> None:
        path.mkdir(mode)

    def remove_folder(self, path: Path) -> None:
        path.rmdir()

    def fsync_folder(self, path: Path) -> None:
        if sys.platform == "win32":  # pragma: no cover - untested: folders cannot be opened there
            return
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync(fd)
        finally:
            os.close(fd)


def link_new(source: Path, target: Path) -> None:
    """Rename to a free name where the kernel has no such rename: for an instant the file has two names."""
    os.link(source, target, follow_symlinks=False)
    source.unlink()
