"""The time that Fast has saved: a benchmark's factor, applied to the requests of the log that it speaks for.

A benchmark measures one model with one tier at one upstream, so it says nothing of other requests. Medians of the log
do not stand in for it: requests with Fast differ from those without in more than the tier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from cfp.core.tiers.names import canonical, is_fast
from cfp.core.traffic.requests import Outcome
from cfp.proxy.telemetry.ledger.entry import LoggedRequest
from cfp.proxy.telemetry.ledger.segments import fold

_DECIDED: Final = frozenset({"faster", "no_effect", "slower"})
_MOST_KEYS: Final = 2048
_MOST: Final = 1000  # a factor beyond it is no measurement


class Subject(NamedTuple):
    """The requests that one benchmark speaks for."""

    upstream_base: str
    model: str
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A measured speed-up, and the ends of its confidence interval; `at` is the ISO time of the benchmark."""

    at: str
    middle: float
    low: float
    high: float


class _Request(LoggedRequest, kw_only=True):
    upstream_base: str | None = None


_decoder: Final = msgspec.json.Decoder(_Request)


@dataclass(slots=True)
class _Sum:
    count: int = 0
    milliseconds: float = 0.0


@dataclass(slots=True)
class FastRequests:
    """Number and duration of the log's successful requests with Fast, by day and subject; in bounded memory.

    oldest  the day of the log's oldest request: of earlier ones nothing is known
    """

    oldest: str | None = None
    _sums: dict[tuple[str, Subject], _Sum] = field(default_factory=dict)
    _offsets: dict[str, int] = field(default_factory=dict)

    def fold(self, log: Path) -> None:
        """Add the lines that came since the last call."""
        fold(log, self._offsets, self._take)

    def saved(self, upstream_base: str, factors: Mapping[Subject, Factor], since: str) -> dict[str, Any]:
        """Return what Fast has saved at this upstream from a day on.

        requests  successful ones with Fast in the log
        measured  those of them that a benchmark speaks for
        ms        the time saved, `low_ms` and `high_ms` the ends of its interval; None without a measured request
        """
        sums = [
            (subject, one)
            for (day, subject), one in self._sums.items()
            if day >= since and subject.upstream_base == upstream_base
        ]
        measured = [(factors[subject], one) for subject, one in sums if subject in factors]
        return {
            "requests": sum(one.count for _, one in sums),
            "measured": sum(one.count for _, one in measured),
            "benchmarks": sorted({factor.at for factor, _ in measured}),
            "ms": _saved(measured, "middle"),
            "low_ms": _saved(measured, "low"),
            "high_ms": _saved(measured, "high"),
        }

    def _take(self, line: bytes) -> None:
        try:
            request = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        day = request.day
        if day is None:
            return
        self.oldest = min(self.oldest or day, day)
        tier, named = request.service_tier_after, request.response_service_tier
        if tier is None or not is_fast(tier) or request.outcome is not Outcome.OK or not request.is_counted:
            return
        if named is not None and canonical(named) != canonical(tier):
            return  # the provider says that it was not served with the tier
        if request.upstream_base is None or request.model is None or request.duration_ms is None:
            return
        key = (day, Subject(request.upstream_base, request.model, canonical(tier)))
        if key in self._sums or len(self._sums) < _MOST_KEYS:
            one = self._sums.setdefault(key, _Sum())
            one.count += 1
            one.milliseconds += max(0.0, request.duration_ms)


def _saved(measured: Sequence[tuple[Factor, _Sum]], end: Literal["low", "middle", "high"]) -> int | None:
    """Return the milliseconds that these requests would have taken longer without Fast."""
    return round(sum(one.milliseconds * (getattr(factor, end) - 1) for factor, one in measured)) if measured else None


def factors(runs: Sequence[Mapping[str, Any]]) -> dict[Subject, Factor]:
    """Return the newest measured factor of each subject; `runs` are those of the benchmarks' history, newest last."""
    measured: dict[Subject, Factor] = {}
    for run in runs:
        subject, factor = _subject(run), _factor(run)
        if subject is not None and factor is not None:
            measured[subject] = factor
    return measured


def _subject(run: Mapping[str, Any]) -> Subject | None:
    names = run.get("upstream_base"), run.get("model"), run.get("service_tier")
    base, model, tier = names
    if not isinstance(base, str) or not isinstance(model, str) or not isinstance(tier, str):
        return None
    return Subject(base, model, canonical(tier))


def _factor(run: Mapping[str, Any]) -> Factor | None:
    """Return the factor of a full run that could decide; one without an effect is 1, whatever its median."""
    verdict, interval, middle = run.get("verdict"), run.get("confidence_interval"), run.get("observed_speedup_total")
    if run.get("profile") != "full" or verdict not in _DECIDED:
        return None
    at = str(run.get("ts"))
    try:
        datetime.fromisoformat(at)
    except ValueError:
        return None
    if verdict == "no_effect":
        return Factor(at=at, middle=1.0, low=1.0, high=1.0)
    ends = (interval.get("low"), interval.get("high")) if isinstance(interval, Mapping) else (None, None)
    values = [float(value) for value in (middle, *ends) if isinstance(value, int | float) and 0 < value < _MOST]
    return Factor(at=at, middle=values[0], low=values[1], high=values[2]) if len(values) == len(ends) + 1 else None
