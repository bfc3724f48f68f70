"""Shows the progress of a run on stderr: pair, phase, elapsed time; as a moving line on a terminal, else as lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from cfp.bench.sample import Sample
from cfp.bench.timed_request import Phase
from cfp.bench.workload import Trial

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


class Progress(Protocol):
    def phase(self, trial: Trial, phase: Phase) -> None:
        """Show that a trial has reached a phase."""

    def finished(self, sample: Sample) -> None:
        """Show that a trial has ended."""


@contextmanager
def progress_on(stream: TextIO, pairs: int, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """Yield the display for `pairs` pairs on this stream."""
    if not stream.isatty():
        yield PlainProgress(stream, pairs, clock)
        return
    from rich.console import Console  # noqa: PLC0415 - 100 ms that only a terminal needs
    from rich.progress import Progress as Bar  # noqa: PLC0415
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bar(*columns, console=Console(file=stream), transient=True) as bar:
        yield _TerminalProgress(bar, pairs)


class PlainProgress:
    """One line for each phase."""

    def __init__(self, stream: TextIO, pairs: int, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._pairs = pairs
        self._clock = clock
        self._began = clock()

    def phase(self, trial: Trial, phase: Phase) -> None:
        self._write_line(f"{_place(trial.pair, self._pairs, trial.tier)}: {phase}")

    def finished(self, sample: Sample) -> None:
        self._write_line(f"{_place(sample.pair, self._pairs, sample.tier)}: {_outcome(sample)}")

    def _write_line(self, text: str) -> None:
        self._stream.write(f"[{self._clock() - self._began:6.1f} s] {text}\n")
        self._stream.flush()


class _TerminalProgress:
    """One line that moves, and one permanent line for each sample."""

    def __init__(self, bar: Bar, pairs: int) -> None:
        self._bar = bar
        self._pairs = pairs
        self._line = bar.add_task("", total=None)

    def phase(self, trial: Trial, phase: Phase) -> None:
        self._bar.update(self._line, description=f"{_place(trial.pair, self._pairs, trial.tier)}: {phase}")

    def finished(self, sample: Sample) -> None:
        self._bar.console.print(
            f"  {_place(sample.pair, self._pairs, sample.tier)}: {_outcome(sample)}", highlight=False, markup=False
        )


def _place(pair: int, pairs: int, tier: str) -> str:
    return f"pair {pair}/{pairs}, {tier}"


def _outcome(sample: Sample) -> str:
    if not sample.ok:
        status = f" ({sample.status})" if sample.status is not None else ""
        return f"failed, {sample.error_type}{status}"
    total, first = sample.total_ms or 0.0, sample.first_output_ms
    began = f", first output after {first / 1000:.1f} s" if first is not None else ""
    return f"done in {total / 1000:.1f} s{began}"
