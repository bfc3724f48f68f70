"""The file operations that the journal is built from, one system call each, and how a failed one is reported.

Every effect of the journal on the disk passes through this port, so that a test can stop the world, fail a call or
cut the power at any of them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from journal.errors import StorageFailed


class FileType(enum.Enum):
    """What stands under a name."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """What lstat(2) says; `mode` holds the permission bits only."""

    kind: FileType
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    links: int
    device: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What a file keeps when its content is replaced; an ACL is an extended attribute on Linux."""

    mode: int
    uid: int
    gid: int
    xattrs: tuple[tuple[str, bytes], ...] = ()


class Fs(Protocol):
    """The operations. All raise OSError; none follows a symbolic link in a path's last part."""

    def names(self, folder: Path) -> list[str]: ...
    def lstat(self, path: Path) -> Stat: ...
    def readlink(self, path: Path) -> str: ...
    def read(self, path: Path) -> bytes: ...
    def xattrs(self, path: Path) -> Mapping[str, bytes]: ...
    def writable(self, path: Path) -> bool: ...

    def create(self, path: Path, mode: int) -> int:
        """Create a file that must not exist yet and return its descriptor."""

    def open(self, path: Path) -> int:
        """Open an existing file for reading, writing and fsync."""

    def write(self, fd: int, data: bytes, offset: int) -> int:
        """Write at `offset` and return how much was taken, as pwrite(2) does."""

    def reserve(self, fd: int, size: int) -> None:
        """Make sure that the file can grow to `size` bytes on a full disk; best effort."""

    def fsync(self, fd: int) -> None:
        """Return when content and metadata are on the medium."""

    def close(self, fd: int) -> None: ...
    def set_owner(self, fd: int, uid: int, gid: int) -> None: ...
    def set_mode(self, fd: int, mode: int) -> None: ...
    def set_xattr(self, fd: int, name: str, value: bytes) -> None: ...
    def drop_xattr(self, fd: int, name: str) -> None: ...
    def set_mtime(self, fd: int, mtime_ns: int) -> None: ...

    def exchange(self, one: Path, other: Path) -> bool:
        """Swap two existing names in one step; False where the file system cannot."""

    def move(self, source: Path, target: Path) -> None:
        """Rename, replacing what stands at `target`."""

    def move_new(self, source: Path, target: Path) -> None:
        """Rename onto a free name; FileExistsError where it is taken."""

    def unlink(self, path: Path) -> None: ...
    def make_folder(self, path: Path, mode: int) -> None: ...
    def remove_folder(self, path: Path) -> None: ...

    def fsync_folder(self, path: Path) -> None:
        """Return when the folder's names are on the medium; nothing where the platform has no such thing."""


def write_all(fs: Fs, fd: int, data: bytes, offset: int = 0) -> None:
    """Write every byte, however few each call takes."""
    done = 0
    while done < len(data):
        done += fs.write(fd, data[done:], offset + done)


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn an OSError into StorageFailed about `path`."""
    try:
        yield
    except OSError as error:
        raise StorageFailed(path, error.errno) from error


def create_fresh(fs: Fs, path: Path) -> int:
    """Create a private file; one that an earlier attempt left under this passing name goes first."""
    try:
        return fs.create(path, 0o600)
    except FileExistsError:
        fs.unlink(path)
        return fs.create(path, 0o600)
