"""Room on the disk that an install keeps for the day when there is none: giving back and starting need a little.

It lies in files of the worker's folder, with which an uninstall removes it. They are several, since a disk can run
out of names too. Their bytes are random: a file system that compresses would keep no room for others.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from cfp.errors import Failed
from cfp.layout import Layout
from journal.private import make_private

T = TypeVar("T")

FILES: Final = 12  # a log, before-images, and a staged file for each of six changes
_LEAST: Final = 8 * 1024  # of a file, so that two copies of a usual config.toml find room in all of them
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Reserve:
    """The reserved room of one home."""

    def __init__(self, layout: Layout) -> None:
        self._files = [layout.reserve(number) for number in range(FILES)]

    def keep(self, bytes_of_files: int = 0) -> None:
        """Fill what is missing, for files of that size together; on a disk without room, as much as there is."""
        size = max(_LEAST, 4 * bytes_of_files // FILES)
        for path in self._files:
            with suppress(OSError):
                if path.stat().st_size >= size:
                    continue
            if not _fill(path, size):
                return

    def release(self) -> bool:
        """Remove it; return whether that has made room."""
        return sum(map(_remove, self._files)) > 0


def with_room(reserve: Reserve, act: Callable[[], T]) -> T:
    """Act; where the disk is full, a second time with the reserved room. What is left of it is kept again afterwards.

    An act that failed has undone its changes. Raises the error of the last attempt.
    """
    try:
        return act()
    except Failed as error:
        if error.details.get("errno") not in _FULL or not reserve.release():
            raise
    try:
        return act()
    finally:
        reserve.keep()


def _fill(path: Path, size: int) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    except OSError:
        return False
    try:
        make_private(path)  # its bytes are nobody's, but a file that others may read is one that doctor names
        return os.write(descriptor, os.urandom(size)) == size
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _remove(path: Path) -> int:
    try:
        size = path.stat().st_size
        path.unlink()
    except OSError:
        return 0
    return max(1, size)  # its name is room too
