"""Retracting and relaunching workers for the journal."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cfp.host.worker.health import health_at
from cfp.host.worker.journal_processes import WorkerProcesses
from cfp.host.worker.probe import wait_healthy
from cfp.host.worker.processes import is_alive
from cfp.host.worker.shutdown import stop_worker
from cfp.host.worker.spawn import WorkerSpec
from cfp.layout import Layout
from journal.values import Processes, WorkerRecord
from tests.host.conftest import Workers, record_of
from tests.ports import free_port


class TestWorkerProcesses:
    def test_is_what_the_journal_asks_for(self, workers: Workers) -> None:
        """The journal's port and this class agree, for the type checker too."""
        processes: Processes = WorkerProcesses(workers.layout)
        assert processes.retract(WorkerRecord(nonce="ab12", port=free_port())) == "gone"

    def test_retract_ends_an_idle_worker_and_may_be_repeated(self, workers: Workers) -> None:
        """Recovery may run again after a crash in recovery."""
        _, child, record = workers.start()
        processes = WorkerProcesses(workers.layout)
        assert [processes.retract(record), processes.retract(record)] == ["stopped", "gone"]
        assert not is_alive(child.pid, child.started)

    def test_the_worker_of_another_home_is_left_alone(self, workers: Workers, tmp_path: Path) -> None:
        """A copied journal names the original's worker; a home that was renamed still has its own."""
        _, child, record = workers.start()
        copy = tmp_path / "copy"
        copy.mkdir()
        assert WorkerProcesses(Layout(copy)).retract(record) == "gone"
        assert is_alive(child.pid, child.started)
        renamed = workers.layout.home.rename(tmp_path / "renamed")
        assert WorkerProcesses(Layout(renamed)).retract(record) == "stopped"

    def test_retract_never_cuts_a_request(self, workers: Workers) -> None:
        """A worker with a request in flight stays untouched."""
        spec, child, record = workers.start(busy=1)
        assert WorkerProcesses(workers.layout).retract(record) == "deferred"
        health = health_at("127.0.0.1", spec.settings.port, 5)
        assert health is not None
        assert not health.draining
        assert is_alive(child.pid, child.started)

    def test_retract_asks_where_the_worker_says_that_it_listens(self, workers: Workers) -> None:
        """Recovery knows the port only; a request in flight is seen on another loopback address too."""
        spec = workers.spec(host="::1")
        child = workers.spawn(spec, busy=1)
        child.send_go()
        wait_healthy("::1", spec.settings.port, spec.nonce, 20, child)
        assert WorkerProcesses(workers.layout).retract(record_of(spec, child)) == "deferred"

    def relaunched(self, workers: Workers, spec: WorkerSpec) -> WorkerRecord | None:
        health = health_at("127.0.0.1", spec.settings.port, 5)
        return None if health is None else WorkerRecord(nonce=health.nonce, port=spec.settings.port, pid=health.pid)

    def test_relaunch_serves_again_and_starts_no_second_worker(self, workers: Workers) -> None:
        """Twice in a row gives one worker, with the recorded settings and a nonce of its own."""
        spec = workers.spec()
        processes = WorkerProcesses(workers.layout)
        assert processes.relaunch(spec.relaunch_record())
        first = self.relaunched(workers, spec)
        assert first is not None
        assert processes.relaunch(spec.relaunch_record())
        assert first == self.relaunched(workers, spec)
        assert first.nonce != spec.nonce
        assert stop_worker(first, 20, layout=workers.layout).was_running

    def test_relaunch_refuses_after_a_reboot_and_when_nobody_would_use_it(self, workers: Workers) -> None:
        """The hook starts the worker of a new boot; a home that moved on wants none."""
        spec = workers.spec()
        earlier = {**spec.relaunch_record(), "boot_id": "an earlier boot"}
        assert not WorkerProcesses(workers.layout).relaunch(earlier)
        assert not WorkerProcesses(workers.layout, still_wanted=lambda _: False).relaunch(spec.relaunch_record())
        assert not WorkerProcesses(workers.layout).relaunch({"not": "a record"})
        assert self.relaunched(workers, spec) is None

    def test_a_relaunch_that_fails_leaves_nothing(self, workers: Workers, tmp_path: Path) -> None:
        """A worker that dies at once is told as False, and one that never starts too."""
        program = tmp_path / "broken"
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o700)
        for python in (str(program), "/nonexistent/python"):
            spec = dataclasses.replace(workers.spec(), python=python)
            assert not WorkerProcesses(workers.layout).relaunch(spec.relaunch_record())
