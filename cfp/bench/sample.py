"""What one turn came to: the exchanges of a turn, summed up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cfp.bench.timed_request import ErrorType, TimedRequest
from cfp.bench.workload import Tier, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One entry of the result's `samples`; times in milliseconds from the request, None where it did not come so far.

    status                HTTP status of the (last) answer
    request_service_tier  what went out; asked_service_tier what Codex itself had put there
    requests              how many exchanges the turn took: more than one where Codex called a tool
    error_type            None for a sample that counts
    """

    pair: int
    place: int
    tier: Tier
    status: int | None = None
    asked_service_tier: str | None = None
    request_service_tier: str | None = None
    ttfb_ms: float | None = None
    first_event_ms: float | None = None
    first_output_ms: float | None = None
    total_ms: float | None = None
    output_chars: int = 0
    response_content_type: str | None = None
    response_service_tier: str | None = None
    transport: str = "http"
    error_type: str | None = None
    requests: int = 0
    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def ok(self) -> bool:
        return self.error_type is None

    def to_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__slots__}
        rounded = {name: round(value, 1) for name, value in values.items() if isinstance(value, float)}
        return {**values, "tier": str(self.tier), **rounded}


def sample(turn: Trial, exchanges: Sequence[TimedRequest], error: str | None) -> Sample:
    """Sum a turn up: first times of the first exchange, the time spent at the provider in all of them.

    error  what ended the turn itself, such as its timeout; it counts before what an exchange says
    """
    if not exchanges:
        return Sample(pair=turn.pair, place=turn.place, tier=turn.tier, error_type=error or ErrorType.CODEX)
    first, last = exchanges[0], exchanges[-1]
    totals = [one.total_ms for one in exchanges if one.total_ms is not None]
    return Sample(
        pair=turn.pair,
        place=turn.place,
        tier=turn.tier,
        status=last.status,
        asked_service_tier=first.asked,
        request_service_tier=first.sent,
        ttfb_ms=first.ttfb_ms,
        first_event_ms=first.first_event_ms,
        first_output_ms=next((one.first_output_ms for one in exchanges if one.first_output_ms is not None), None),
        total_ms=sum(totals) if totals else None,
        output_chars=sum(one.output_chars for one in exchanges),
        response_content_type=last.content_type,
        response_service_tier=last.echoed,
        error_type=last.error or error,
        requests=len(exchanges),
        input_tokens=_sum([one.usage.input_tokens for one in exchanges]),
        cached_tokens=_sum([one.usage.cached_tokens for one in exchanges]),
        output_tokens=_sum([one.usage.output_tokens for one in exchanges]),
        reasoning_tokens=_sum([one.usage.reasoning_tokens for one in exchanges]),
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
