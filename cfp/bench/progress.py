"""The progress of a run: a wait for each trial, with its pair, its tier, its phase, and how the one before ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from cfp.bench.sample import Sample
from cfp.bench.timed_request import Phase
from cfp.bench.workload import Trial
from cfp.host.waiting import Wait, Waiting


class Progress(Protocol):
    def phase(self, trial: Trial, phase: Phase) -> None:
        """Show that a trial has reached a phase."""

    def finished(self, sample: Sample) -> None:
        """Show that a trial has ended."""


@contextmanager
def progress_on(waiting: Waiting, pairs: int, timeout: float) -> Iterator[Progress]:
    """Yield the progress of `pairs` pairs, whose trials may take `timeout` seconds each."""
    with ExitStack() as waits:
        yield _Trials(waiting, waits, pairs, timeout)


class _Trials:
    def __init__(self, waiting: Waiting, waits: ExitStack, pairs: int, timeout: float) -> None:
        self._waiting = waiting
        self._waits = waits
        self._pairs = pairs
        self._timeout = timeout
        self._wait: Wait | None = None
        self._last = ""

    def phase(self, trial: Trial, phase: Phase) -> None:
        words = f"pair {trial.pair}/{self._pairs}, {trial.tier}: {phase}{self._last}"
        if self._wait is None:
            self._wait = self._waits.enter_context(self._waiting(words, self._timeout))
        self._wait.now(words)

    def finished(self, sample: Sample) -> None:
        self._waits.close()
        self._wait = None
        self._last = f"; the last one {_outcome(sample)}"


def _outcome(sample: Sample) -> str:
    if not sample.ok:
        status = f" ({sample.status})" if sample.status is not None else ""
        return f"failed, {sample.error_type}{status}"
    return f"took {(sample.total_ms or 0.0) / 1000:.1f} s"
