"""The worker as a process: find it, prove it, end it, relaunch it. No unproven process ever gets a signal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from cfp.core.health import WorkerHealth, parse_health
from cfp.errors import Failed
from cfp.host.worker import control_socket
from cfp.host.worker.probe import read_health, wait_healthy
from cfp.host.worker.spawn import SpawnedWorker, WorkerSpec, spawn
from cfp.layout import Layout
from journal.values import Json, WorkerRecord

if sys.platform == "linux":
    from cfp.host.worker import _linux as system
else:
    from cfp.host.worker import _portable as system

__all__ = [
    "FoundWorker",
    "SpawnedWorker",
    "Stopped",
    "WorkerProcesses",
    "WorkerSpec",
    "boot_id",
    "draining_workers",
    "find_workers",
    "health_at",
    "health_of",
    "is_alive",
    "process_started",
    "release_worker",
    "spawn",
    "stop_worker",
]

_HEALTH_TIMEOUT = 1.0
_SECOND_TERM = 2.0  # from the second SIGTERM to SIGKILL
_KILL = 5.0  # SIGKILL acts at once, except on a process that waits for a dead disk
_RELAUNCH = 10.0
_RETRACT_GRACE = 1.0  # a retracted worker has no request in flight, or does not respond at all
_LET_GO = 3.0  # from SIGTERM until a worker of a handover reports that it drains
_LET_GO_PAUSE = 0.01
_EXEC_LOOKS, _EXEC_PAUSE = 50, 0.002


def boot_id() -> str:
    """Return the kernel's id of this boot; "" where the system has none."""
    return system.boot_id()


def process_started(pid: int) -> str | None:
    """Return the process's start time, which no later process with the same pid shares; None if it is gone."""
    return system.started(pid)


def is_alive(pid: int, started: str) -> bool:
    """Whether exactly that process runs. A zombie does not; a zombie child of ours is reaped."""
    if system.is_running(pid, started):
        return True
    if system.started(pid) == started:
        _reap(pid)
    return False


def _reap(pid: int) -> None:
    """Collect the exit status of a child that has exited, so that its pid becomes free."""
    if sys.platform != "win32":
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundWorker:
    """A worker identified by its command line."""

    pid: int
    started: str
    nonce: str
    host: str
    port: int


def find_workers(home: Path) -> list[FoundWorker]:
    """Return the workers of this home among our user's processes, the newest first."""
    own_uid = os.getuid() if sys.platform != "win32" else None
    wanted = os.path.realpath(home)
    workers = []
    for pid in system.pids():
        arguments = system.cmdline(pid)
        pairs = list(pairwise(arguments))
        if ("codex_fast_proxy", "serve") not in pairs or system.uid(pid) != own_uid:
            continue
        flags = dict(pairs)
        started = system.started(pid)
        if started is None or os.path.realpath(flags.get("--codex-home", "")) != wanted:
            continue
        if "--nonce" in flags and flags.get("--port", "").isdecimal() and is_alive(pid, started):
            workers.append(
                FoundWorker(
                    pid=pid,
                    started=started,
                    nonce=flags["--nonce"],
                    host=flags.get("--host", "127.0.0.1"),
                    port=int(flags["--port"]),
                )
            )
    return sorted(workers, key=lambda worker: (float(worker.started), worker.pid), reverse=True)


def draining_workers(layout: Layout) -> list[WorkerHealth]:
    """Return the health of the workers that drain: after a handover, or after SIGTERM."""
    if not control_socket.CAN_HAND_OVER:
        return []
    sockets = sorted(layout.worker.glob("fast_proxy.*.sock"))
    answers = (_health_behind(path) for path in sockets)
    return [health for health in answers if health is not None and health.draining]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The result of a stop.

    was_running  there was a process, proven ours
    cut_streams  requests in flight when it was cut
    """

    was_running: bool
    cut_streams: int = 0


def stop_worker(
    record: WorkerRecord, grace: float, *, host: str = "127.0.0.1", layout: Layout | None = None
) -> Stopped:
    """End the worker: it drains for `grace` seconds, then what is left is cut.

    layout  of its home, where its control socket lies: a worker that has handed its port over responds only there
    Only a process that is proven to be this worker gets a signal. Raises Failed(worker_did_not_stop; pid) where even
    SIGKILL does not end it.
    """
    health = health_of(record, host, layout)
    handle = _hold_proven(record, health)
    if handle is None:
        return Stopped(was_running=False)
    with handle as worker:
        drains = health is not None and health.draining
        cut = _end(worker, grace, lambda: health_of(record, host, layout) or health, drains=drains)
        _reap(worker.pid)
    return Stopped(was_running=True, cut_streams=cut)


def _end(worker: system.Handle, grace: float, health: Callable[[], WorkerHealth | None], *, drains: bool) -> int:
    """SIGTERM, `grace` seconds, SIGTERM, SIGKILL; returns the requests in flight at the second one."""
    if not drains:  # where it does, a SIGTERM now would be the second one
        worker.signal(kill=False)
    if worker.wait(grace):
        return 0
    last = health()
    worker.signal(kill=False)
    if not worker.wait(_SECOND_TERM):
        worker.signal(kill=True)
        if not worker.wait(_KILL):
            raise Failed("worker_did_not_stop", pid=worker.pid)
    return 0 if last is None else last.requests_in_flight or 0


def release_worker(record: WorkerRecord, host: str, layout: Layout) -> Literal["stopped", "gone", "draining"]:
    """Send SIGTERM, so that the worker exits when its streams end; a worker in a handover ends its part.

    Returns once it accepts no connections; "stopped" where it has already exited.
    """
    health = health_of(record, host, layout)
    if health is not None and health.draining:
        return "draining"
    handle = _hold_proven(record, health)
    if handle is None:
        return "gone"
    with handle as worker:
        worker.signal(kill=False)
        deadline = time.monotonic() + _LET_GO
        while not worker.wait(_LET_GO_PAUSE):
            now = health_of(record, host, layout)
            if time.monotonic() > deadline or (now is not None and now.draining):
                return "draining"
        _reap(worker.pid)
    return "stopped"


def health_at(host: str, port: int, timeout: float) -> WorkerHealth | None:
    """Return the health of the worker at an address; None unless one responds within `timeout` seconds."""
    answer = read_health(host, port, timeout)
    return None if answer is None else parse_health(answer)


def _health_behind(path: Path) -> WorkerHealth | None:
    """Return the health of the worker behind a control socket; None without a response."""
    answer = control_socket.read_health(path, _HEALTH_TIMEOUT)
    return None if answer is None else parse_health(answer)


def health_of(record: WorkerRecord, host: str, layout: Layout | None = None) -> WorkerHealth | None:
    """Return the worker's health, read at its control socket or its port; None without a response."""
    if not record.nonce:
        return None
    if layout is not None and control_socket.CAN_HAND_OVER:
        health = _health_behind(layout.control(record.nonce))
        if health is not None and health.nonce == record.nonce:
            return health
    arguments = [] if record.pid is None else list(pairwise(system.cmdline(record.pid)))
    if ("--nonce", record.nonce) in arguments:  # its command line has the address that it listens at
        host = dict(arguments).get("--host", host)
    health = health_at(host, record.port, _HEALTH_TIMEOUT)
    return health if health is not None and health.nonce == record.nonce else None


def _hold_proven(record: WorkerRecord, health: WorkerHealth | None) -> system.Handle | None:
    """Return a handle on the worker's process; None unless `_is_proven` holds.

    The proof comes after the handle is opened, so that the proven process is the one behind the handle.
    """
    if health is not None:
        pid = health.pid
    elif record.pid is not None and record.boot_id in {None, "", boot_id()}:
        pid = record.pid
    else:
        return None
    handle = system.hold(pid)
    if handle is None:
        return None
    if _is_proven(record, health, pid):
        return handle
    with handle:
        return None


def _is_proven(record: WorkerRecord, health: WorkerHealth | None, pid: int) -> bool:
    """Whether the process belongs to our user, is alive, and has the record's start time and nonce."""
    started = process_started(pid)
    if started is None or not is_alive(pid, started):
        return False
    if health is None and record.started not in {None, started}:
        return False
    own_uid = os.getuid() if sys.platform != "win32" else None
    if not record.nonce or system.uid(pid) != own_uid:
        return False
    return ("--nonce", record.nonce) in pairwise(_arguments(pid, started))


def _arguments(pid: int, started: str) -> tuple[str, ...]:
    """Return its command line, which is empty for a moment while the process is in the middle of exec."""
    for _ in range(_EXEC_LOOKS):
        arguments = system.cmdline(pid)
        if arguments or not is_alive(pid, started):
            return arguments
        time.sleep(_EXEC_PAUSE)
    return ()


class WorkerProcesses:
    """`journal.Processes` on this machine.

    still_wanted  whether config.toml points at the worker of that spec; any other relaunch would serve nobody
    """

    def __init__(
        self, layout: Layout, *, host: str = "127.0.0.1", still_wanted: Callable[[WorkerSpec], bool] = lambda _: True
    ) -> None:
        self._layout = layout
        self._host = host
        self._still_wanted = still_wanted

    def retract(self, worker: WorkerRecord) -> Literal["stopped", "gone", "deferred", "draining"]:
        """End the worker if it is ours; a request in flight is never cut.

        Returns "deferred" where there is such a request, and "draining" where the worker exits by itself after its
        last one: the other worker of a handover serves in its place.
        """
        health = health_of(worker, self._host, self._layout)
        if health is not None:
            if health.draining or health.standing_by or health.taking_over:
                return release_worker(worker, self._host, self._layout)
            if health.requests_in_flight:
                return "deferred"
        stopped = stop_worker(worker, _RETRACT_GRACE, host=self._host, layout=self._layout)
        return "stopped" if stopped.was_running else "gone"

    def relaunch(self, spec: Json) -> bool:
        """Start a previous worker again from its `relaunch_record`; return whether one with its settings serves now.

        It is not started after a reboot (the hook does that) or where config.toml points elsewhere.
        """
        worker = WorkerSpec.from_record(spec)
        if worker is None or spec.get("boot_id") != boot_id() or not self._still_wanted(worker):
            return False
        settings = worker.settings
        if _serves(health_at(settings.host, settings.port, _HEALTH_TIMEOUT), worker):
            return True
        try:
            child = spawn(worker, self._layout)
        except Failed:
            return False
        try:
            child.go()
            wait_healthy(settings.host, settings.port, worker.nonce, _RELAUNCH, child)
        except Failed:
            child.abandon()
            return False
        except BaseException:
            child.abandon()
            raise
        return True


def _serves(health: WorkerHealth | None, spec: WorkerSpec) -> bool:
    """Whether that health is of a worker for this home with these settings."""
    if health is None or health.draining or health.codex_home != str(spec.codex_home):
        return False
    return health.serves(spec.settings)
