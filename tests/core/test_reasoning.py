"""Counts of reasoning tokens that recur: told from chance, and from models that report them in steps."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.traffic.reasoning import recurring

ANSWERS = 200
Draw = Callable[[random.Random], int]


def spread(middle: float, width: float, step: int = 1) -> Draw:
    """Answers of a model without a limit: most short, some long, in steps."""
    return lambda chance: max(step, step * int(chance.lognormvariate(middle, width) / step))


def limited(share: float) -> Draw:
    """A part of the answers that would be longer end at 516 or 1034 tokens instead."""

    def draw(chance: random.Random) -> int:
        whole = spread(6, 1)(chance)
        if whole <= 516 or chance.random() >= share:
            return whole
        return 516 if chance.random() < 0.8 else 1034

    return draw


def results(draw: Draw, runs: int) -> list[dict[int, int]]:
    chance = random.Random(7)
    return [recurring([draw(chance) for _ in range(ANSWERS)]) for _ in range(runs)]


@pytest.mark.parametrize(
    "draw",
    [spread(6, 1), spread(6, 0.3), spread(4, 1), spread(6, 1, 64), spread(6.5, 0.4, 64), spread(7, 0.8, 128)],
    ids=["wide", "narrow", "short", "steps of 64", "narrow, in steps of 64", "steps of 128"],
)
def test_chance_is_no_evidence(draw: Draw) -> None:
    """Of 500 runs of 200 answers without a limit, two at most look as if there were one."""
    assert len([counts for counts in results(draw, 500) if counts]) <= 2


def test_a_limit_is_found() -> None:
    """Three in ten of the longer answers end at fixed counts: each run shows the usual one, and no other place."""
    runs = results(limited(0.3), 200)
    assert all(516 in counts for counts in runs)
    assert set().union(*runs) <= {516, 1034}


@given(st.lists(st.integers(0, 3000), max_size=200))
def test_each_count_is_one_that_occurred(counts: list[int]) -> None:
    """The result has counts of the answers with the number of times that they occurred, five at least."""
    assert all(times == counts.count(count) >= 5 for count, times in recurring(counts).items())


@given(st.integers(1, 255), st.integers(0, 200))
def test_short_reasoning_may_be_alike(count: int, times: int) -> None:
    """A short answer that comes again and again, as a title, is no limit."""
    assert {} == recurring([count] * times)
