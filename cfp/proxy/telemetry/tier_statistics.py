"""What each tier has been worth so far, by the requests that were sent anyway: counts and medians, in bounded memory.

It costs no quota and proves little: who asks for priority asks for other things too. `benchmark` measures.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from cfp.proxy.telemetry.log_lines import LogLine

_MOST_ROWS: Final = 32
_MOST_SAMPLES: Final = 200
_MOST_NAMES: Final = 8  # distinct tiers that an upstream may echo
_OTHERS: Final = "other"


# One row: the same model at the same upstream with the same tier asked for, as it was sent.
_KEY: Final = ("upstream_base", "model", "service_tier")
_Key: TypeAlias = tuple[str | None, str | None, str | None]


class _Row:
    def __init__(self) -> None:
        self.count = self.failed = self.injected = 0
        self.echoed: Counter[str] = Counter()
        self.first_byte_ms: deque[float] = deque(maxlen=_MOST_SAMPLES)
        self.output_rate: deque[float] = deque(maxlen=_MOST_SAMPLES)
        self.last = ""


class TierStatistics:
    """Takes the lines of the request log; the row that was not fed for longest goes first when there are too many."""

    def __init__(self) -> None:
        self._rows: dict[_Key, _Row] = {}
        self._newest: tuple[_Key | None, _Row] = (None, _Row())  # the last one of these

    def add(self, line: LogLine) -> None:
        """Count one line, unless it is of another kind or the client left before the end."""
        if not line.eligible or line.status is None or line.error_type == "client_left":
            return
        key = line.upstream_base, line.model, line.service_tier_after
        if key == self._newest[0]:
            row = self._newest[1]
        else:
            row = self._rows.pop(key) if key in self._rows else _Row()
            self._rows[key] = row
            self._newest = key, row
            if len(self._rows) > _MOST_ROWS:
                del self._rows[next(iter(self._rows))]
        row.count += 1
        row.injected += line.service_tier_injected
        row.last = line.ts
        if line.status >= 400 or line.error_type is not None:
            row.failed += 1
            return
        self._measure(row, line)

    @staticmethod
    def _measure(row: _Row, line: LogLine) -> None:
        echoed = line.response_service_tier
        if echoed is not None:
            known = echoed in row.echoed or len(row.echoed) < _MOST_NAMES
            row.echoed[echoed if known else _OTHERS] += 1
        first, end = line.first_byte_ms, line.duration_ms
        if first is None:
            return
        row.first_byte_ms.append(first)
        tokens = line.usage.output_tokens if line.usage is not None else None
        if tokens and line.stream and end is not None and end > first:
            row.output_rate.append(tokens / (end - first) * 1000)

    def report(self, upstream_base: str | None = None) -> list[dict[str, Any]]:
        """Rows as JSON, the one fed last first; medians are over the last 200 answers of a row, None without any.

        median_first_byte_ms             from the request's arrival to the first byte of its answer's body
        median_output_tokens_per_second  output tokens (as the upstream counts them) over the time after that byte
        upstream_base                    only the rows of this one
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
    from statistics import median  # noqa: PLC0415  8 ms of a worker's start, and the first answer has no samples

    return round(median(samples), 1)
