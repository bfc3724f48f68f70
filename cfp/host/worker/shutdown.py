"""Ends a worker. Only a process that is proven to be this worker is ever asked or killed.

It is asked by SIGTERM, on Windows over its control channel: first it drains, the second time it cuts what is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from cfp.core.health import WorkerHealth
from cfp.errors import Failed
from cfp.host.worker import processes
from cfp.host.worker.control.channel import ask_to_end
from cfp.host.worker.discovery import revived_workers, sentinels
from cfp.host.worker.health import health_of
from cfp.layout import Layout
from cfp.socket_owner import own_user
from journal.values import WorkerRecord

_SECOND_TERM = 2.0  # from the second time that it is asked until it is killed
_KILL = 5.0  # SIGKILL acts at once, except on a process that waits for a dead disk
_DRAIN_REPORT = 3.0  # from the request until a worker of a handover reports that it drains
_DRAIN_POLL = 0.01
_EXEC_POLLS, _EXEC_PAUSE = 50, 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class StopResult:
    """The result of a stop.

    was_running  there was a process, proven ours
    cut_streams  requests in flight when it was cut
    """

    was_running: bool
    cut_streams: int = 0


def stop_worker(
    record: WorkerRecord, grace: float, *, host: str = "127.0.0.1", layout: Layout | None = None
) -> StopResult:
    """End the worker: it drains for `grace` seconds, then what is left is cut.

    layout  of its home, where its control socket lies: a worker that has handed its port over responds only there
    Only a process that is proven to be this worker gets a signal. Raises Failed(worker_did_not_stop; pid) where even
    SIGKILL does not end it.
    """
    result = _stop_known(record, grace, host, layout)
    # One that was killed before it could end its sentinel comes again, as another process.
    while revived := _end_revivals(record, layout):
        again = replace(record, pid=revived[0], started=processes.started(revived[0]), boot_id=None)
        ended = _stop_known(again, grace, host, layout)
        result = StopResult(
            was_running=result.was_running or ended.was_running, cut_streams=result.cut_streams + ended.cut_streams
        )
    return result


def end_sentinels(nonce: str, layout: Layout | None) -> None:
    """Kill the sentinels of a worker, so that nothing starts it again."""
    while pids := sentinels(nonce, layout):
        for pid in pids:
            handle = processes.hold(pid)
            if handle is None:
                continue
            with handle:
                # Proven under the hold: a sentinel's child is a worker once it has executed the program.
                if pid in sentinels(nonce, layout):
                    handle.signal(kill=True)
                    handle.wait(_KILL)


def _end_revivals(record: WorkerRecord, layout: Layout | None) -> list[int]:
    """End what would start the worker again; return the processes that were started so."""
    end_sentinels(record.nonce, layout)
    return revived_workers(record.nonce, layout)


def _stop_known(record: WorkerRecord, grace: float, host: str, layout: Layout | None) -> StopResult:
    health = health_of(record, host, layout)
    handle = _hold_proven(record, health)
    if handle is None:
        return StopResult(was_running=False)
    with handle as worker:
        drains = health is not None and health.draining
        channel = None if layout is None else layout.control(record.nonce)
        cut = _end(
            worker,
            channel,
            grace,
            lambda: health_of(record, host, layout) or health,
            lambda: end_sentinels(record.nonce, layout),
            drains=drains,
        )
        processes.reap(worker.pid)
    return StopResult(was_running=True, cut_streams=cut)


def _end(
    worker: processes.Handle,
    channel: Path | None,
    grace: float,
    health: Callable[[], WorkerHealth | None],
    leave_dead: Callable[[], None],
    *,
    drains: bool,
) -> int:
    """Ask it to end, after `grace` seconds again, then kill it; return the requests in flight at the second time.

    leave_dead  keeps the worker from being started again when it is killed
    """
    if not drains:  # where it does, this would be the second time
        ask_to_end(worker, channel)
    if worker.wait(grace):
        return 0
    last = health()
    ask_to_end(worker, channel)
    if not worker.wait(_SECOND_TERM):
        leave_dead()
        worker.signal(kill=True)
        if not worker.wait(_KILL):
            raise Failed("worker_did_not_stop", pid=worker.pid)
    return 0 if last is None else last.requests_in_flight or 0


def release_worker(record: WorkerRecord, host: str, layout: Layout) -> Literal["stopped", "gone", "draining"]:
    """Ask it to end, so that the worker exits when its streams end; a worker in a handover ends its part.

    Returns once it accepts no connections; "stopped" where it has already exited.
    """
    health = health_of(record, host, layout)
    if health is not None and health.draining:
        return "draining"
    handle = _hold_proven(record, health)
    if handle is None:
        return "gone"
    with handle as worker:
        ask_to_end(worker, layout.control(record.nonce))
        deadline = time.monotonic() + _DRAIN_REPORT
        while not worker.wait(_DRAIN_POLL):
            now = health_of(record, host, layout)
            if time.monotonic() > deadline or (now is not None and now.draining):
                return "draining"
        processes.reap(worker.pid)
    return "stopped"


def _hold_proven(record: WorkerRecord, health: WorkerHealth | None) -> processes.Handle | None:
    """Return a handle on the worker's process; None unless `_is_proven` holds.

    The proof comes after the handle is opened, so that the proven process is the one behind the handle.
    """
    if health is not None:
        pid = health.pid
    elif record.pid is not None and record.boot_id in {None, "", processes.boot_id()}:
        pid = record.pid
    else:
        return None
    handle = processes.hold(pid)
    if handle is None:
        return None
    if _is_proven(record, health, pid):
        return handle
    with handle:
        return None


def _is_proven(record: WorkerRecord, health: WorkerHealth | None, pid: int) -> bool:
    """Whether the process belongs to our user, is alive, and has the record's start time and nonce."""
    started = processes.started(pid)
    if started is None or not processes.is_alive(pid, started):
        return False
    if health is None and record.started not in {None, started}:
        return False
    if not record.nonce or processes.user(pid) != own_user():
        return False
    return ("--nonce", record.nonce) in pairwise(_arguments(pid, started))


def _arguments(pid: int, started: str) -> tuple[str, ...]:
    """Return its command line, which is empty for a moment while the process is in the middle of exec."""
    for _ in range(_EXEC_POLLS):
        arguments = processes.cmdline(pid)
        if arguments or not processes.is_alive(pid, started):
            return arguments
        time.sleep(_EXEC_PAUSE)
    return ()
