"""Statistics by tier and the newest requests: in bounded memory, across restarts, on a full disk."""

from __future__ import annotations

import asyncio
import http.client
import json
import socketserver
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.tiers.names import KNOWN
from cfp.layout import Layout
from cfp.proxy.config import ROTATE_BYTES
from cfp.proxy.telemetry.log_lines import LogLine
from cfp.proxy.telemetry.recent_requests import MAX_LINES, RecentRequests
from cfp.proxy.telemetry.request_log import KEPT_FILES
from cfp.proxy.telemetry.response_facts import TokenCounts
from cfp.proxy.telemetry.tier_statistics import TierStatistics
from tests.proxy.support import Call, Running, answer, asynchronous, upstream, worker
from tests.proxy.worker.test_command_line import Process, process, wait_for_pid_file
from tests.systems import posix_module

resource = posix_module("resource")

EVENT = b'data: {"type":"response.completed","response":{"service_tier":"priority","usage":{"output_tokens":7}}}\n\n'
STREAM = answer(EVENT, b"200 OK", b"Content-Type: text/event-stream")


def line(**fields: Any) -> LogLine:
    usual = {"ts": "t", "eligible": True, "status": 200, "model": "m", "upstream_base": "u", "stream": True}
    return LogLine(**{**usual, **fields})


def fed(*lines: LogLine) -> TierStatistics:
    evidence = TierStatistics()
    for one in lines:
        evidence.add(one)
    return evidence


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0.5, 1e4), st.integers(1, 9999)), min_size=1, max_size=30))
def test_medians_are_those_of_the_samples(samples: list[tuple[float, float, int]]) -> None:
    """First byte in milliseconds; output tokens over the seconds from the first byte to the end."""
    evidence = fed(
        *(
            line(first_byte_ms=first, duration_ms=first + streamed, usage=TokenCounts(output_tokens=tokens))
            for first, streamed, tokens in samples
        )
    )
    (row,) = evidence.report()
    rates = [tokens / ((first + streamed) - first) * 1000 for first, streamed, tokens in samples]
    assert row["count"] == len(samples)
    assert row["median_first_byte_ms"] == round(statistics.median(first for first, _, _ in samples), 1)
    assert row["median_output_tokens_per_second"] == round(statistics.median(rates), 1)


def test_tiers_models_and_upstreams_are_apart() -> None:
    """Each has a row; the row of the newest line is the first."""
    evidence = fed(
        line(service_tier_after="priority", service_tier_injected=True, response_service_tier="priority"),
        line(service_tier_after="priority", response_service_tier="default"),
        line(),
        line(model="n"),
        line(upstream_base="v"),
        line(service_tier_after="priority", status=429),
        line(service_tier_after="priority", error_type="upstream_cut"),
    )
    rows = [(row["upstream_base"], row["model"], row["service_tier"], row["count"]) for row in evidence.report()]
    assert rows == [("u", "m", "priority", 4), ("v", "m", None, 1), ("u", "n", None, 1), ("u", "m", None, 1)]
    first = evidence.report("u")[0]
    assert (first["failed"], first["injected"]) == (2, 1)
    assert first["echoed"] == {"priority": 1, "default": 1}


def test_the_names_of_one_tier_are_counted_together() -> None:
    """`fast` is `priority`, as it is sent and as it is echoed; every other tier has a row of its own."""
    pairs = [(sent, echo) for sent in KNOWN for echo in KNOWN]
    rows = fed(*(line(service_tier_after=sent, response_service_tier=echo) for sent, echo in pairs)).report()
    assert {row["service_tier"]: row["count"] for row in rows} == {
        name: len(KNOWN) * (2 if name == "priority" else 1) for name in KNOWN if name != "fast"
    }
    for row in rows:
        weight = 2 if row["service_tier"] == "priority" else 1
        assert row["echoed"] == {name: weight * (2 if name == "priority" else 1) for name in KNOWN if name != "fast"}


def test_requests_without_a_verdict_on_a_tier_are_left_out() -> None:
    """Other paths, requests without a response, and turns that the user interrupted are not counted."""
    evidence = fed(line(eligible=False), line(status=None), line(error_type="client_left"))
    assert evidence.report() == []


def test_memory_is_bounded() -> None:
    """The numbers of rows, echoed tiers and samples are bounded, whatever an upstream sends."""
    evidence, recent = TierStatistics(), RecentRequests()
    for number in range(5_000):
        one = line(model=f"m{number % 100}", response_service_tier=f"t{number}", first_byte_ms=1.0)
        evidence.add(one)
        recent.add([one])
    rows = evidence.report()
    assert (len(rows), rows[0]["model"]) == (32, "m99")
    assert max(len(row["echoed"]) for row in rows) <= 9
    assert len(recent.lines()) == MAX_LINES


def test_listeners_get_new_lines() -> None:
    """Listeners get lines in order until they unsubscribe, which one may do while it is called."""
    recent, delivered = RecentRequests(), list[str]()
    recent.add([line(ts="1")])
    unsubscribe = recent.subscribe(lambda lines: delivered.extend(one["ts"] for one in lines))
    once = recent.subscribe(lambda _: once())
    recent.add([line(ts="2"), line(ts="3")])
    unsubscribe()
    recent.add([line(ts="4")])
    assert delivered == ["2", "3"]
    assert [one["ts"] for one in recent.lines()] == ["1", "2", "3", "4"]


async def ask(running: Running) -> None:
    client = await running.client()
    client.post(b'{"model":"gpt","stream":true}')
    await client.response()
    await client.close()


async def stream(call: Call) -> None:
    """A response whose end comes after its first byte, by a clock that may tick slowly (Windows: 16 ms)."""
    await call.send(STREAM[:-1])
    for _ in range(2):
        before = time.monotonic()
        while time.monotonic() == before:  # noqa: ASYNC110  a clock has no event
            await asyncio.sleep(0.001)
    await call.send(STREAM[-1:])


@asynchronous
async def test_statistics_survive_a_restart(tmp_path: Path) -> None:
    """The next worker continues the counts of the last one; health reports them."""
    async with upstream(stream) as double:
        for count in (1, 2):
            async with worker(tmp_path, double.base) as running:
                running.worker.remember()
                await ask(running)
            (row,) = running.worker.tier_statistics.report(double.base)
            assert (row["count"], row["model"], row["service_tier"]) == (count, "gpt", "priority")
            assert row["echoed"] == {"priority": count}
            assert row["median_first_byte_ms"] >= 0  # a clock of Windows has steps of 16 ms
            assert row["median_output_tokens_per_second"] > 0
            assert json.loads(running.worker.health())["service_tier_evidence"] == [row]
            assert running.log() == running.worker.recent_requests.lines()


@contextmanager
def closing_upstream() -> Iterator[str]:
    """Yield the base URL of an upstream that closes every connection without a response."""

    class Close(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1)

    with socketserver.TCPServer(("127.0.0.1", 0), Close) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join()


def fail_once(running: Process) -> None:
    """One turn whose upstream gives no response."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    connection.request("POST", "/v1/responses", b"{}", {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, b"upstream_broke_off" in answer.read()) == (502, True)
    connection.close()


def counted(running: Process, count: int) -> None:
    """Wait until health's evidence has so many turns: a line is delivered within a twentieth of a second."""
    rows: Any = []
    while not (rows and rows[0]["count"] == count):
        time.sleep(0.02)
        rows = running.health()["service_tier_evidence"]
    assert rows[0]["failed"] == count


def _failures(log: Path) -> int:
    """The requests in the log that got a 502; there is no file for an instant, while it is rotated."""
    return log.read_bytes().count(b'"status":502') if log.exists() else 0


def test_a_killed_worker_leaves_log_and_statistics(tmp_path: Path) -> None:
    """At 10 MB the log is rotated, the oldest of five files goes, and the next worker's statistics continue."""
    layout = Layout(tmp_path)
    log = layout.request_log
    log.parent.mkdir(parents=True)
    names = [log, *(log.with_name(f"{log.name}.{number}") for number in range(1, KEPT_FILES))]
    full = b"{}\n" * (ROTATE_BYTES // 3)
    log.write_bytes(full)
    for name in names[1:]:
        name.write_text(name.name + "\n")
    with closing_upstream() as base:
        for count in (1, 2):
            with process(tmp_path, "--upstream-base", base) as running:
                wait_for_pid_file(running, tmp_path)
                fail_once(running)
                counted(running, count)
                while _failures(log) < count:  # it is delivered before the disk has it
                    time.sleep(0.01)
            layout.pid_file.unlink()  # it was killed
    assert sorted(log.parent.glob("fast_proxy.jsonl*")) == sorted(names)
    assert [json.loads(text)["status"] for text in log.read_text().splitlines()] == [502, 502]
    assert names[1].read_bytes() == full
    assert [name.read_text() for name in names[2:]] == [f"{name.name}\n" for name in names[1:-1]]


@pytest.mark.posix("a limit on the size of a process' files")
def test_a_full_disk_stops_no_request(tmp_path: Path) -> None:
    """Every request is answered, and lines that could not be written are known while the worker lives."""
    with closing_upstream() as base, process(tmp_path, "--upstream-base", base) as running:
        wait_for_pid_file(running, tmp_path)
        resource.prlimit(running.popen.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        for _ in range(40):
            fail_once(running)
        counted(running, 40)
    assert sum(path.stat().st_size for path in (tmp_path / "codex-fast-proxy-state" / "state").iterdir()) < 8192
