"""The statistics of a benchmark: their symmetry, their agreement with tables and simulation, their verdicts."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cfp.bench.statistics import (
    EFFECT,
    Interval,
    Pair,
    Verdict,
    judge,
    log_speedup,
    paired_interval,
    pairs_to_decide,
    t95,
)

times = st.floats(min_value=1.0, max_value=1e6)
pairs_of_times = st.lists(st.tuples(times, times), min_size=1, max_size=12)
MIRRORED = {
    Verdict.FASTER: Verdict.SLOWER,
    Verdict.SLOWER: Verdict.FASTER,
    Verdict.NO_EFFECT: Verdict.NO_EFFECT,
    Verdict.NOT_ENOUGH_DATA: Verdict.NOT_ENOUGH_DATA,
}


def _verdict(pairs: list[Pair]) -> Verdict:
    defaults, priorities = zip(*pairs, strict=True)
    return judge(paired_interval(pairs), log_speedup(defaults, priorities))


def _density(x: float, freedom: int) -> float:
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    return math.exp(log_scale - (freedom + 1) / 2 * math.log1p(x * x / freedom))


def _up_to(quantile: float, freedom: int) -> float:
    """P(T <= quantile) by Simpson's rule on the density."""
    steps = 2000
    width = quantile / steps
    inner = sum((4 if i % 2 else 2) * _density(i * width, freedom) for i in range(1, steps))
    return 0.5 + width / 3 * (_density(0, freedom) + inner + _density(quantile, freedom))


@pytest.mark.parametrize("freedom", [*range(1, 41), 60, 99, 1000])
def test_the_quantile_leaves_five_percent_above(freedom: int) -> None:
    """Each quantile, of the table or by expansion, is the one that Student's density gives."""
    assert pytest.approx(0.95, abs=2e-6) == _up_to(t95(freedom), freedom)


@pytest.mark.parametrize(("freedom", "expected"), [(1, 6.314), (2, 2.920), (5, 2.015), (30, 1.697), (120, 1.658)])
def test_the_quantile_is_the_printed_one(freedom: int, expected: float) -> None:
    """The values that statistics books print."""
    assert expected == round(t95(freedom), 3)


def test_an_interval_by_hand() -> None:
    """Log-ratios of 0, ln 2 and ln 4 have the mean ln 2 and the standard deviation ln 2."""
    estimate = paired_interval([(10, 10), (20, 10), (40, 10)])
    half = 2.91999 * math.log(2) / math.sqrt(3)
    assert estimate is not None
    assert pytest.approx((math.log(2), math.log(2) - half, math.log(2) + half)) == (
        estimate.middle,
        estimate.low,
        estimate.high,
    )


@given(pairs_of_times)
def test_swapping_the_sides_mirrors_everything(pairs: list[Pair]) -> None:
    """Swapping the two sides of every pair turns faster into slower, to the last bit."""
    swapped = [(priority, default) for default, priority in pairs]
    one, other = paired_interval(pairs), paired_interval(swapped)
    if one is not None and other is not None:
        assert (one.middle, one.low, one.high) == (-other.middle, -other.high, -other.low)
    assert MIRRORED[_verdict(pairs)] == _verdict(swapped)


@given(pairs_of_times, st.floats(min_value=1e-3, max_value=1e3))
def test_the_unit_of_time_does_not_matter(pairs: list[Pair], unit: float) -> None:
    """Seconds or milliseconds: the same interval, and the same verdict where it does not hang by a hair."""
    scaled = [(default * unit, priority * unit) for default, priority in pairs]
    one, other = paired_interval(pairs), paired_interval(scaled)
    if one is None or other is None:
        assert one is other
        return
    assert pytest.approx((one.low, one.high), abs=1e-9) == (other.low, other.high)
    speedup = log_speedup(*zip(*pairs, strict=True)) or 0.0
    edges = (abs(edge - math.log(EFFECT)) for edge in map(abs, (one.low, one.high, speedup)))
    assume(min(*edges, abs(one.low), abs(one.high)) > 1e-8)
    assert _verdict(pairs) == _verdict(scaled)


@given(pairs_of_times)
def test_the_order_of_pairs_does_not_matter(pairs: list[Pair]) -> None:
    """A pair counts as much wherever it stands."""
    one, other = paired_interval(pairs), paired_interval(pairs[::-1])
    if one is not None and other is not None:
        assert pytest.approx((one.low, one.high), abs=1e-9) == (other.low, other.high)


@given(pairs_of_times)
def test_faster_means_what_it_says(pairs: list[Pair]) -> None:
    """Faster: the whole interval is above 1 and the medians differ by the threshold; no effect excludes both."""
    verdict, interval = _verdict(pairs), paired_interval(pairs)
    speedup = log_speedup(*zip(*pairs, strict=True))
    assert speedup is not None
    sure = interval is not None and interval.low > 0
    assert (verdict is Verdict.FASTER) == (sure and math.exp(speedup) >= EFFECT * (1 - 1e-12))
    if verdict is Verdict.NO_EFFECT:
        assert interval is not None
        assert 1 / EFFECT < math.exp(interval.low) <= math.exp(interval.high) < EFFECT


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], Verdict.NOT_ENOUGH_DATA),
        ([(300, 100)], Verdict.NOT_ENOUGH_DATA),
        ([(300, 200), (310, 205), (290, 200)], Verdict.FASTER),
        ([(200, 300), (205, 310), (200, 290)], Verdict.SLOWER),
        ([(200, 201), (205, 203), (200, 200)], Verdict.NO_EFFECT),
        ([(210, 200), (209, 200), (211, 200)], Verdict.NO_EFFECT),  # surely 5 % faster: not worth noticing
        ([(300, 100), (100, 110), (200, 190)], Verdict.NOT_ENOUGH_DATA),
    ],
)
def test_verdicts_of_plain_cases(pairs: list[Pair], expected: Verdict) -> None:
    """The four verdicts where anybody would agree."""
    speedup = log_speedup([default for default, _ in pairs], [priority for _, priority in pairs])
    assert expected == judge(paired_interval(pairs), speedup)


def test_the_interval_covers_as_often_as_it_claims() -> None:
    """In 90 of 100 benchmarks with known truth, the interval holds it."""
    chance = random.Random(17)
    truth, runs, hits = math.log(1.3), 4000, 0
    for _ in range(runs):
        pairs = [(1000 * math.exp(truth + chance.gauss(0, 0.1)), 1000.0) for _ in range(3)]
        estimate = paired_interval(pairs)
        assert estimate is not None
        hits += estimate.low <= truth <= estimate.high
    assert pytest.approx(0.90, abs=0.02) == hits / runs


def test_equal_tiers_are_seldom_called_faster() -> None:
    """At most one run in twenty says faster if the tier has no effect and times scatter by 10 %."""
    chance = random.Random(18)
    pairs = [
        [(math.exp(chance.gauss(0, 0.1)), math.exp(chance.gauss(0, 0.1))) for _ in range(3)] for _ in range(2000)
    ]
    assert sum(_verdict(three) is Verdict.FASTER for three in pairs) / 2000 <= 0.05


def test_the_advice_on_pairs_is_enough() -> None:
    """The suggested count narrows the interval so that it cannot hold both no effect and the threshold."""
    pairs = [(120.0, 100.0), (100.0, 110.0), (115.0, 100.0)]
    enough = pairs_to_decide(pairs)
    assert enough is not None
    assert enough > 3
    ratios = [math.log(default / priority) for default, priority in pairs]
    mean = sum(ratios) / 3
    scatter = math.sqrt(sum((ratio - mean) ** 2 for ratio in ratios) / 2)
    assert t95(enough - 1) * scatter / math.sqrt(enough) < math.log(EFFECT) / 2
    assert t95(enough - 2) * scatter / math.sqrt(enough - 1) >= math.log(EFFECT) / 2
    assert pairs_to_decide(pairs[:1]) is None
    assert pairs_to_decide([(1000.0, 1.0), (1.0, 1000.0)]) is None


def test_an_interval_needs_two_pairs() -> None:
    """One pair has no scatter to judge by."""
    assert paired_interval([(2.0, 1.0)]) is None
    assert Interval(middle=0.0, low=0.0, high=0.0, pairs=2) == paired_interval([(1.0, 1.0), (1.0, 1.0)])
