r"""The file operations of Windows.

Our own handles share reading, writing and deletion, so none of them keeps another program from its file, but for two
instants: `require_free` asks for the file alone, and ReplaceFileW has the new file alone until it has its name. What
another program opened without sharing it is waited for, two seconds at most; then `FileInUse` names it.

FlushFileBuffers      content and size of a file are on the medium (os.fsync calls it)
MoveFileExW           with MOVEFILE_WRITE_THROUGH: the rename is on the medium, and so are earlier ones of NTFS
ReplaceFileW          replaces a file and keeps its access list, attributes and time of creation; see `exchange`
SetFileTime           a restored file has its former time

A folder cannot be flushed. A link is a symbolic link or a junction, and none is followed in a path's last part.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"  # noqa: S101 - mypy leaves the rest out elsewhere

import errno
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from journal.fs import OLD, FileInUse, FileType, Stat

if TYPE_CHECKING:
    from journal._win32 import FileSecurity

_SHARE_ALL = 7  # of `_win32`, which is imported late
_PAUSES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 0.73)  # two seconds in all
_WRITE_DAC = 0x00040000
_ACCESS_LIST = "windows.access_list"  # kept as an attribute of the file, as an ACL is on Linux
_NAME_SURROGATE = 0x20000000  # of a reparse tag: the file is another name, and no cloud file or the like
_PREFIXES = (("\\\\?\\UNC\\", "\\\\"), ("\\\\?\\", ""))

Result = TypeVar("Result")


class WindowsFs:
    """`journal.fs.Fs` describes each operation; `pauses` are in seconds."""

    hides_targets = True

    def __init__(self, pauses: Sequence[float] = _PAUSES, sleep: Callable[[float], None] = time.sleep) -> None:
        self._pauses = pauses
        self._sleep = sleep
        self._removed: set[Path] = set()

    def names(self, folder: Path) -> list[str]:
        return os.listdir(folder)

    def lstat(self, path: Path) -> Stat:
        result = path.lstat()
        return Stat(
            file_type=_file_type(result),
            mode=stat.S_IMODE(result.st_mode),
            uid=result.st_uid,
            gid=result.st_gid,
            mtime_ns=result.st_mtime_ns,
            links=result.st_nlink,
            device=result.st_dev,
            inode=result.st_ino,
        )

    def readlink(self, path: Path) -> str:
        text = str(path.readlink())
        for prefix, plain in _PREFIXES:
            if text.startswith(prefix):
                return plain + text.removeprefix(prefix)
        return text

    def read(self, path: Path) -> bytes:
        from journal import _win32  # noqa: PLC0415 - ctypes costs time that `interrupted` does not have

        with os.fdopen(self._open(path, _win32.READ, os.O_RDONLY), "rb") as file:
            return file.read()

    def xattrs(self, path: Path) -> Mapping[str, bytes]:
        from journal import _private_windows  # noqa: PLC0415 - as above

        path.lstat()
        return {_ACCESS_LIST: _private_windows.access_list(path)}

    def writable(self, path: Path) -> bool:
        from journal import _win32  # noqa: PLC0415 - as above

        if path.is_dir():
            return True  # by its access list, which only the making of a file asks
        try:
            os.close(self._open(path, _win32.READ | _win32.WRITE | _win32.DELETE, os.O_RDWR))
        except FileInUse:
            raise
        except PermissionError:
            return False
        return True

    def require_free(self, path: Path) -> None:
        from journal import _win32  # noqa: PLC0415 - as above

        try:
            # Shared by nobody: a program that shares deletion allows a rename, but no file in the place of its own.
            os.close(self._open(path, _win32.DELETE, os.O_RDONLY, share=0))
        except FileNotFoundError:
            return

    def create(self, path: Path, mode: int) -> int:
        from journal import _win32  # noqa: PLC0415 - as above

        access = _win32.READ | _win32.WRITE | _WRITE_DAC
        security = _security(mode, folder=False)
        handle = _win32.open_handle(path, access, _win32.SHARE_ALL, _win32.CREATE_NEW, security=security)
        return _win32.descriptor(handle, os.O_RDWR)

    def open(self, path: Path) -> int:
        from journal import _win32  # noqa: PLC0415 - as above

        access = _win32.READ | _win32.WRITE
        try:
            return self._open(path, access | _WRITE_DAC, os.O_RDWR)
        except FileInUse:
            raise
        except PermissionError:  # a file of which this user may change the content, and not the rights
            return self._open(path, access, os.O_RDWR)

    def _open(self, path: Path, access: int, flags: int, *, share: int = _SHARE_ALL) -> int:
        from journal import _win32  # noqa: PLC0415 - as above

        result = path.lstat()
        if _file_type(result) is FileType.LINK:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        through = result.st_reparse_tag != 0  # a cloud file and the like: its own handle would give no content

        def attempt() -> int:
            return _win32.open_handle(path, access, share, _win32.OPEN_EXISTING, through=through)

        return _win32.descriptor(self._patiently(path, attempt), flags)

    def write(self, fd: int, data: bytes, offset: int) -> int:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)

    def reserve(self, fd: int, size: int) -> None:
        if os.fstat(fd).st_size < size:
            os.ftruncate(fd, size)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def set_owner(self, fd: int, uid: int, gid: int) -> None:
        """Do nothing: every file here has the numbers 0 and 0."""

    def set_mode(self, fd: int, mode: int) -> None:
        """Do nothing: a mode here is the read-only attribute alone, and a file that has it is not replaced."""

    def set_xattr(self, fd: int, name: str, value: bytes) -> None:
        import msvcrt  # noqa: PLC0415 - as above

        from journal import _private_windows  # noqa: PLC0415 - as above

        if name != _ACCESS_LIST:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        _private_windows.set_access_list(msvcrt.get_osfhandle(fd), value)

    def drop_xattr(self, fd: int, name: str) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    def set_mtime(self, fd: int, mtime_ns: int) -> None:
        from journal import _win32  # noqa: PLC0415 - as above

        _win32.set_write_time(fd, mtime_ns)

    def exchange(self, first: Path, second: Path) -> bool:
        """Exchange in three renames, the first two by ReplaceFileW; `StagingArea.mend` knows what lies between them.

        before               second: theirs    first: ours
        after the first      second: none      first: ours      first.old: theirs
        after the second     second: ours      first: none      first.old: theirs
        after the third      second: ours      first: theirs
        """
        from journal import _win32  # noqa: PLC0415 - as above

        old = first.with_name(first.name + OLD)

        def attempt() -> None:
            try:
                _win32.replace(second, first, old)
            except OSError as error:
                if error.winerror == _win32.UNABLE_TO_MOVE_REPLACEMENT_2:
                    _win32.move(old, second, replace=False)
                raise

        if os.path.lexists(old) or _file_type(second.lstat()) is not FileType.FILE:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(old))
        self._patiently(second, attempt)
        self._move(old, first, replace=False)
        return True

    def move(self, source: Path, target: Path) -> None:
        self._move(source, target, replace=True)

    def move_new(self, source: Path, target: Path) -> None:
        self._move(source, target, replace=False)

    def _move(self, source: Path, target: Path, *, replace: bool) -> None:
        from journal import _win32  # noqa: PLC0415 - as above

        def attempt() -> None:
            _win32.move(source, target, replace=replace)

        self._patiently(target if replace else source, attempt)

    def unlink(self, path: Path) -> None:
        self._patiently(path, path.unlink)
        self._removed.add(path)

    def unlink_unused(self, path: Path) -> bool:
        try:
            path.unlink()
        except FileNotFoundError:
            return True
        except PermissionError:
            return False
        return True

    def make_folder(self, path: Path, mode: int) -> None:
        from journal import _win32  # noqa: PLC0415 - as above

        _win32.make_directory(path, _security(mode, folder=True))

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder, and wait for removed files in it.

        Such a file keeps its name while another program, as a virus scanner, has it open.
        """
        for pause in self._pauses:
            try:
                return self._patiently(path, path.rmdir)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY or not self._has_removed_all_in(path):
                    raise
            self._sleep(pause)
        return self._patiently(path, path.rmdir)

    def _has_removed_all_in(self, folder: Path) -> bool:
        return all(folder / name in self._removed for name in os.listdir(folder))

    def fsync_folder(self, path: Path) -> None:
        """Do nothing: see the head of this module."""

    def _patiently(self, path: Path, attempt: Callable[[], Result]) -> Result:
        """Repeat what another program's open handle refuses. Raises FileInUse for `path` in the end."""
        for pause in self._pauses:
            try:
                return attempt()
            except OSError as error:
                if not _is_in_use(error, path):
                    raise
            self._sleep(pause)
        try:
            return attempt()
        except OSError as error:
            if not _is_in_use(error, path):
                raise
            raise FileInUse(error.errno, error.strerror, str(path)) from error


def _file_type(result: os.stat_result) -> FileType:
    if result.st_reparse_tag & _NAME_SURROGATE:
        return FileType.LINK
    if stat.S_ISDIR(result.st_mode):
        return FileType.FOLDER
    return FileType.FILE if stat.S_ISREG(result.st_mode) else FileType.OTHER


def _is_in_use(error: OSError, path: Path) -> bool:
    """Whether another program's handle is the cause: renames over an open file and removals are denied for it too."""
    from journal import _win32  # noqa: PLC0415 - as above

    if error.winerror in _win32.IN_USE:
        return True
    if error.winerror != _win32.ACCESS_DENIED:
        return False
    try:
        handle = _win32.open_handle(path, _win32.DELETE, 0, _win32.OPEN_EXISTING)  # refused by any open handle
    except OSError as refused:
        return refused.winerror == _win32.SHARING_VIOLATION
    _win32.close_handle(handle)
    return False


def _security(mode: int, *, folder: bool) -> FileSecurity | None:
    """Return who may use a new file or folder of this mode; None stands for those who may use its folder."""
    from journal import _private_windows  # noqa: PLC0415 - as above

    return None if mode & 0o077 else _private_windows.attributes(folder=folder)
