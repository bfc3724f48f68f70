"""The real worker keeps the promises that the stand-in is tested for."""

from __future__ import annotations

import dataclasses
import http.client
import sys
from collections.abc import Iterator

import pytest

from cfp.host.worker.health import health_at
from cfp.host.worker.journal_processes import WorkerProcesses
from cfp.host.worker.probe import port_owner, wait_healthy
from cfp.host.worker.processes import is_alive
from cfp.host.worker.shutdown import StopResult, stop_worker
from cfp.host.worker.spawn import SpawnedWorker, WorkerSpec, spawn
from cfp.socket_owner import own_user
from journal.values import WorkerRecord
from tests.host.conftest import Workers, record_of
from tests.host.servers import Served, says_and_stays, serving

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {}\n\n"


@pytest.fixture
def upstream() -> Iterator[Served]:
    """Begins to answer, and never ends."""
    with serving(says_and_stays(STREAM)) as served:
        yield served


@pytest.fixture
def spec(workers: Workers, upstream: Served) -> WorkerSpec:
    made = workers.spec(upstream_base=f"http://127.0.0.1:{upstream.port}/v1")
    return dataclasses.replace(made, python=sys.executable)


def start(workers: Workers, spec: WorkerSpec) -> tuple[SpawnedWorker, WorkerRecord]:
    child = spawn(spec, workers.layout)
    workers.children.append(child)
    child.send_go()
    wait_healthy("127.0.0.1", spec.settings.port, spec.nonce, 30, child)
    return child, record_of(spec, child)


def begin_stream(spec: WorkerSpec) -> http.client.HTTPConnection:
    """A request that is in flight from when this returns until it is closed."""
    connection = http.client.HTTPConnection("127.0.0.1", spec.settings.port, timeout=30)
    connection.request("POST", "/v1/responses", body=b"{}", headers={"Content-Type": "application/json"})
    assert connection.getresponse().read1(64)
    return connection


def test_it_is_what_the_record_says(workers: Workers, spec: WorkerSpec) -> None:
    """Health, listener and process agree, and the health tells every setting that a relaunch compares."""
    child, record = start(workers, spec)
    health = health_at("127.0.0.1", spec.settings.port, 5)
    owner = port_owner(spec.settings.port)
    assert health is not None
    assert owner is not None
    assert (child.pid, child.pid, own_user()) == (health.pid, owner.pid, owner.user)
    assert child.started == health.started
    assert WorkerProcesses(workers.layout).relaunch(spec.relaunch_record())
    again = health_at("127.0.0.1", spec.settings.port, 5)
    assert again is not None
    assert spec.nonce == again.nonce
    assert StopResult(was_running=True) == stop_worker(record, 20, layout=workers.layout)
    assert not is_alive(child.pid, child.started)


def test_without_the_go_byte_it_leaves_nothing(workers: Workers, spec: WorkerSpec) -> None:
    """No pid file, no lock, no line in a log: as if it had never been."""
    child = spawn(spec, workers.layout)
    child.stop()
    expected = {workers.layout.worker_stdout: 0, workers.layout.worker_stderr: 0}
    assert expected == {path: path.stat().st_size for path in workers.layout.worker.iterdir()}


def test_a_request_in_flight_defers_the_retraction_and_is_counted_by_a_stop(
    workers: Workers, spec: WorkerSpec
) -> None:
    """Recovery never cuts a stream; a stop does after its grace period, and says how many."""
    child, record = start(workers, spec)
    connection = begin_stream(spec)
    try:
        assert WorkerProcesses(workers.layout).retract(record) == "deferred"
        assert is_alive(child.pid, child.started)
        assert StopResult(was_running=True, cut_streams=1) == stop_worker(record, 0.2, layout=workers.layout)
    finally:
        connection.close()
    assert not is_alive(child.pid, child.started)
