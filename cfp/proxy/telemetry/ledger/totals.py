"""Sums of requests. Counts and sums are integers, so that they do not depend on the order of the requests."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from cfp.core.tiers.names import is_fast
from cfp.core.traffic.requests import Outcome
from cfp.proxy.telemetry.ledger.entry import LoggedRequest

_BUCKETS_PER_OCTAVE: Final = 4
_MAX_BUCKET: Final = 96  # 2 ** 24 ms, which is more than four hours


class Spread(msgspec.Struct, array_like=True):
    """Durations: their number and their sum, and how many lie in each bucket of a quarter of an octave.

    total    microseconds
    buckets  number of durations by round(4 * log2(milliseconds))
    """

    count: int = 0
    total: int = 0
    buckets: dict[int, int] = {}

    def add(self, milliseconds: float) -> None:
        bucket = round(_BUCKETS_PER_OCTAVE * math.log2(milliseconds)) if milliseconds > 1 else 0
        bucket = min(bucket, _MAX_BUCKET)
        self.count += 1
        self.total += round(milliseconds * 1000)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def merge(self, other: Spread) -> None:
        self.count += other.count
        self.total += other.total
        for bucket, number in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + number

    def quantile(self, share: float) -> float | None:
        """Return the duration in milliseconds that this share does not exceed, to 9 %; None without any."""
        rank, seen = math.ceil(share * self.count), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return round(2 ** (bucket / _BUCKETS_PER_OCTAVE), 1)
        return None

    @property
    def mean(self) -> float | None:
        return round(self.total / self.count / 1000, 1) if self.count else None


class Totals(msgspec.Struct, array_like=True):
    """The sums of some requests; a new field goes behind the others, and an older file then has its default.

    failed       the provider or the way to it failed
    left         the client closed before the end
    unanswered   the provider sent no response at all
    unreported   the provider reported no token counts
    fast_asked   the client asked for a Fast tier
    fast_sent    the proxy sent one, its own or the client's
    fast_served  the response names one
    """

    requests: int = 0
    failed: int = 0
    left: int = 0
    unanswered: int = 0
    unreported: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    fast_asked: int = 0
    fast_sent: int = 0
    fast_served: int = 0
    first_byte: Spread = msgspec.field(default_factory=Spread)
    duration: Spread = msgspec.field(default_factory=Spread)
    first_output: Spread = msgspec.field(default_factory=Spread)

    def add(self, entry: LoggedRequest) -> None:
        """Count one request."""
        outcome = entry.outcome
        self.requests += 1
        self.failed += outcome is Outcome.FAILED
        self.left += outcome is Outcome.LEFT
        self.unanswered += entry.is_unanswered
        self.fast_asked += is_fast(entry.service_tier_before)
        self.fast_sent += is_fast(entry.service_tier_after)
        self.fast_served += is_fast(entry.response_service_tier)
        usage = entry.usage
        if usage is None:
            self.unreported += 1
        else:
            self.input_tokens += usage.input_tokens or 0
            self.cached_tokens += usage.cached_tokens or 0
            self.output_tokens += usage.output_tokens or 0
            self.reasoning_tokens += usage.reasoning_tokens or 0
        if entry.first_byte_ms is not None:
            self.first_byte.add(entry.first_byte_ms)
        if entry.duration_ms is not None:
            self.duration.add(entry.duration_ms)
        if entry.first_output_ms is not None:
            self.first_output.add(entry.first_output_ms)

    def merge(self, other: Totals) -> None:
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first_byte.merge(other.first_byte)
        self.duration.merge(other.duration)
        self.first_output.merge(other.first_output)

    def to_json(self) -> dict[str, Any]:
        """Return the counts, and of each duration the mean, the median and the 95th percentile, in milliseconds."""
        spreads = {"first_byte": self.first_byte, "first_output": self.first_output, "duration": self.duration}
        return {
            **{name: getattr(self, name) for name in COUNTS},
            **{
                f"{name}_{word}_ms": value
                for name, spread in spreads.items()
                for word, value in (
                    ("mean", spread.mean),
                    ("median", spread.quantile(0.5)),
                    ("p95", spread.quantile(0.95)),
                )
            },
        }


COUNTS: Final = tuple(
    name for name in Totals.__struct_fields__ if name not in {"first_byte", "duration", "first_output"}
)
