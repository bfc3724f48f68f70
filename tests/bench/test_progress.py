"""The progress of a run, as the display of a command gets it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cfp.bench.progress import progress_on
from cfp.bench.timed_request import ErrorType, Phase
from cfp.bench.workload import Tier
from cfp.host.waiting import Wait
from tests.bench.support import FIRST, a_sample


class Display:
    """Keeps what it was to show."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.open = 0

    @contextmanager
    def __call__(self, words: str, limit: float | None) -> Iterator[Wait]:
        self.lines.append(f"begin, {limit:.0f} s: {words}")
        self.open += 1
        yield self
        self.open -= 1
        self.lines.append("end")

    def now(self, words: str) -> None:
        self.lines.append(words)


def test_each_trial_is_a_wait() -> None:
    """With its limit, its phases, and how the trial before it ended; none stays open, whatever ends the run."""
    display = Display()
    with progress_on(display, 2, 600) as progress:
        progress.phase(FIRST, Phase.STARTING)
        progress.phase(FIRST, Phase.WAITING)
        progress.finished(a_sample(1, Tier.DEFAULT, 1234.0, first_output_ms=400.0))
        progress.phase(FIRST, Phase.WAITING)
        progress.finished(a_sample(2, Tier.PRIORITY, None, status=400, error_type=ErrorType.HTTP))
        progress.phase(FIRST, Phase.WRITING)
    first = "pair 1/2, default: waiting for the provider"
    second = f"{first}; the last one took 1.2 s"
    third = "pair 1/2, default: writing; the last one failed, HTTPError (400)"
    assert 0 == display.open
    assert [
        *(f"begin, 600 s: pair 1/2, default: {Phase.STARTING}", f"pair 1/2, default: {Phase.STARTING}", first, "end"),
        *(f"begin, 600 s: {second}", second, "end"),
        *(f"begin, 600 s: {third}", third, "end"),
    ] == display.lines
