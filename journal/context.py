"""What a journal was given to work with, in one bundle that its parts share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from journal.fs import Fs
from journal.values import Format, Processes


class Lock(Protocol):
    """A lock that is held."""

    def release(self) -> None: ...


class Locks(Protocol):
    """Exclusive locks that die with their holder."""

    def acquire(self, path: Path, timeout: float) -> Lock:
        """Lock the file at `path`, creating it; TimeoutError, or FileNotFoundError where its folder is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where the journal lies, and everything outside of it.

    boot_id  names this run of the machine: an unfsynced file seen under another one may be torn
    shown    last parts of own keys whose values may appear in the history and in inspections
    """

    root: Path
    fs: Fs
    formats: Mapping[str, Format]
    processes: Processes
    clock: Callable[[], datetime]
    token: Callable[[int], str]
    boot_id: Callable[[], str]
    tool: str
    shown: Collection[str]
