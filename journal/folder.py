"""The journal as seen from outside the lock: what is open, what has happened, and the way in."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from journal.fs import Fs
from journal.lease import Lease
from journal.values import Format, Json, Processes


def utcnow() -> datetime:
    return datetime.now(UTC)


class Journal:
    """One journal folder. Reading from it takes no lock and changes nothing."""

    def __init__(
        self,
        root: Path,
        *,
        fs: Fs,
        formats: Mapping[str, Format],
        processes: Processes,
        clock: Callable[[], datetime] = utcnow,
        token: Callable[[int], str] = secrets.token_hex,
        tool: str = "",
    ) -> None:
        self.root = root
        self._fs = fs

    def hot(self) -> tuple[str, ...]:
        """The ids of open transactions; () where there is no folder."""
        raise NotImplementedError

    def history(self) -> tuple[Json, ...]:
        raise NotImplementedError

    def inspect(self, txid: str) -> Json:
        raise NotImplementedError

    def acquire(self, *, command: str, timeout: float) -> Lease:
        raise NotImplementedError
