"""Ending the worker: only a process that is proven to be it gets a signal."""

from __future__ import annotations

import dataclasses
import subprocess
import threading
import time

import pytest

from cfp.host.worker.health import health_at
from cfp.host.worker.probe import Status, probe
from cfp.host.worker.processes import boot_id, is_alive, started
from cfp.host.worker.shutdown import StopResult, stop_worker
from journal.values import WorkerRecord
from tests.host.conftest import Workers, end, record_of, sleeper, tell
from tests.ports import free_port
from tests.systems import as_root


def recorded(pid: int) -> WorkerRecord:
    """The journal's record of a worker with this pid."""
    return WorkerRecord(nonce="ab12", port=free_port(), pid=pid, started=started(pid), boot_id=boot_id())


class TestStop:
    def test_an_idle_worker_leaves_at_the_first_signal(self, workers: Workers) -> None:
        """It is gone, nothing was cut, and no zombie of it is left."""
        _, child, record = workers.start()
        assert StopResult(was_running=True) == stop_worker(record, 20, layout=workers.layout)
        assert started(child.pid) is None
        assert StopResult(was_running=False) == stop_worker(record, 20, layout=workers.layout)

    def test_a_busy_worker_may_finish(self, workers: Workers) -> None:
        """Within the grace period nothing is cut."""
        spec, _, record = workers.start(busy=2)
        results: list[StopResult] = []
        stopping = threading.Thread(target=lambda: results.append(stop_worker(record, 60, layout=workers.layout)))
        stopping.start()
        tell(spec, "/term")
        tell(spec, "/busy/0")
        stopping.join(20)
        assert [StopResult(was_running=True)] == results

    def test_what_is_left_after_the_grace_is_cut_and_counted(self, workers: Workers) -> None:
        """The count is the last one that the worker gave."""
        spec, child, record = workers.start(busy=2)
        tell(spec, "/busy/3")
        assert StopResult(was_running=True, cut_streams=3) == stop_worker(record, 0, layout=workers.layout)
        assert not is_alive(child.pid, child.started)

    def test_a_worker_that_ignores_signals_is_killed(self, workers: Workers) -> None:
        """SIGKILL ends what two SIGTERMs do not."""
        _, child, record = workers.start(stubborn=True)
        began = time.monotonic()
        assert stop_worker(record, 0, layout=workers.layout).was_running
        assert not is_alive(child.pid, child.started)
        assert time.monotonic() - began < 10

    def test_a_worker_that_answers_nothing_is_proven_by_its_command_line(self, workers: Workers) -> None:
        """A hung worker is still ours: pid, start, boot and the nonce in its arguments say so."""
        spec = workers.spec()
        child = workers.spawn(spec, mute=True)
        child.send_go()
        while probe("127.0.0.1", spec.settings.port, 0.1)[0] is Status.REFUSED:
            assert not child.wait(0.05)
        assert stop_worker(record_of(spec, child), 1, layout=workers.layout).was_running
        assert child.wait(0)

    def test_a_worker_whose_pid_was_not_recorded_is_found_by_its_nonce(self, workers: Workers) -> None:
        """A crash between the start and its record leaves only the nonce, and health tells the pid."""
        _, child, record = workers.start()
        assert stop_worker(WorkerRecord(nonce=record.nonce, port=record.port), 20, layout=workers.layout).was_running
        assert not is_alive(child.pid, child.started)

    def test_draining_worker_that_no_longer_listens_is_found_by_its_pid(self, workers: Workers) -> None:
        """After a handover the port belongs to another worker; the old one is ended too, the new one is not."""
        _, old, old_record = workers.start()
        new_spec, new, _ = workers.start()
        moved = dataclasses.replace(old_record, port=new_spec.settings.port)
        assert stop_worker(moved, 20, layout=workers.layout).was_running
        assert not is_alive(old.pid, old.started)
        assert is_alive(new.pid, new.started)


class TestNothingUnprovenIsSignalled:
    @pytest.mark.parametrize(
        "change",
        [
            {"nonce": "ff" * 16},
            {"nonce": ""},
            {"started": "1"},
            {"boot_id": "another boot"},
        ],
    )
    def test_a_record_that_does_not_fit(self, workers: Workers, change: dict[str, str]) -> None:
        """Each single mismatch protects the process, though its pid is right."""
        _, child, record = workers.start(nonce="unrelated")
        wrong = dataclasses.replace(record, **change)  # type: ignore[arg-type]  # a table of fields
        assert StopResult(was_running=False) == stop_worker(wrong, 20, layout=workers.layout)
        assert is_alive(child.pid, child.started)

    def test_a_stranger_with_the_workers_pid(self) -> None:
        """A process that merely got the pid, start time and all, has no nonce in its command line."""
        process = sleeper("--nonces", "ab12")
        try:
            record = recorded(process.pid)
            assert StopResult(was_running=False) == stop_worker(record, 0)
            assert process.poll() is None
        finally:
            end(process)

    def test_a_port_that_claims_somebody_elses_pid(self, workers: Workers) -> None:
        """Whoever answers with our nonce cannot point us at another process."""
        process = sleeper()
        try:
            spec, _, record = workers.start(pid=process.pid)
            health = health_at("127.0.0.1", spec.settings.port, 5)
            assert health is not None
            assert process.pid == health.pid
            assert StopResult(was_running=False) == stop_worker(record, 0, layout=workers.layout)
            assert process.poll() is None
        finally:
            end(process)

    @as_root
    def test_another_users_process(self) -> None:
        """Even with everything else right it is not ours."""
        process = subprocess.Popen(
            ["/bin/sh", "-c", "read line", "sh", "--nonce", "ab12"], stdin=subprocess.PIPE, user=65534
        )
        try:
            record = recorded(process.pid)
            assert StopResult(was_running=False) == stop_worker(record, 0)
            assert process.poll() is None
        finally:
            end(process)
