"""The sums of `usage` for the page, and the time that Fast has saved: read and folded in a thread, and kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cfp.proxy.config import WorkerConfig
from journal.private import read_from

if TYPE_CHECKING:
    from cfp.proxy.dashboard.saved_time import FastRequests
    from cfp.proxy.telemetry.ledger.ledger_file import Ledger

_NAMES: Final = frozenset({"day", "model", "tier", "kind", "session"})
_RANGES: Final = {"1": 1, "7": 7, "30": 30, "all": None}  # days, today included
MOST_ROWS: Final = 100
_LONGEST: Final = 200  # characters of a name
_LARGEST_HISTORY: Final = 1 << 20


def choice(words: str) -> tuple[str, int | None] | None:
    """Return the name to add up by and the number of days of `NAME/RANGE`; None where it is neither."""
    by, _, days = words.partition("/")
    return (by, _RANGES[days]) if by in _NAMES and days in _RANGES else None


@dataclass(slots=True)
class UsageCache:
    """The ledger with the rest of the log. A second look folds only the lines that came since."""

    config: WorkerConfig
    _ledger: Ledger | None = None
    _stat: tuple[int, int] | None = None
    _fast: FastRequests | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def sums(self, by: str, days: int | None, now: datetime | None = None) -> dict[str, Any]:
        """Return the rows, at most `MOST_ROWS`, their total, and the time that Fast has saved.

        `readable` is False for a ledger that is none; `time_saved` is as `FastRequests.saved` has it.
        """
        since = "" if days is None else ((now or datetime.now(UTC)).date() - timedelta(days=days - 1)).isoformat()
        async with self._lock:
            return await asyncio.get_running_loop().run_in_executor(None, self._sums, by, since)

    def _sums(self, by: str, since: str) -> dict[str, Any]:
        from cfp.proxy.telemetry.ledger.ledger_file import LedgerInvalid  # noqa: PLC0415  only this panel needs it
        from cfp.proxy.telemetry.ledger.report import By, report  # noqa: PLC0415  the same

        try:
            ledger = self._current()
        except (OSError, LedgerInvalid):
            return {"by": by, "readable": False, "rows": [], "total": None, "more": 0, "time_saved": None}
        sums = report(ledger.table.rows(since), By(by), None)
        rows = sums.rows[-MOST_ROWS:] if by == By.DAY else sums.rows[:MOST_ROWS]
        return {
            "by": by,
            "readable": True,
            "rows": [{**row, by: row[by] and row[by][:_LONGEST]} for row in rows],
            "total": sums.total,
            "more": len(sums.rows) - len(rows),
            "time_saved": self._time_saved(since, min((day for day, _, _ in ledger.table.rows(since)), default="")),
        }

    def _current(self) -> Ledger:
        """Return the ledger with all of the log; raises OSError and LedgerInvalid."""
        from cfp.proxy.telemetry.ledger.ledger_file import Ledger  # noqa: PLC0415  only this panel needs it

        stat = _stat(self.config.ledger)
        if self._ledger is None or stat != self._stat:
            self._ledger, self._stat = Ledger.read(self.config.ledger), stat
        self._ledger.fold(self.config.request_log)
        return self._ledger

    def _time_saved(self, since: str, first: str) -> dict[str, Any]:
        """Return what the log says; `log_since` is its first day where the sums begin before it, on `first`."""
        from cfp.core.tiers.history import parse_history  # noqa: PLC0415  only this panel needs it
        from cfp.proxy.dashboard.saved_time import FastRequests, factors  # noqa: PLC0415  the same

        try:
            with read_from(self.config.layout.benchmark_history) as file:
                saved = file.read(_LARGEST_HISTORY)
        except OSError:
            saved = b""
        if self._fast is None:
            self._fast = FastRequests()
        self._fast.fold(self.config.request_log)
        oldest = self._fast.oldest
        return {
            **self._fast.saved(self.config.settings.upstream_base, factors(parse_history(saved)), since),
            "log_since": oldest if oldest is not None and first < oldest else None,
        }


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
