"""Workers that die together with their sentinels, as a reboot ends them: one that dies alone is started again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import psutil

from cfp.host.worker import discovery
from tests.systems import LINUX


def is_sentinel(process: psutil.Process) -> bool:
    """Whether a process waits for the death of a worker; False for one that is gone."""
    with suppress(psutil.Error):
        return discovery.is_sentinel(process.cmdline())
    return False


def sentinels_of(worker: psutil.Process) -> list[psutil.Process]:
    """The sentinels of that worker, one or none."""
    nonce = dict(pairwise(worker.cmdline())).get("--nonce")
    sentinels = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if is_sentinel(process) and ("--nonce", nonce) in pairwise(process.cmdline()):
                sentinels.append(process)
    return sentinels


def end_sentinel(worker: psutil.Process) -> None:
    """End the sentinel of a worker, which stands still from then on, so that it starts no other one."""
    if not LINUX:
        return
    worker.suspend()
    _await(worker, psutil.STATUS_STOPPED)
    for sentinel in sentinels_of(worker):
        sentinel.kill()
        _await(sentinel, psutil.STATUS_ZOMBIE)


def _await(process: psutil.Process, status: str) -> None:
    """Wait until the kernel has carried out a signal: one that is dead has also done so."""
    with suppress(psutil.NoSuchProcess):
        while process.status() not in {status, psutil.STATUS_ZOMBIE}:
            os.sched_yield()


def kill_for_good(workers: Sequence[psutil.Process]) -> None:
    """Kill workers and their sentinels, and wait until they are gone."""
    for worker in workers:
        end_sentinel(worker)
        worker.kill()
    psutil.wait_procs(workers, timeout=10)
