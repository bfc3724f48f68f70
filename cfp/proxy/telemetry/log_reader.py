"""A reader of the request log: its newest lines, and then the lines that are appended, across rotations."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from cfp.proxy.telemetry.request_log import KEPT_FILES, last_bytes, moved_names
from journal.private import read_from

_MAX_BYTES: Final = 8 * 1024 * 1024


class LogReader:
    """Reads the log of one worker. No file stays open between two calls."""

    def __init__(self, path: Path) -> None:
        self._names = (path, *moved_names(path, KEPT_FILES))  # newest first
        self._identity: tuple[int, int] | None = None
        self._offset = 0

    def last_lines(self, count: int) -> list[bytes]:
        """Return the newest `count` whole lines, oldest first; `new_lines` continues behind them."""
        newest: deque[bytes] = deque(maxlen=count)
        with _open(self._names[0]) as file:
            if file is not None:
                size = file.seek(0, os.SEEK_END)
                self._offset = max(0, size - _MAX_BYTES)
                lines = self._rest(file)
                newest.extend(lines[1:] if size > _MAX_BYTES else lines)
        if len(newest) < count:
            older = b"".join(last_bytes(name, _MAX_BYTES) for name in reversed(self._names[1:3])).splitlines()
            newest.extendleft(reversed(older[len(newest) - count :]))
        return list(newest)

    def new_lines(self) -> list[bytes]:
        """Return the whole lines that were appended since the last call, oldest first."""
        lines: list[bytes] = []
        for name in reversed(self._names[: self._rotations() + 1]):
            with _open(name) as file:
                if file is not None:
                    lines += self._rest(file)
        return lines

    def _rotations(self) -> int:
        """Return how often the file that was read last has been rotated since; 0 also where it is gone.

        Where no file has been read yet, all files are new.
        """
        if self._identity is None:
            return len(self._names) - 1
        for number, name in enumerate(self._names):
            with _open(name) as file:
                if file is not None and _identity(file) == self._identity:
                    return number
        return 0

    def _rest(self, file: BinaryIO) -> list[bytes]:
        """Return the unread whole lines of the file."""
        if _identity(file) != self._identity:
            self._offset = 0 if self._identity is not None else self._offset
            self._identity = _identity(file)
        if file.seek(0, os.SEEK_END) < self._offset:
            self._offset = 0  # a new file has the inode number of a removed one
        file.seek(self._offset)
        text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.splitlines()


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO | None]:
    """Open the file for reading; yield None where that fails."""
    try:
        file = read_from(path)
    except OSError:
        yield None
        return
    with file:
        yield file


def _identity(file: BinaryIO) -> tuple[int, int]:
    stat_result = os.fstat(file.fileno())
    return stat_result.st_dev, stat_result.st_ino
