"""The sums of `usage` for the page: read and folded in a thread, and kept until the ledger's file changes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cfp.proxy.telemetry.ledger.ledger_file import Ledger

_NAMES: Final = frozenset({"day", "model", "tier", "kind", "session"})
_RANGES: Final = {"1": 1, "7": 7, "30": 30, "all": None}  # days, today included
MOST_ROWS: Final = 100


def choice(words: str) -> tuple[str, int | None] | None:
    """Return the name to add up by and the number of days of `NAME/RANGE`; None where it is neither."""
    by, _, days = words.partition("/")
    return (by, _RANGES[days]) if by in _NAMES and days in _RANGES else None


@dataclass(slots=True)
class UsageCache:
    """The ledger with the rest of the log. A second look folds only the lines that came since.

    path  the ledger's file
    log   the request log
    """

    path: Path
    log: Path
    _ledger: Ledger | None = None
    _stat: tuple[int, int] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def sums(self, by: str, days: int | None, now: datetime | None = None) -> dict[str, Any]:
        """Return the rows, at most `MOST_ROWS`, and their total; `readable` is False for a ledger that is none."""
        since = "" if days is None else ((now or datetime.now(UTC)).date() - timedelta(days=days - 1)).isoformat()
        async with self._lock:
            return await asyncio.get_running_loop().run_in_executor(None, self._sums, by, since)

    def _sums(self, by: str, since: str) -> dict[str, Any]:
        from cfp.proxy.telemetry.ledger.ledger_file import LedgerInvalid  # noqa: PLC0415  only this panel needs it
        from cfp.proxy.telemetry.ledger.report import By, report  # noqa: PLC0415  the same

        try:
            ledger = self._current()
        except (OSError, LedgerInvalid):
            return {"by": by, "readable": False, "rows": [], "total": None, "more": 0}
        sums = report(ledger.table.rows(since), By(by), None)
        rows = sums.rows[-MOST_ROWS:] if by == By.DAY else sums.rows[:MOST_ROWS]
        return {"by": by, "readable": True, "rows": rows, "total": sums.total, "more": len(sums.rows) - len(rows)}

    def _current(self) -> Ledger:
        """Return the ledger with all of the log; raises OSError and LedgerInvalid."""
        from cfp.proxy.telemetry.ledger.ledger_file import Ledger  # noqa: PLC0415  only this panel needs it

        stat = _stat(self.path)
        if self._ledger is None or stat != self._stat:
            self._ledger, self._stat = Ledger.read(self.path), stat
        self._ledger.fold(self.log)
        return self._ledger


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
