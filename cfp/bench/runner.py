"""Runs the trials one after the other, each within its timeout; the samples so far survive an interrupt.

A refused tier ends the run: the remaining pairs would cost quota and measure nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from cfp.bench.probes import Probe
from cfp.bench.progress import Progress
from cfp.bench.sample import Sample, sample, shows_refusal
from cfp.bench.timed_request import ErrorType, Phase, TimedRequest
from cfp.bench.workload import Trial


def run_trials(
    probe: Probe, trials: Iterable[Trial], timeout: float, progress: Progress, samples: list[Sample]
) -> KeyboardInterrupt | None:
    """Run the trials and append each sample as it ends; return the interrupt that ended the run, else None.

    timeout  seconds for each trial
    """
    try:
        asyncio.run(_run_trials(probe, trials, timeout, progress, samples))
    except KeyboardInterrupt as interrupt:
        return interrupt
    return None


async def _run_trials(
    probe: Probe,
    trials: Iterable[Trial],
    timeout: float,  # noqa: ASYNC109 - of each trial, not of this call
    progress: Progress,
    samples: list[Sample],
) -> None:
    for trial in trials:
        sample = await _run_trial(probe, trial, timeout, progress)
        samples.append(sample)
        progress.finished(sample)
        if shows_refusal(samples):
            return


async def _run_trial(probe: Probe, trial: Trial, timeout: float, progress: Progress) -> Sample:  # noqa: ASYNC109 - see _run_trials
    requests: list[TimedRequest] = []
    report = partial(progress.phase, trial)
    report(Phase.STARTING)
    try:
        async with asyncio.timeout(timeout):
            error = await probe(trial.tier, requests, report)
    except TimeoutError:
        error = ErrorType.TIMEOUT
    return sample(trial, requests, error)
