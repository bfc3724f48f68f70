"""kill -9 of the worker, of its sentinel, or of both: the port is served on, or nothing at all is left of them."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import psutil
import pytest

from tests.conftest import PROFILE
from tests.crash.sizes import size
from tests.end_to_end.harness import Machine
from tests.end_to_end.test_handover import BODY, HEADERS, ask_once, endless, save
from tests.numbers import VIOLATIONS, Numbers
from tests.sentinels import kill_for_good, sentinels_of

pytestmark = pytest.mark.posix("a process that inherits a listening socket by its number", needs="linux")

KILLS = size("REVIVALS", 12, 1000)
CLIENTS = 4
AT_ONCE_S = 1.7  # a worker that has lived so long, on a loaded machine too, has not died at once
PATIENCE_S = 20.0


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds that no event announces."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def installed(machine: Machine) -> psutil.Process:
    """Install; the worker, once it has a sentinel."""
    machine.relay()
    machine.install()
    return guarded(machine)


def guarded(machine: Machine) -> psutil.Process:
    """The worker, once it has a sentinel and has lived long enough to be revived again."""
    (worker,) = machine.workers()
    until(lambda: sentinels_of(worker), "no sentinel")
    until(lambda: time.time() > worker.create_time() + AT_ONCE_S, "the clock")
    return worker


def sentinel(worker: psutil.Process) -> psutil.Process:
    (one,) = sentinels_of(worker)
    return one


def kill(worker: psutil.Process) -> None:
    """Kill it and wait for its death: until then it may accept a connection."""
    worker.kill()
    psutil.wait_procs([worker], timeout=PATIENCE_S)


def health(machine: Machine) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", machine.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/__codex_fast_proxy/health")
        report: dict[str, object] = json.loads(connection.getresponse().read())
        return report
    finally:
        connection.close()


def all_gone(machine: Machine) -> None:
    """Uninstall; no process is left, and no file but the backups."""
    gone = machine.cfp("uninstall")
    assert 0 == gone.code, gone.transcript
    assert [] == [process.cmdline() for process in machine.processes()]
    assert not machine.state.exists()


class Storm:
    """Clients that connect all the time, each for one request, and note what no kill may do to them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self.refused = self.answered = self.cut = 0

    def run(self) -> None:
        while not self._over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
            try:
                connection.connect()
            except OSError:
                self.refused += 1
                continue
            try:
                connection.request("POST", "/v1/responses", BODY, HEADERS)
                connection.getresponse().read()
                self.answered += 1
            except (OSError, http.client.HTTPException):
                self.cut += 1  # the killed worker had accepted it: Codex sends it again
            finally:
                connection.close()

    def end(self) -> None:
        self._over.set()


@pytest.mark.timeout(120 + 6 * KILLS)
def test_a_storm_of_kills(machine: Machine, numbers: Numbers) -> None:
    """Under load, in the start of a worker, at its first answer, later: nobody is refused, and nothing is left."""
    worker = installed(machine)
    storm = Storm(machine.port)
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(storm.run) for _ in range(CLIENTS)]
        try:
            for number in range(KILLS):
                kill(worker)
                began = time.monotonic()
                # Of each three, one dies while it starts, one once it answers, and one when it has lived a while.
                if number % 3:
                    until(lambda dead=worker: health(machine)["pid"] != dead.pid, "not served again")
                    numbers.time("revival", "from a kill to an answer", time.monotonic() - began)
                until(lambda dead=worker: _next(machine, dead), "no worker")
                worker = _next(machine, worker)
                if number % 3 == 2:
                    time.sleep(AT_ONCE_S)
        finally:
            storm.end()
        for client in clients:
            client.result()
    numbers.count("revival", "workers killed under load", KILLS)
    numbers.count("revival", "requests meanwhile", storm.answered)
    numbers.count("revival", VIOLATIONS, storm.refused)
    assert 0 == storm.refused
    assert storm.answered > KILLS
    until(lambda: machine.cfp("status").json["running"], "not running")
    assert KILLS == machine.cfp("status").json["health"]["revivals"]
    all_gone(machine)


def _next(machine: Machine, dead: psutil.Process) -> psutil.Process | None:
    """The worker that has followed a dead one; None as long as there is none."""
    return next((one for one in machine.workers() if one != dead), None)


def test_a_revived_worker_is_the_same_one(machine: Machine) -> None:
    """Nonce and settings are those of the dead one; status and log say what happened, and a handover forgets it."""
    worker = installed(machine)
    before = health(machine)
    kill(worker)
    after = health(machine)
    assert before["pid"] != after["pid"]
    changing = {
        "pid",
        "started",
        "revivals",
        "self_contained",
        "requests_served",
        "service_tier_evidence",
        "model_evidence",
        "last_requests",
    }
    assert {name: value for name, value in before.items() if name not in changing} == {
        name: value for name, value in after.items() if name not in changing
    }
    status = machine.cfp("status").json
    assert (True, 1, "enabled") == (status["healthy"], status["health"]["revivals"], status["state"])
    guarded(machine)
    lines = (machine.state / "state" / "fast_proxy.stderr.log").read_text().splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    assert [1] == [line["revivals"] for line in logged if line["event"] == "revived"]
    save(machine, "preserve")
    assert "restarted" == machine.cfp("start").json["status"]
    machine.wait_for_one_worker()
    assert 0 == health(machine)["revivals"]
    kill(guarded(machine))
    assert 1 == health(machine)["revivals"]
    all_gone(machine)


def test_a_worker_that_dies_at_once_stays_down(machine: Machine) -> None:
    """Three revived workers that die at once are enough; the log says it, and `start` works as ever."""
    worker = installed(machine)
    keeper = sentinel(worker)
    for _ in count():
        kill(worker)
        until(lambda dead=worker: _next(machine, dead) or not keeper.is_running(), "neither worker nor end")
        following = _next(machine, worker)
        if following is None:
            break
        worker = following
    assert [] == machine.processes()
    (*_, last) = (machine.state / "state" / "fast_proxy.stderr.log").read_text().splitlines()
    assert "not_revived" == json.loads(last)["event"]
    assert "started" == machine.cfp("start").json["status"]
    all_gone(machine)


def test_a_killed_sentinel_is_replaced(machine: Machine) -> None:
    """Before the first death of the worker and after it, when it is the worker's parent; the worker serves on."""
    worker = installed(machine)
    for _ in range(2):
        keeper = sentinel(worker)
        keeper.kill()
        until(lambda one=worker, dead=keeper: set(sentinels_of(one)) - {dead}, "no other sentinel")
        assert worker.pid == health(machine)["pid"]
        kill(worker)
        assert worker.pid != health(machine)["pid"]
        worker = guarded(machine)
    all_gone(machine)


@pytest.mark.parametrize("order", ["sentinel first", "worker first"])
def test_both_are_killed(machine: Machine, order: str) -> None:
    """One right worker is left or none, `start` mends all, and no process outlives `uninstall`."""
    worker = installed(machine)
    pair = [sentinel(worker), worker]
    for process in pair if order == "sentinel first" else reversed(pair):
        process.kill()
    psutil.wait_procs([worker], timeout=PATIENCE_S)
    assert 0 == machine.cfp("recover").code
    status = machine.cfp("status").json
    assert [one.pid for one in machine.workers()] == ([status["pid"]] if status["running"] else [])
    assert order == "worker first" or not status["running"]
    assert 0 == machine.cfp("start").code
    assert 200 == ask_once(machine.port)
    all_gone(machine)


def test_a_worker_that_drains_is_not_revived(machine: Machine) -> None:
    """Killed in the middle of its last stream, it is gone: another worker serves, and has the only sentinel."""
    old = installed(machine)
    with endless(machine):
        save(machine, "preserve")
        assert "restarted" == machine.cfp("start").json["status"]
        (new,) = {one for one in machine.workers() if one != old}
        until(lambda: sentinels_of(new), "no sentinel")
        assert [] == sentinels_of(old)
        kill(old)
    assert [new] == machine.workers()
    assert new.pid == health(machine)["pid"]
    all_gone(machine)


@pytest.mark.parametrize("stops", ["worker", "both"] if PROFILE == "deep" else ["both"])
def test_what_hangs_is_ended_for_good(machine: Machine, stops: str) -> None:
    """A worker that stands still, and a sentinel too, are killed by `uninstall`; neither brings the other back."""
    worker = installed(machine)
    if stops == "both":
        sentinel(worker).suspend()
    worker.suspend()
    all_gone(machine)


@pytest.mark.parametrize("delay", [0, 0.02, 0.05, 0.1, 0.3] if PROFILE == "deep" else [0.05])
def test_a_worker_that_is_killed_while_it_is_stopped(machine: Machine, delay: float) -> None:
    """It was asked to end, and died before it could tell its sentinel: the revived one is ended by the same stop."""
    worker = installed(machine)
    worker.suspend()
    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(machine.cfp, "stop", "--force")
        until(lambda: _is_asked(worker), "no signal")
        time.sleep(delay)
        worker.kill()
        ran = stopping.result()
    assert (0, "stopped") == (ran.code, ran.json["status"]), ran.transcript
    assert [] == machine.processes()
    all_gone(machine)


def _is_asked(worker: psutil.Process) -> bool:
    """Whether SIGTERM waits for a process that stands still."""
    lines = Path(f"/proc/{worker.pid}/status").read_text().splitlines()
    pending = next(int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd:"))
    return bool(pending & 1 << signal.SIGTERM - 1)


def test_nobody_is_revived_for_a_home_that_is_gone(machine: Machine) -> None:
    """The state was deleted by hand: the sentinel ends with the worker that it starts."""
    worker = installed(machine)
    (machine.state / "state" / "fast_proxy.lock").unlink()
    worker.kill()
    until(lambda: machine.processes() == [], "something runs on")


def test_a_signal_ends_both(machine: Machine) -> None:
    """SIGTERM to the worker alone, or to both as a logout sends it, leaves nothing."""
    for victims in (1, 2):
        worker = installed(machine) if victims == 1 else guarded(machine)
        for process in [worker, sentinel(worker)][:victims]:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        until(lambda: machine.processes() == [], "something runs on")
        assert 0 == machine.cfp("start").code
    kill_for_good(machine.workers())
    assert [] == machine.processes()
