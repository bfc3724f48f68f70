"""The file operations of the journal, one system call each, and the error that a failed one raises.

Every disk access of the journal passes through this port, so that a test can kill the process, fail a call or cut the
power at any of them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from journal.errors import InUse, StorageFailed

OLD = ".old"  # ends the name of displaced content between two steps of an exchange that is not atomic


class FileInUse(PermissionError):
    """Another program has the file `filename` open, and does not share it (Windows)."""


class FileType(enum.Enum):
    """The type of a file."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """The result of lstat(2); `mode` holds the permission bits only."""

    file_type: FileType
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    links: int
    device: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The metadata that a file keeps when its content is replaced; an ACL is an extended attribute on Linux."""

    mode: int
    uid: int
    gid: int
    xattrs: tuple[tuple[str, bytes], ...] = ()


class Fs(Protocol):
    """The operations. All raise OSError; none follows a symbolic link in a path's last part."""

    @property
    def hides_targets(self) -> bool:
        """Whether an exchange leaves the target's name empty for an instant: others find no file (Windows)."""

    def names(self, folder: Path) -> list[str]: ...
    def lstat(self, path: Path) -> Stat: ...
    def readlink(self, path: Path) -> str: ...
    def read(self, path: Path) -> bytes: ...
    def xattrs(self, path: Path) -> Mapping[str, bytes]: ...
    def writable(self, path: Path) -> bool: ...

    def require_free(self, path: Path) -> None:
        """Raise FileInUse where an open handle of another program would refuse that a file is renamed or replaced."""

    def create(self, path: Path, mode: int) -> int:
        """Create a file that must not exist yet and return its descriptor."""

    def open(self, path: Path) -> int:
        """Open an existing file for reading, writing and fsync."""

    def write(self, fd: int, data: bytes, offset: int) -> int:
        """Write at `offset` and return the number of bytes written, as pwrite(2) does."""

    def reserve(self, fd: int, size: int) -> None:
        """Reserve disk space so that the file can grow to `size` bytes on a full disk; best effort."""

    def fsync(self, fd: int) -> None:
        """Return when content and metadata are on the medium."""

    def close(self, fd: int) -> None: ...
    def set_owner(self, fd: int, uid: int, gid: int) -> None: ...
    def set_mode(self, fd: int, mode: int) -> None: ...
    def set_xattr(self, fd: int, name: str, value: bytes) -> None: ...
    def drop_xattr(self, fd: int, name: str) -> None: ...
    def set_mtime(self, fd: int, mtime_ns: int) -> None: ...

    def exchange(self, first: Path, second: Path) -> bool:
        """Exchange two existing names; return False where the file system cannot.

        Atomic on Linux and macOS. On Windows `second` is missing for an instant, and `first` ends in OLD for one.
        """

    def move(self, source: Path, target: Path) -> None:
        """Rename, replacing a file at `target`."""

    def move_new(self, source: Path, target: Path) -> None:
        """Rename to a free name; raise FileExistsError where there is a file."""

    def unlink(self, path: Path) -> None: ...

    def unlink_unused(self, path: Path) -> bool:
        """Remove a file; return False where another program has it open, and the system keeps it (Windows)."""

    def make_folder(self, path: Path, mode: int) -> None: ...
    def remove_folder(self, path: Path) -> None: ...

    def fsync_folder(self, path: Path) -> None:
        """Return when the folder's names are on the medium; do nothing where the system cannot sync a folder."""


def write_all(fs: Fs, fd: int, data: bytes, offset: int = 0) -> None:
    """Write every byte, in as many calls as it takes."""
    written = 0
    while written < len(data):
        written += fs.write(fd, data[written:], offset + written)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise an OSError of the block as StorageFailed for `path`."""
    try:
        yield
    except FileInUse as error:
        raise InUse(Path(error.filename), error.errno) from error
    except OSError as error:
        raise StorageFailed(path, error.errno) from error


def create_fresh(fs: Fs, path: Path) -> int:
    """Create a private file under a temporary name; remove the one that an earlier attempt left there."""
    try:
        return fs.create(path, 0o600)
    except FileExistsError:
        fs.unlink(path)
        return fs.create(path, 0o600)
