"""kill -9 of the manager, the new worker, the old one or both, around each step of a handover."""

from __future__ import annotations

import json
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from cfp.core.settings import Policy
from tests.conftest import PROFILE
from tests.end_to_end.harness import Machine, Ran, system
from tests.end_to_end.test_handover import ask_once, endless, save
from tests.numbers import Numbers

REPOSITORY = Path(__file__).parents[2]
EVERYDAY = 5
DELAYS = (1, 40, 80, 120, 160, 240)  # ms: before, while and after the new worker takes over
VICTIMS = [f"{victim} {moment}" for victim in ("new", "old", "both") for moment in ("late", "up", "released")]


def _dying(machine: Machine, moment: str) -> Ran:
    """Run a `start` that has something to refresh, and that meets its fate."""
    saved = json.loads((machine.state / "settings.json").read_text())
    save(machine, next(policy for policy in Policy if policy != saved["service_tier_policy"]))
    machine.environ["PYTHONPATH"] = str(REPOSITORY)
    try:
        words = [sys.executable, "-m", "tests.end_to_end.dying", str(machine.home), *moment.split()]
        return machine.run(words, timeout=60)
    finally:
        del machine.environ["PYTHONPATH"]


def settled(machine: Machine, moment: str, *, may_be_down: bool = False) -> None:
    """After `recover` one right worker accepts, or none; others only finish what they have; `start` mends all."""
    recovered = machine.cfp("recover")
    assert 0 == recovered.code, (moment, recovered.transcript)
    status = machine.cfp("status").json
    assert [] == status["interrupted"], moment
    draining = {worker["pid"] for worker in status["draining"]}
    accepting = {worker.pid for worker in machine.workers()} - draining
    assert accepting == ({status["pid"]} if status["running"] else set()), (moment, recovered.transcript)
    assert status["running"] or may_be_down, (moment, recovered.transcript)
    if status["running"]:
        assert 200 == ask_once(machine.port), moment
    started = machine.cfp("start")
    assert 0 == started.code, (moment, started.transcript)
    now = machine.cfp("status").json
    assert (True, False, "enabled") == (now["healthy"], now["needs_restart"], now["state"]), moment


def test_a_killed_manager(machine: Machine, numbers: Numbers) -> None:
    """Whenever it dies the port is served, no stream is cut, and one `recover` leaves one right worker."""
    machine.relay()
    machine.install()
    counted = _dying(machine, "count")
    changes = int(counted.stdout)
    moments = [*(f"fs {at}" for at in range(1, changes + 1)), "early", "late", "up", "released"]
    moments += [f"soon {delay}" for delay in DELAYS if sys.platform != "win32"]  # by SIGALRM
    if PROFILE != "deep":
        moments = moments[:: -(-len(moments) // EVERYDAY)]
    for number, moment in enumerate(moments):
        with ExitStack() as stack:
            stream = stack.enter_context(endless(machine)) if number % 2 else None
            died = _dying(machine, moment)
            assert died.code in {system.KILLED, -14, 0}, (moment, died.transcript)
            assert 200 == ask_once(machine.port), moment
            settled(machine, moment)
            assert stream is None or still_open(stream), moment
            numbers.count("handover", "managers killed")


def still_open(stream: socket.socket) -> bool:
    stream.setblocking(False)
    try:
        return stream.recv(1) != b""
    except BlockingIOError:
        return True


@pytest.mark.parametrize("moment", VICTIMS if PROFILE == "deep" else VICTIMS[1::3])
def test_killed_workers(machine: Machine, numbers: Numbers, moment: str) -> None:
    """If a worker dies midway, the command succeeds or reports it; one correct worker is left, or none."""
    machine.relay()
    machine.install()
    ran = _dying(machine, moment)
    assert ran.code in {0, 2}, ran.transcript
    settled(machine, moment, may_be_down=True)
    numbers.count("handover", "workers killed")
