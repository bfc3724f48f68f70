"""Counts and medians of each tier's requests, from the log lines of the user's own traffic, in bounded memory.

They cost no quota and prove little, because requests with priority differ from others in more than the tier. A
measurement is `benchmark`.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cfp.core.tiers.names import canonical
from cfp.core.traffic.requests import Outcome

if TYPE_CHECKING:
    from cfp.proxy.telemetry.log_lines import LogLine

_MAX_ROWS: Final = 32
_MAX_SAMPLES: Final = 200
_MAX_NAMES: Final = 8  # distinct tiers in the responses of one row
_OTHER_TIERS: Final = "other"


# One row has the requests for one model at one upstream with one tier, by its one name, as the worker sent it.
_KEY: Final = ("upstream_base", "model", "service_tier")
_Key: TypeAlias = tuple[str | None, str | None, str | None]


class _Row:
    def __init__(self) -> None:
        self.count = self.failed = self.injected = 0
        self.echoed: Counter[str] = Counter()
        self.first_byte_ms: deque[float] = deque(maxlen=_MAX_SAMPLES)
        self.output_rate: deque[float] = deque(maxlen=_MAX_SAMPLES)
        self.last = ""


class TierStatistics:
    """Counts the lines of the request log in rows; with too many rows, the one whose last line is oldest goes."""

    def __init__(self) -> None:
        self._rows: dict[_Key, _Row] = {}
        self._newest: tuple[_Key | None, _Row] = (None, _Row())  # the row of the last line

    def add(self, line: LogLine) -> None:
        """Count one line, unless it is not of an eligible request or the client left before the end."""
        if not line.eligible or line.status is None or line.outcome is Outcome.LEFT:
            return
        sent = line.service_tier_after
        key = line.upstream_base, line.model, None if sent is None else canonical(sent)
        if key == self._newest[0]:
            row = self._newest[1]
        else:
            row = self._rows.pop(key) if key in self._rows else _Row()
            self._rows[key] = row
            self._newest = key, row
            if len(self._rows) > _MAX_ROWS:
                del self._rows[next(iter(self._rows))]
        row.count += 1
        row.injected += line.service_tier_injected
        row.last = line.ts
        if not line.outcome.went_through:
            row.failed += 1
            return
        self._measure(row, line)

    @staticmethod
    def _measure(row: _Row, line: LogLine) -> None:
        echoed = line.response_service_tier
        if echoed is not None:
            echoed = canonical(echoed)
            has_room = echoed in row.echoed or len(row.echoed) < _MAX_NAMES
            row.echoed[echoed if has_room else _OTHER_TIERS] += 1
        first, end = line.first_byte_ms, line.duration_ms
        if first is None:
            return
        row.first_byte_ms.append(first)
        tokens = line.usage.output_tokens if line.usage is not None else None
        if tokens and line.stream and end is not None and end > first:
            row.output_rate.append(tokens / (end - first) * 1000)

    def report(self, upstream_base: str | None = None) -> list[dict[str, Any]]:
        """Return the rows as JSON, the row of the newest line first.

        Medians are over the last 200 responses of a row, None without any.

        median_first_byte_ms             from the request's arrival to the first byte of the response's body
        median_output_tokens_per_second  output tokens (as the upstream counts them) over the time after that byte
        upstream_base                    selects the rows of this upstream
        """
        return [
            {
                **dict(zip(_KEY, key, strict=True)),
                "count": row.count,
                "failed": row.failed,
                "injected": row.injected,
                "echoed": dict(row.echoed),
                "median_first_byte_ms": _median(row.first_byte_ms),
                "median_output_tokens_per_second": _median(row.output_rate),
                "last": row.last,
            }
            for key, row in reversed(self._rows.items())
            if upstream_base is None or key[0] == upstream_base
        ]


def _median(samples: deque[float]) -> float | None:
    if not samples:
        return None
    # Without `statistics`, which takes 0.3 MB and 8 ms.
    ordered, middle = sorted(samples), len(samples) // 2
    return round((ordered[middle] + ordered[~middle]) / 2, 1)
