"""The share of false verdicts in 1,000 simulated benchmarks of each provider, with a known truth. Seeded.

`CFP_TEST_WRITE_GOLDEN=1 pytest tests/bench/test_false_verdicts.py` writes the table of docs/performance.md.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cfp.bench.statistics import Pair, Verdict, judge, log_speedup, paired_interval
from cfp.bench.workload import Tier, schedule

RUNS: Final = 1000
PAIRS: Final = (3, 8)
_BASE_MS: Final = 8000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Total times of a provider's answers: log-normal around a base.

    speedup   true factor by which the tier divides the time
    scatter   standard deviation of the logarithm
    drift     factor by which times have grown by the end of a run, as load does
    outliers  share of requests that take three times as long
    """

    speedup: float = 1.0
    scatter: float = 0.1
    drift: float = 1.0
    outliers: float = 0.0

    def pairs(self, count: int, chance: random.Random) -> list[Pair]:
        """Return the times of one run, in the benchmark's own order."""
        trials = schedule(count)
        times: dict[tuple[int, Tier], float] = {}
        for place, trial in enumerate(trials):
            factor = self.drift ** (place / (len(trials) - 1)) * math.exp(chance.gauss(0, self.scatter))
            slow = 3.0 if chance.random() < self.outliers else 1.0
            served = self.speedup if trial.tier is Tier.PRIORITY else 1.0
            times[trial.pair, trial.tier] = _BASE_MS * factor * slow / served
        return [(times[pair, Tier.DEFAULT], times[pair, Tier.PRIORITY]) for pair in range(1, count + 1)]


PROVIDERS: Final[dict[str, Provider]] = {
    "no effect, times scatter by 10 %": Provider(),
    "no effect, 25 %": Provider(scatter=0.25),
    "no effect, 50 %": Provider(scatter=0.5),
    "no effect, 10 %, load doubles during the run": Provider(drift=2.0),
    "no effect, 10 %, one request in ten takes three times as long": Provider(outliers=0.1),
    "1.5 times faster, 10 %": Provider(speedup=1.5),
    "1.5 times faster, 25 %": Provider(speedup=1.5, scatter=0.25),
    "1.5 times faster, 10 %, load doubles during the run": Provider(speedup=1.5, drift=2.0),
    "1.5 times faster, 10 %, one request in ten takes three times as long": Provider(speedup=1.5, outliers=0.1),
    "1.5 times slower, 10 %": Provider(speedup=1 / 1.5),
}


def verdicts(provider: Provider, pairs: int, runs: int = RUNS) -> Counter[Verdict]:
    """Return how many of the runs end with each verdict."""
    chance = random.Random(f"{provider} {pairs}")
    counts: Counter[Verdict] = Counter()
    for _ in range(runs):
        timed = provider.pairs(pairs, chance)
        defaults, priorities = zip(*timed, strict=True)
        counts[judge(paired_interval(timed), log_speedup(defaults, priorities))] += 1
    return counts


def false_ones(provider: Provider, counts: Counter[Verdict]) -> int:
    """Return how many runs say that Fast works where it does not, or that it does not where it does.

    An equal tier that is called slower is no false one: the user is told to the same end that Fast brings nothing.
    """
    if provider.speedup > 1:
        return counts[Verdict.NO_EFFECT] + counts[Verdict.SLOWER]
    return counts[Verdict.FASTER]


def table() -> Iterator[str]:
    """Yield the lines of the table, in Markdown."""
    yield "| provider | pairs | faster | no effect | slower | not enough data | false |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, provider in PROVIDERS.items():
        for pairs in PAIRS:
            counts = verdicts(provider, pairs)
            shares = [counts[one] for one in (Verdict.FASTER, Verdict.NO_EFFECT, Verdict.SLOWER)]
            row = [*shares, counts[Verdict.NOT_ENOUGH_DATA], false_ones(provider, counts)]
            yield f"| {name} | {pairs} | " + " | ".join(f"{100 * count / RUNS:.1f} %" for count in row) + " |"
