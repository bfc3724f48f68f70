"""The user's budget of Fast a day: once it is spent, requests go out without Fast, and work goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from cfp.core.tiers.names import is_fast

if TYPE_CHECKING:
    from cfp.proxy.telemetry.log_lines import LogLine
    from cfp.proxy.telemetry.request_record import RequestRecord

_DAY_SECONDS = 86400


class FastBudget:
    """Counts the requests with a Fast tier, whoever chose it, and their tokens, on each UTC day, as `usage` does.

    A request counts where the provider has accepted it: an outage, a limit and a refusal cost nothing, however often
    Codex repeats the request. It counts from its start. Tokens count when it has ended: the requests that run when
    the budget is spent may exceed it. The first question reads what earlier workers logged that day: a restart
    forgets nothing.

    requests  the most requests of a day; None: no limit
    tokens    the most input and output tokens of a day
    log       the request log
    clock     returns the seconds since 1970
    """

    def __init__(
        self, *, requests: int | None, tokens: int | None, log: Path, clock: Callable[[], float] = time
    ) -> None:
        self._limits = (requests, tokens)
        self._log = log
        self._clock = clock
        self._day: int | None = None
        self._running = self._requests = self._tokens = 0

    def is_spent(self) -> bool:
        """Whether a request that starts now goes without Fast."""
        self._begin_day()
        requests, tokens = self._limits
        return (requests is not None and self._requests + self._running >= requests) or (
            tokens is not None and self._tokens >= tokens
        )

    def begin(self, record: RequestRecord) -> None:
        """Count a request that goes out with Fast."""
        record.on_budget = True
        self._running += 1

    def end(self, record: RequestRecord) -> None:
        """Count the end of such a request."""
        self._begin_day()
        self._running -= 1
        self._requests += _costs(record.tier_after, record.status if record.response_at is not None else None)

    def spend(self, line: LogLine) -> None:
        """Count the tokens of such a request."""
        if is_fast(line.service_tier_after) and line.usage is not None:
            self._tokens += (line.usage.input_tokens or 0) + (line.usage.output_tokens or 0)

    def report(self) -> dict[str, Any]:
        """Return the day's sums, for health."""
        spent = self.is_spent()
        day = datetime.fromtimestamp((self._day or 0) * _DAY_SECONDS, UTC).date()
        return {"day": day.isoformat(), "requests": self._requests, "tokens": self._tokens, "spent": spent}

    def _begin_day(self) -> None:
        day = int(self._clock() // _DAY_SECONDS)
        if day == self._day:
            return
        is_first, self._day = self._day is None, day
        self._requests = self._tokens = 0
        if is_first:
            self._read_log(datetime.fromtimestamp(day * _DAY_SECONDS, UTC).date().isoformat())

    def _read_log(self, day: str) -> None:
        from cfp.proxy.telemetry.ledger.entry import read_entry  # noqa: PLC0415  only where there is a budget
        from cfp.proxy.telemetry.ledger.segments import lines_since  # noqa: PLC0415  the same

        for line in lines_since(self._log, day):
            entry = read_entry(line)
            if entry is None or entry.day != day or not entry.eligible:
                continue
            if not _costs(entry.service_tier_after, entry.status if entry.upstream_ms is not None else None):
                continue
            self._requests += 1
            if entry.usage is not None:
                self._tokens += (entry.usage.input_tokens or 0) + (entry.usage.output_tokens or 0)


def _costs(tier: str | None, status: int | None) -> bool:
    """Whether a request with this tier and this status of the provider, None without a response, is one with Fast."""
    return is_fast(tier) and status is not None and status < 400
