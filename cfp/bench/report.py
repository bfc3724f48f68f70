"""Computes the fields of the result from the samples. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cfp.bench.sample import Sample, shows_refusal
from cfp.bench.statistics import (
    LEVEL,
    Interval,
    Pair,
    Verdict,
    judge,
    log_speedup,
    paired_interval,
    pairs_to_decide,
)
from cfp.bench.timed_request import ErrorType
from cfp.bench.workload import Tier
from cfp.core.tiers.names import PRIORITY, canonical
from cfp.messages.benchmark import BenchmarkCode

_REFUSED: Final = {ErrorType.HTTP, ErrorType.FAILED}
_SIMILAR: Final = 1.25  # responses whose lengths differ by more than this are different work


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The measured part of the result, the codes of its warnings, and the tiers that answers with the tier named."""

    fields: dict[str, Any]
    verdict: Verdict
    warnings: tuple[BenchmarkCode, ...]
    counted: int
    echoes: tuple[str | None, ...]


def report(samples: Sequence[Sample], measured: str = PRIORITY) -> Report:
    """Compute every field that follows from the samples; `measured` is the tier of the priority side."""
    default = [one for one in samples if one.tier is Tier.DEFAULT]
    priority = [one for one in samples if one.tier is Tier.PRIORITY]
    pairs = _pairs(default, priority)
    interval = paired_interval(pairs)
    total = log_speedup(_times(default, _total), _times(priority, _total))
    verdict = Verdict.REFUSED if shows_refusal(samples) else judge(interval, total)
    accepted = _accepted(default, priority)
    echoed = _values(one.response_service_tier for one in priority if one.ok)
    fields = {
        "verdict": verdict,
        "tokens": _tokens(samples),
        "samples": [one.to_json() for one in samples],
        "default": _side(default),
        "priority": _side(priority),
        "service_tier_control": _control(default, priority, measured),
        "observed_speedup_total": _factor(total),
        "observed_speedup_ttfb": _factor(log_speedup(_times(default, _ttfb), _times(priority, _ttfb))),
        "observed_speedup_first_output": _factor(
            log_speedup(_times(default, _first_output), _times(priority, _first_output))
        ),
        "confidence_interval": _interval(interval),
        "pairs_suggested": pairs_to_decide(pairs) if verdict is Verdict.NOT_ENOUGH_DATA else None,
        "priority_accepted": accepted,
        "observed_priority_effective": verdict is Verdict.FASTER,
        "provider_confirmed_priority": _confirmed(priority, measured),
        "transport": "http",
        "chain": {
            "asked": _values(one.asked_service_tier for one in priority),
            "sent": _values(one.request_service_tier for one in priority),
            "accepted": accepted,
            "echoed": echoed,
            "measured": verdict,
        },
    }
    counted = sum(one.ok for one in samples)
    return Report(
        fields=fields,
        verdict=verdict,
        warnings=_warnings(default, priority, verdict),
        counted=counted,
        echoes=tuple(one.response_service_tier for one in priority if one.ok),
    )


def _pairs(default: Sequence[Sample], priority: Sequence[Sample]) -> list[Pair]:
    """Return the pairs of which both trials count."""
    totals = {one.pair: total for one in priority if (total := _total(one))}
    return [(total, totals[one.pair]) for one in default if (total := _total(one)) and one.pair in totals]


def _total(sample: Sample) -> float | None:
    return sample.total_ms if sample.ok else None


def _ttfb(sample: Sample) -> float | None:
    return sample.ttfb_ms if sample.ok else None


def _first_output(sample: Sample) -> float | None:
    return sample.first_output_ms if sample.ok else None


def _times(samples: Iterable[Sample], of: Callable[[Sample], float | None]) -> list[float]:
    """Return the times of the samples that count; a time of 0 is left out, since the clock did not move."""
    return [time for one in samples if (time := of(one))]


def _side(samples: Sequence[Sample]) -> dict[str, Any]:
    counting = [one for one in samples if one.ok]
    return {
        "count": len(samples),
        "ok": len(counting),
        "median_total_ms": _median(_times(counting, _total)),
        "median_ttfb_ms": _median(_times(counting, _ttfb)),
        "median_first_output_ms": _median(_times(counting, _first_output)),
        "median_output_chars": _median([one.output_chars for one in counting]),
        "request_service_tiers": _values(one.request_service_tier for one in samples),
        "response_service_tiers": _values(one.response_service_tier for one in counting),
    }


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 1) if values else None


def _values(values: Iterable[str | None]) -> list[str]:
    """Return the distinct values in order of appearance, without None."""
    return list(dict.fromkeys(value for value in values if value is not None))


def _factor(logarithm: float | None) -> float | None:
    return None if logarithm is None else round(math.exp(logarithm), 3)


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {
        "of": "total_ms, default / priority",
        "method": "paired log-ratio, Student t",
        "level": LEVEL,
        "low": round(math.exp(interval.low), 4),
        "middle": round(math.exp(interval.middle), 4),
        "high": round(math.exp(interval.high), 4),
        "pairs": interval.pairs,
    }


def _control(default: Sequence[Sample], priority: Sequence[Sample], measured: str) -> dict[str, Any]:
    """Whether the two sides differed on the wire by the tier, as they should."""
    sent = [one.request_service_tier for one in priority if one.requests]
    unsent = [one.request_service_tier for one in default if one.requests]
    return {
        "valid": bool(sent and unsent) and set(sent) == {measured} and set(unsent) == {None},
        "default_request_service_tiers": _values(unsent),
        "priority_request_service_tiers": _values(sent),
    }


def _accepted(default: Sequence[Sample], priority: Sequence[Sample]) -> bool | None:
    """True: a priority trial succeeded. False: none did, while a default one did. None: this run cannot tell."""
    if any(one.ok for one in priority):
        return True
    refused = any(one.error_type in _REFUSED for one in priority)
    return False if refused and any(one.ok for one in default) else None


def _confirmed(priority: Sequence[Sample], measured: str) -> bool | None:
    """Whether the provider itself reports that it used the tier, by any of its names; None without a report."""
    echoes = [one.response_service_tier for one in priority if one.ok]
    if not any(echo is not None for echo in echoes):
        return None
    return all(echo is not None and canonical(echo) == canonical(measured) for echo in echoes)


def _tokens(samples: Sequence[Sample]) -> dict[str, int | None]:
    """Sum up the requests of all trials and their tokens, as the provider counts them; None where it does not."""
    names = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    counts = {name: [count for one in samples if (count := getattr(one, name)) is not None] for name in names}
    return {
        "requests": sum(one.requests for one in samples),
        **{name: sum(known) if known else None for name, known in counts.items()},
    }


def _warnings(default: Sequence[Sample], priority: Sequence[Sample], verdict: Verdict) -> tuple[BenchmarkCode, ...]:
    lengths = [statistics.median([one.output_chars for one in side if one.ok] or [0]) for side in (default, priority)]
    holds: dict[BenchmarkCode, bool] = {
        "benchmark_samples_failed": verdict is not Verdict.REFUSED
        and not all(one.ok for one in (*default, *priority)),
        "benchmark_lengths_differ": min(lengths) > 0 and max(lengths) > _SIMILAR * min(lengths),
        "benchmark_several_requests": any(one.requests > 1 for one in (*default, *priority)),
    }
    return tuple(code for code, warned in holds.items() if warned)
