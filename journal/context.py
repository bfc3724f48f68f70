"""The collaborators of a journal, which all its parts share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from journal.fs import Fs
from journal.values import Format, Processes


class Lock(Protocol):
    """An acquired lock."""

    def release(self) -> None:
        """Release it; may be repeated."""

    def release_file(self) -> None:
        """Make its file removable: where an open file cannot be removed (Windows), that ends the lock itself."""


class Locks(Protocol):
    """Exclusive locks that the kernel releases when their process ends."""

    def acquire(self, path: Path, timeout: float) -> Lock:
        """Lock the file at `path`, creating it; raise TimeoutError, or FileNotFoundError where its folder is missing.

        `timeout` is in seconds.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The journal's folder, and every collaborator.

    token    returns that many random bytes as hexadecimal digits
    boot_id  identifies this boot of the machine: a file that was not synced in an earlier one may be torn
    tool     name and version of the program, for the log and the history
    """

    root: Path
    fs: Fs
    formats: Mapping[str, Format]
    processes: Processes
    clock: Callable[[], datetime]
    token: Callable[[int], str]
    boot_id: Callable[[], str]
    tool: str
