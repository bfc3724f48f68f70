"""Counts of reasoning tokens that recur: a sign that something ends the reasoning at fixed places.

Some GPT-5.5 answers were seen to end their reasoning at 516, 1034 or 1552 tokens far more often than at the counts
beside these (openai/codex#30364). Some models report counts in steps, as multiples of 64: there a count recurs
by itself, and only its neighbours among those steps tell whether it does so too often.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final

_SMALLEST: Final = 256  # tokens; short answers to the same prompt, as titles, are alike without any limit
_FEWEST: Final = 5
_NEAR: Final = 3  # neighbours on each side, in steps
_WIDE: Final = 25
_UNLIKELY: Final = 1e-7  # that a count recurs by chance; a provider's answers are looked at many times


def recurring(counts: Iterable[int]) -> dict[int, int]:
    """Return the counts that recur more often than chance explains, with how often each does, the smallest first.

    counts  reasoning tokens of answers of one model
    """
    numbers = Counter(count for count in counts if count > 0)
    step = math.gcd(*numbers)
    return {
        count: times
        for count, times in sorted(numbers.items())
        if count >= _SMALLEST and times >= _FEWEST and _chance(times, _expected(numbers, count, step)) < _UNLIKELY
    }


def _expected(numbers: Counter[int], count: int, step: int) -> float:
    """Return how often a count would occur if it were like its neighbours."""
    means = []
    for reach in (_NEAR, _WIDE):
        beside = [*range(count - reach * step, count, step), *range(count + step, count + (reach + 1) * step, step)]
        beside = [one for one in beside if one > 0]
        means.append((sum(numbers[one] for one in beside) + 0.5) / len(beside))
    return max(means)


def _chance(times: int, expected: float) -> float:
    """Return the probability that a Poisson variable is at least `times`."""
    term = total = math.exp(-expected)
    for number in range(1, times):
        term *= expected / number
        total += term
    return max(0.0, 1 - total)
