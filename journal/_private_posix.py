"""Files and folders that their user alone can read, by their mode (POSIX)."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

assert sys.platform != "win32"  # noqa: S101  for mypy, which checks this file for POSIX alone

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_OTHERS = 0o077


def make_folder(path: Path) -> None:
    """Make a private folder. Raises OSError."""
    path.mkdir(mode=0o700)


def append_to(path: Path) -> int:
    """Open a log for appending, making a missing one, and make it private; return its descriptor."""
    descriptor = os.open(path, _FLAGS, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def read_from(path: Path) -> BinaryIO:
    """Open a file for reading; nobody else is kept from it. Raises OSError."""
    return path.open("rb")


def make_private(path: Path) -> None:
    """Make an existing file or folder private; a link is left alone. Raises OSError."""
    mode = path.lstat().st_mode
    if not stat.S_ISLNK(mode) and mode & _OTHERS:
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
