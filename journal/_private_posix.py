"""Files and folders that their user alone can read, by their mode (POSIX)."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

assert sys.platform != "win32"  # noqa: S101  for mypy, which checks this file for POSIX alone

# Not blocking: a pipe in the place of the file would be waited for, without end, before its type is known.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | getattr(os, "O_NOFOLLOW", 0) | os.O_CLOEXEC
_OTHERS = 0o077
_OTHER_TYPES = {
    stat.S_IFIFO: (errno.EINVAL, "it is a pipe"),
    stat.S_IFCHR: (errno.EINVAL, "it is a device"),
    stat.S_IFBLK: (errno.EINVAL, "it is a device"),
    stat.S_IFSOCK: (errno.EINVAL, "it is a socket"),
    stat.S_IFDIR: (errno.EISDIR, os.strerror(errno.EISDIR)),
}


def make_folder(path: Path) -> None:
    """Make a private folder. Raises OSError."""
    path.mkdir(mode=0o700)


def append_to(path: Path) -> int:
    """Open a log for appending, making a missing one, and make it private; return its descriptor.

    Raises OSError, also for what is no file.
    """
    with suppress(FileNotFoundError):
        _require_file(path, path.lstat().st_mode, links=True)
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        _require_file(path, os.fstat(descriptor).st_mode)
        os.fchmod(descriptor, 0o600)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_from(path: Path) -> BinaryIO:
    """Open a file for reading; nobody else is kept from it.

    Raises OSError, also for a pipe, a device or a socket: to read one may take for ever, and to open one may act.
    """
    _require_file(path, path.stat().st_mode)
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    try:
        _require_file(path, os.fstat(file.fileno()).st_mode)
    except OSError:
        file.close()
        raise
    return file


def _require_file(path: Path, mode: int, *, links: bool = False) -> None:
    """Raise OSError for what is no regular file; `links`: a link may pass, which the caller does not follow."""
    kind = stat.S_IFMT(mode)
    if kind != stat.S_IFREG and not (links and kind == stat.S_IFLNK):
        raise OSError(*_OTHER_TYPES.get(kind, (errno.EINVAL, "it is no file")), str(path))


def make_private(path: Path) -> None:
    """Make an existing file or folder private; a link is left alone. Raises OSError."""
    mode = path.lstat().st_mode
    if not stat.S_ISLNK(mode) and mode & _OTHERS:
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
