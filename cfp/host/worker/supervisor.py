"""Starts, stops and releases the workers of one Codex home for the effects of the lifecycle."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from cfp.core.facts import PortFact
from cfp.core.health import WorkerHealth, parse_health
from cfp.core.launch import Launch
from cfp.core.settings import Settings, settings_from_json
from cfp.host.disk import DISK
from cfp.host.waiting import Waiting, unseen
from cfp.host.worker import predecessor, probe, processes
from cfp.host.worker.health import health_of
from cfp.host.worker.shutdown import release_worker, stop_worker
from cfp.host.worker.spawn import WorkerSpec, spawn
from cfp.layout import Layout
from journal.values import Json, WorkerRecord


class WorkerSupervisor:
    """Starts, finds and stops real worker processes; the contract is `cfp.lifecycle.effects.Workers`."""

    def __init__(self, layout: Layout, python: str, user_base: str = "", waiting: Waiting = unseen) -> None:
        self._layout = layout
        self._python = python
        self._user_base = user_base
        self._waiting = waiting

    @property
    def executable(self) -> str:
        return self._python

    @property
    def boot_id(self) -> str:
        return processes.boot_id()

    def settings_hash(self, settings: Settings) -> str:
        return self._spec(settings, "").settings_hash()

    def start(self, launch: Launch) -> WorkerHealth:
        """Start a worker; raises Failed(worker_did_not_start). The journal has its pid before its go byte is sent."""
        settings = launch.settings
        former_nonce = "" if launch.take_over is None else self.record(launch.take_over).nonce
        spec = self._spec(settings, launch.nonce, verbose=launch.verbose, former_nonce=former_nonce)
        child = spawn(spec, self._layout)
        try:
            launch.record_start(child.pid, child.started)
        except BaseException:
            child.stop()
            raise
        child.send_go()
        words = f"waiting for the new proxy to answer at {settings.host}:{settings.port}"
        with self._waiting(words, launch.patience):
            report = probe.wait_healthy(settings.host, settings.port, launch.nonce, launch.patience, child)
        health = parse_health(report)
        if health is None:
            raise AssertionError("a worker that is healthy names its process")
        return health

    def release(self, worker: PortFact) -> None:
        """Let a worker that stands by exit once its streams end.

        A worker whose successor has died in the meantime serves on: Codex still needs one.
        """
        record = self.record(worker)
        health = health_of(record, worker.host, self._layout)
        if health is None or health.standing_by:
            release_worker(record, worker.host, self._layout)

    def stop(self, workers: Sequence[PortFact], grace: float) -> int:
        """End them all and return the count of streams that were cut; raises Failed(worker_did_not_stop)."""
        deadline = time.monotonic() + grace
        with self._waiting("waiting for the proxy to finish its responses and end", grace):
            return sum(self._stop(worker, max(0.0, deadline - time.monotonic())) for worker in workers)

    def _stop(self, worker: PortFact, grace: float) -> int:
        if not worker.nonce:
            return predecessor.stop_predecessor(self._layout, worker.host, worker.port).cut_streams
        return stop_worker(self.record(worker), grace, host=worker.host, layout=self._layout).cut_streams

    def record(self, worker: PortFact) -> WorkerRecord:
        return WorkerRecord(
            nonce=worker.nonce,
            port=worker.port,
            pid=worker.pid,
            started=worker.health.started or None if worker.health is not None else None,
            boot_id=self.boot_id,
        )

    def files(self) -> list[Path]:
        """Return every file that workers of this home have written, and no file that others put beside them."""
        names = (name for name in DISK.names(self._layout.worker) if name.startswith("fast_proxy."))
        return sorted(self._layout.worker / name for name in names)

    def relaunch_spec(self, worker: PortFact) -> Json | None:
        """Return the record that relaunches that worker: its settings, run by the installed code.

        None for the predecessor's worker and for one that does not respond: its settings are unknown.
        """
        if worker.health is None or not worker.health.nonce or not worker.health.upstream_base:
            return None
        settings = settings_from_json(worker.health.raw)
        return self._spec(settings, "").relaunch_record()

    def _spec(self, settings: Settings, nonce: str, *, verbose: bool = False, former_nonce: str = "") -> WorkerSpec:
        return WorkerSpec(
            settings=settings,
            codex_home=self._layout.home,
            python=self._python,
            user_base=self._user_base,
            nonce=nonce,
            verbose=verbose,
            former_nonce=former_nonce,
        )
