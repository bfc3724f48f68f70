"""The worker processes that the journal undoes and redoes: `journal.Processes` on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from cfp.core.health import WorkerHealth
from cfp.errors import Failed
from cfp.host.worker import processes
from cfp.host.worker.health import health_at, health_of
from cfp.host.worker.probe import wait_healthy
from cfp.host.worker.shutdown import release_worker, stop_worker
from cfp.host.worker.spawn import WorkerSpec, spawn
from cfp.layout import Layout
from journal.values import Json, WorkerRecord

_HEALTH_TIMEOUT = 1.0
_RELAUNCH = 10.0
_RETRACT_GRACE = 1.0  # a retracted worker has no request in flight, or does not respond at all


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
        pid = worker.pid if health is None else health.pid
        if pid is not None and processes.is_of_another_home(processes.cmdline(pid), str(self._layout.home)):
            return "gone"  # the journal is a copy, and the worker that it names belongs to the original
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
        if worker is None or spec.get("boot_id") != processes.boot_id() or not self._still_wanted(worker):
            return False
        settings = worker.settings
        if _serves(health_at(settings.host, settings.port, _HEALTH_TIMEOUT), worker):
            return True
        try:
            child = spawn(worker, self._layout)
        except Failed:
            return False
        try:
            child.send_go()
            wait_healthy(settings.host, settings.port, worker.nonce, _RELAUNCH, child)
        except Failed:
            child.stop()
            return False
        except BaseException:
            child.stop()
            raise
        return True


def _serves(health: WorkerHealth | None, spec: WorkerSpec) -> bool:
    """Whether that health is of a worker for this home with these settings."""
    if health is None or health.draining or health.codex_home != str(spec.codex_home):
        return False
    return health.serves(spec.settings)
