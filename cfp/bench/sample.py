"""Samples: the result of one trial, summed up from its timed requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cfp.bench.timed_request import ErrorType, TimedRequest
from cfp.bench.workload import Tier, Trial
from cfp.core.tiers.records import REFUSAL_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One entry of the result's `samples`; times in milliseconds from the request, None for a phase not reached.

    status                HTTP status of the (last) response
    request_service_tier  the tier that was sent; asked_service_tier is the one that Codex itself had put there
    requests              number of requests of the trial: more than one where Codex called a tool
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


def shows_refusal(samples: Sequence[Sample]) -> bool:
    """Whether the provider refused the tier: it refused a trial unread, answered one without, and none with it."""
    refused = any(one.tier is Tier.PRIORITY and one.status in REFUSAL_STATUSES for one in samples)
    succeeded = {one.tier for one in samples if one.ok}
    return refused and succeeded == {Tier.DEFAULT}


def sample(trial: Trial, requests: Sequence[TimedRequest], error: str | None) -> Sample:
    """Sum a trial up: the first times of its first request, and the total time of all its requests.

    error  the error that ended the trial itself, such as its timeout; an error of a request takes precedence
    """
    if not requests:
        return Sample(pair=trial.pair, place=trial.place, tier=trial.tier, error_type=error or ErrorType.CODEX)
    first, last = requests[0], requests[-1]
    totals = [one.total_ms for one in requests if one.total_ms is not None]
    return Sample(
        pair=trial.pair,
        place=trial.place,
        tier=trial.tier,
        status=last.status,
        asked_service_tier=first.tier_requested,
        request_service_tier=first.tier_sent,
        ttfb_ms=first.ttfb_ms,
        first_event_ms=first.first_event_ms,
        first_output_ms=next((one.first_output_ms for one in requests if one.first_output_ms is not None), None),
        total_ms=sum(totals) if totals else None,
        output_chars=sum(one.output_chars for one in requests),
        response_content_type=last.content_type,
        response_service_tier=last.echoed,
        error_type=last.error or error,
        requests=len(requests),
        input_tokens=_sum([one.usage.input_tokens for one in requests]),
        cached_tokens=_sum([one.usage.cached_tokens for one in requests]),
        output_tokens=_sum([one.usage.output_tokens for one in requests]),
        reasoning_tokens=_sum([one.usage.reasoning_tokens for one in requests]),
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
