"""The old worker hands over to a new one: no turn is cut, no connection refused, whoever asks for it."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from cfp.commands import start
from cfp.core.settings import Policy
from cfp.demo.scripted_turns import ScriptedTurn, Stall
from cfp.host.home import Host
from cfp.host.worker import processes
from tests.crash.sizes import size
from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener
from tests.numbers import Numbers
from tests.sentinels import kill_for_good
from tests.systems import WINDOWS

REFRESHES = size("REFRESHES", 20, 20)
CLIENTS = 6
PAUSE = 0.5 if WINDOWS else 0.1  # seconds between two events: each command takes longer there
LONG = " ".join(f"word-{number}" for number in range(52))  # 60 events in all
BODY = json.dumps({"model": "gpt-5.5", "stream": True, "input": []}).encode()
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}


def test_a_turn_survives_a_change_of_upstream(codex: Machine) -> None:
    """A turn of 60 events comes whole from the old provider while the next turn is the new provider's."""
    codex.relay()
    codex.install()
    (old,) = codex.workers()
    codex.upstream.script(ScriptedTurn(text=LONG, between=PAUSE))
    turn_count = len(codex.upstream.turns)
    with Listener(key=KEY) as other, ThreadPoolExecutor() as pool:
        slow = pool.submit(codex.codex_exec)
        codex.upstream.wait_for_turns(turn_count + 1, timeout=30)
        moved = codex.cfp("set-upstream", "--upstream-base", other.base_url, "--restart")
        assert (0, "restarted", 0) == (
            moved.code,
            moved.json["start_result"]["status"],
            moved.json["start_result"]["cut_streams"],
        )
        status = codex.cfp("status").json
        assert [(old.pid, 1)] == [(one["pid"], one["requests_in_flight"]) for one in status["draining"]]
        assert (False, other.base_url) == (status["needs_restart"], status["health"]["upstream_base"])
        turned = len(other.turns)
        assert 0 == codex.codex_exec().code
        assert turned + 1 == len(other.turns)
        assert not slow.done()
        ran = slow.result()
        assert (0, LONG) == (ran.code, ran.stdout.strip()), ran.transcript
        assert turn_count + 1 == len(codex.upstream.turns)
    codex.wait_for_one_worker()
    assert [] == codex.cfp("status").json["draining"]


def test_the_hook_applies_what_was_deferred_while_a_turn_runs(codex: Machine) -> None:
    """Deferred settings are the next session's, though the session before is still in the middle of a turn."""
    codex.relay()
    codex.install()
    codex.upstream.script(ScriptedTurn(text=LONG, between=PAUSE))
    turn_count = len(codex.upstream.turns)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(codex.codex_exec)
        codex.upstream.wait_for_turns(turn_count + 1, timeout=30)
        saved = codex.cfp("set-upstream", "--service-tier-policy", "inject_missing", "--no-verify").json
        assert (True, "deferred") == (saved["restart_required"], saved["start_result"]["status"])
        assert "priority" == codex.turn().json()["service_tier"]
        assert not slow.done()
        assert (0, LONG) == (slow.result().code, slow.result().stdout.strip()), slow.result().transcript
    codex.wait_for_one_worker()
    assert (
        sys.platform == "win32"
        or 0o600 == (codex.state / "state" / "fast_proxy.autostart.jsonl").stat().st_mode & 0o777
    )


def test_a_storm_of_connections_during_refreshes(machine: Machine, numbers: Numbers) -> None:
    """New connections and kept ones, all the time, while 20 workers follow one another: every answer is whole."""
    machine.relay()
    machine.install()
    host = Host.find(str(machine.home), machine.environment(), sys.executable)
    over = threading.Event()
    with ThreadPoolExecutor() as pool:
        storm = [pool.submit(_ask, machine.port, over, keep=number < 2) for number in range(CLIENTS)]
        try:
            for number in range(REFRESHES):
                save(machine, [Policy.PRESERVE, Policy.INJECT_MISSING][number % 2])
                assert "restarted" == start.run(start.Args(verbose_proxy=False), host).status
        finally:
            over.set()
        answers = [client.result() for client in storm]
    numbers.count("handover", "refreshes", REFRESHES)
    numbers.count("handover", "requests during them", sum(count for count, _ in answers))
    numbers.count("handover", "violations", sum(len(troubles) for _, troubles in answers))
    assert [[]] * CLIENTS == [troubles for _, troubles in answers]
    assert all(count >= REFRESHES for count, _ in answers), answers
    machine.wait_for_one_worker()


def save(machine: Machine, policy: Policy) -> None:
    """Write the settings of a deferred `set-upstream`, which the running worker does not serve yet."""
    saved = json.loads((machine.state / "settings.json").read_text())
    (machine.state / "settings.json").write_text(json.dumps({**saved, "service_tier_policy": policy}))


def _ask(port: int, over: threading.Event, *, keep: bool) -> tuple[int, list[str]]:
    """Send requests until it is over; how many were answered, and what went wrong."""
    count, troubles = 0, list[str]()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while not over.is_set():
        try:
            connection.request("POST", "/v1/responses", BODY, HEADERS)
            answer = connection.getresponse()
            if (answer.status, b"response.completed" in answer.read()) != (200, True):
                troubles.append(f"status {answer.status}")
            count += 1
        except OSError as error:
            troubles.append(repr(error))
            connection.close()
        if not keep:
            connection.close()
    connection.close()
    return count, troubles


def ask_once(port: int) -> int:
    """The status of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/v1/responses", BODY, HEADERS)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@contextmanager
def endless(machine: Machine, upstream: Listener | None = None) -> Iterator[socket.socket]:
    """A stream that has begun and that nothing but the worker's end will end; `upstream` None: of the machine's."""
    (upstream or machine.upstream).script(Stall(after_first_event=True))
    connection = http.client.HTTPConnection("127.0.0.1", machine.port, timeout=30)
    connection.request("POST", "/v1/responses", BODY, HEADERS)
    answer = connection.getresponse()
    assert answer.read1(64)
    try:
        yield connection.sock
    finally:
        answer.close()
        connection.close()


def test_an_uninstall_ends_a_draining_worker_too(machine: Machine) -> None:
    """Deferred it leaves both, and cuts nothing; at once it waits, cuts what is left and counts it."""
    machine.relay()
    machine.install()
    with endless(machine):
        assert 0 == machine.cfp("set-upstream", "--service-tier-policy", "preserve", "--restart", "--no-verify").code
        deferred = machine.cfp("uninstall", "--defer-stop").json
        assert ("deferred", 2) == (deferred["stop_result"]["status"], len(machine.workers()))
        began = time.monotonic()
        ended = machine.cfp("uninstall").json
        assert (1, "stopped", "removed") == (ended["cut_streams"], ended["stop_result"]["status"], ended["files"])
        assert 10 <= time.monotonic() - began < 20
    assert [] == machine.workers()
    assert not machine.state.exists()


@pytest.mark.posix("SIGTERM asks a worker to leave")
def test_a_worker_that_must_leave_is_gone_at_once(machine: Machine) -> None:
    """SIGTERM ends an idle worker, with idle connections, within half a second."""
    machine.relay()
    machine.install()
    took = []
    for _ in range(3):  # the best of three: the machine may be busy with other things
        (worker,) = machine.workers()
        with socket.create_connection(("127.0.0.1", machine.port)), processes.hold(worker.pid) as held:
            began = time.monotonic()
            held.signal(kill=False)
            assert held.wait(10)
            took.append(time.monotonic() - began)
        assert 0 == machine.cfp("start").code
    assert min(took) < 0.5


@pytest.mark.beyond_wine("the end of all threads of a killed process, at once")
def test_a_killed_worker_needs_no_cleaning(machine: Machine) -> None:
    """After SIGKILL, with its pid file, lock, control socket and connections left, `start` works at once."""
    machine.relay()
    machine.install()
    (worker,) = machine.workers()
    with socket.create_connection(("127.0.0.1", machine.port)):
        kill_for_good([worker])
    assert "started" == machine.cfp("start").json["status"]
    assert 0 == machine.cfp("uninstall").code
    assert not machine.state.exists()


def test_a_worker_without_a_home(machine: Machine) -> None:
    """Its home was deleted: it serves on, ends at a signal, and a home of that name can be installed again."""
    machine.relay()
    config = machine.config.read_bytes()
    machine.install()
    (orphan,) = machine.workers()
    machine.home.rename(machine.root / "gone")
    machine.home.mkdir()
    machine.config.write_bytes(config)
    machine.install()
    (worker,) = machine.workers()
    assert orphan.pid != worker.pid
    assert 0 == machine.cfp("uninstall").code
    assert [] == machine.workers()


def test_a_home_that_was_renamed_finds_its_worker(machine: Machine) -> None:
    """`mv` of the home under a running worker: status and uninstall there name and end it, and the port is free."""
    machine.relay()
    machine.install()
    (worker,) = machine.workers()
    renamed = machine.root / "user" / "renamed"
    machine.home.rename(renamed)
    flags = ("--codex-home", str(renamed))
    assert (True, worker.pid) == tuple(machine.cfp("status", *flags).json[name] for name in ("running", "pid"))
    ended = machine.cfp("uninstall", *flags)
    assert (0, "stopped") == (ended.code, ended.json["stop_result"]["status"]), ended.transcript
    assert [] == machine.workers()
