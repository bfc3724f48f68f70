"""The rows of the ledger, in bounded memory: a name for which there is no room counts as "other"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from cfp.core.tiers.names import canonical
from cfp.proxy.telemetry.ledger.entry import LoggedRequest
from cfp.proxy.telemetry.ledger.totals import Totals

OTHER: Final = "other"
EARLIER: Final = "earlier"  # the day of all requests from before the days that are kept
MAX_DAYS: Final = 400
SESSION_DAYS: Final = 31  # the newest days, which keep sessions apart
MAX_ROWS: Final = 256  # of a day; beyond them sessions are merged, and beyond twice as many everything


class Key(NamedTuple):
    """The names by which a day's requests are told apart; None where the log has none.

    tier  the one that the response names, else the one that was sent
    """

    model: str | None
    tier: str | None
    kind: str | None
    session: str | None


_MAX_NAMES: Final = Key(model=16, tier=8, kind=8, session=64)  # type: ignore[arg-type]  # numbers of names, in the same order


class Table:
    """The totals of each day and key. The order of the requests matters only for which names are merged."""

    def __init__(self) -> None:
        self.days: dict[str, dict[Key, Totals]] = {}

    def add(self, entry: LoggedRequest) -> None:
        """Count one request; the entry must have a day."""
        assert entry.day is not None  # noqa: S101  `read_entry` returns no other
        tier = entry.response_service_tier or entry.service_tier_after
        key = Key(entry.model, None if tier is None else canonical(tier), entry.kind, entry.session)
        self._row(self.days.setdefault(entry.day, {}), key).add(entry)

    def merge_old(self) -> None:
        """Keep the newest days, and sessions apart in the newest of them only; no request is lost."""
        days = sorted(day for day in self.days if day != EARLIER)
        for day in days[:-MAX_DAYS]:
            self._merge(self.days.setdefault(EARLIER, {}), self.days.pop(day))
        for day in days[-MAX_DAYS:-SESSION_DAYS]:
            if any(key.session not in {None, OTHER} for key in self.days[day]):
                rows: dict[Key, Totals] = {}
                self._merge(rows, self.days[day])
                self.days[day] = rows

    def rows(self, since: str = "") -> Iterator[tuple[str, Key, Totals]]:
        """Give the rows of the days from `since` on, the earliest first; without it, those of all days."""
        if not since and EARLIER in self.days:
            yield from ((EARLIER, key, totals) for key, totals in self.days[EARLIER].items())
        for day in sorted(day for day in self.days if day != EARLIER and day >= since):
            yield from ((day, key, totals) for key, totals in self.days[day].items())

    def _merge(self, into: dict[Key, Totals], rows: dict[Key, Totals]) -> None:
        """Add the rows, without their sessions."""
        for key, totals in rows.items():
            merged = key if key.session is None else key._replace(session=OTHER)
            self._row(into, merged).merge(totals)

    @staticmethod
    def _row(rows: dict[Key, Totals], key: Key) -> Totals:
        """Return the row of the key, or the one that stands in for it where there is no room for another name."""
        totals = rows.get(key)
        if totals is not None:
            return totals
        names = [*key]
        for position, most in enumerate(_MAX_NAMES):
            known = {other[position] for other in rows} - {OTHER, None}
            if names[position] is not None and names[position] not in known and len(known) >= int(most or 0):
                names[position] = OTHER
        if len(rows) >= MAX_ROWS and names[-1] is not None:
            names[-1] = OTHER
        bounded = Key(*names)
        if bounded not in rows and len(rows) >= 2 * MAX_ROWS:
            bounded = Key(OTHER, OTHER, OTHER, OTHER)
        return rows.setdefault(bounded, Totals())
