"""Makes the turns one after the other, each within its time; whatever ends the run, the samples so far stay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from cfp.bench.probes import Probe
from cfp.bench.progress import Progress
from cfp.bench.sample import Sample, sample
from cfp.bench.timed_request import ErrorType, Phase, TimedRequest
from cfp.bench.workload import Trial


def take(
    probe: Probe, turns: Iterable[Trial], timeout: float, progress: Progress, samples: list[Sample]
) -> KeyboardInterrupt | None:
    """Make the turns, adding each sample as it ends; what interrupted them, else None.

    timeout  seconds for each turn
    """
    try:
        asyncio.run(_take(probe, turns, timeout, progress, samples))
    except KeyboardInterrupt as interrupt:
        return interrupt
    return None


async def _take(
    probe: Probe,
    turns: Iterable[Trial],
    timeout: float,  # noqa: ASYNC109 - of each turn, not of this call
    progress: Progress,
    samples: list[Sample],
) -> None:
    for turn in turns:
        taken = await _one(probe, turn, timeout, progress)
        samples.append(taken)
        progress.taken(taken)


async def _one(probe: Probe, turn: Trial, timeout: float, progress: Progress) -> Sample:  # noqa: ASYNC109 - see _take
    exchanges: list[TimedRequest] = []
    tell = partial(progress.phase, turn)
    tell(Phase.STARTING)
    try:
        async with asyncio.timeout(timeout):
            error = await probe(turn.tier, exchanges, tell)
    except TimeoutError:
        error = ErrorType.TIMEOUT
    return sample(turn, exchanges, error)
