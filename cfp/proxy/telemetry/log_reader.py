"""The request log as a reader sees it: its newest lines, and then what is appended, across rotations."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from cfp.proxy.telemetry.request_log import KEPT_FILES, RotatingFile

_MOST_BYTES: Final = 8 * 1024 * 1024


class LogReader:
    """Holds no file open between two reads: on Windows the worker could not rotate one that somebody reads."""

    def __init__(self, path: Path) -> None:
        names = (path, *(path.with_name(f"{path.name}.{number}") for number in range(1, KEPT_FILES)))
        self._names = names  # newest first
        self._identity: tuple[int, int] | None = None
        self._offset = 0

    def last(self, count: int) -> list[bytes]:
        """The newest whole lines that are there, oldest first; `more` goes on behind them."""
        found: deque[bytes] = deque(maxlen=count)
        with _opened(self._names[0]) as file:
            if file is not None:
                size = file.seek(0, os.SEEK_END)
                self._offset = max(0, size - _MOST_BYTES)
                lines = self._rest(file)
                found.extend(lines[1:] if size > _MOST_BYTES else lines)
        if len(found) < count:
            older = RotatingFile(self._names[1]).tail(_MOST_BYTES).splitlines()
            found.extendleft(reversed(older[len(found) - count :]))
        return list(found)

    def more(self) -> list[bytes]:
        """Whole lines that were appended since the last call, oldest first."""
        found: list[bytes] = []
        for name in reversed(self._names[: self._rotations() + 1]):
            with _opened(name) as file:
                if file is not None:
                    found += self._rest(file)
        return found

    def _rotations(self) -> int:
        """How often the file that was read last has been moved up since; 0 also where it is gone.

        Where there was none yet, all that there is now is new.
        """
        if self._identity is None:
            return len(self._names) - 1
        for number, name in enumerate(self._names):
            with _opened(name) as file:
                if file is not None and _identity(file) == self._identity:
                    return number
        return 0

    def _rest(self, file: BinaryIO) -> list[bytes]:
        """What the file holds behind what was read of it, up to its last line end."""
        if _identity(file) != self._identity:
            self._offset = 0 if self._identity is not None else self._offset
            self._identity = _identity(file)
        if file.seek(0, os.SEEK_END) < self._offset:
            self._offset = 0  # another file with the number of a removed one
        file.seek(self._offset)
        text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.splitlines()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    """The file for reading, or None where it cannot be opened."""
    try:
        file = path.open("rb")
    except OSError:
        yield None
        return
    with file:
        yield file


def _identity(file: BinaryIO) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino
