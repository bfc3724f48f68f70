"""Statistics of paired times: speed-up, confidence interval, verdict. Pure; logarithms treat both tiers alike."""

from __future__ import annotations

import enum
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

LEVEL: Final = 0.90
EFFECT: Final = 1.15  # users do not notice a smaller speed-up
_MOST_PAIRS: Final = 50

Pair: TypeAlias = tuple[float, float]
"""Total times of the default trial and the priority trial, both above 0."""


class Verdict(enum.StrEnum):
    FASTER = "faster"
    NO_EFFECT = "no_effect"
    SLOWER = "slower"
    NOT_ENOUGH_DATA = "not_enough_data"
    REFUSED = "refused"  # of the report: no time is measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval of log(default / priority): above 0 where priority is faster."""

    middle: float
    low: float
    high: float
    pairs: int


# The 0.95 quantiles of Student's t for 1 to 30 degrees of freedom: two-sided 90 %.
_T95: Final = (
    *(6.31375, 2.91999, 2.35336, 2.13185, 2.01505, 1.94318, 1.89458, 1.85955, 1.83311, 1.81246),
    *(1.79588, 1.78229, 1.77093, 1.76131, 1.75305, 1.74588, 1.73961, 1.73406, 1.72913, 1.72472),
    *(1.72074, 1.71714, 1.71387, 1.71088, 1.70814, 1.70562, 1.70329, 1.70113, 1.69913, 1.69726),
)


def t95(freedom: int) -> float:
    """Return the 0.95 quantile of Student's t; from 31 degrees on by its expansion in 1/freedom (AMS55 26.7.5)."""
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    z = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def paired_interval(pairs: Sequence[Pair]) -> Interval | None:
    """Return the interval of the mean log-ratio; None for fewer than two pairs."""
    if len(pairs) < 2:
        return None
    ratios = [math.log(default) - math.log(priority) for default, priority in pairs]
    middle = statistics.fmean(ratios)
    half = t95(len(pairs) - 1) * statistics.stdev(ratios) / math.sqrt(len(pairs))
    return Interval(middle=middle, low=middle - half, high=middle + half, pairs=len(pairs))


def log_speedup(defaults: Sequence[float], priorities: Sequence[float]) -> float | None:
    """Return the logarithm of median(default) / median(priority); None where a side is empty."""
    if not defaults or not priorities:
        return None
    return math.log(statistics.median(defaults)) - math.log(statistics.median(priorities))


def judge(interval: Interval | None, speedup: float | None) -> Verdict:
    """Judge by the interval and the medians' `log_speedup`.

    faster, slower   the interval has 1 outside, and the medians differ by EFFECT at least
    no_effect        the interval has no room for EFFECT, in either direction
    """
    effect = math.log(EFFECT)
    if interval is None or speedup is None:
        return Verdict.NOT_ENOUGH_DATA
    if interval.low > 0 and speedup >= effect:
        return Verdict.FASTER
    if interval.high < 0 and speedup <= -effect:
        return Verdict.SLOWER
    if interval.low > -effect and interval.high < effect:
        return Verdict.NO_EFFECT
    return Verdict.NOT_ENOUGH_DATA


def pairs_to_decide(pairs: Sequence[Pair]) -> int | None:
    """Return how many pairs of this scatter can tell EFFECT from no effect; None where that cannot be predicted."""
    if len(pairs) < 2:
        return None
    scatter = statistics.stdev([math.log(default) - math.log(priority) for default, priority in pairs])
    enough = (count for count in range(2, _MOST_PAIRS + 1) if _half(scatter, count) < math.log(EFFECT) / 2)
    return next(enough, None)


def _half(scatter: float, count: int) -> float:
    return t95(count - 1) * scatter / math.sqrt(count)
