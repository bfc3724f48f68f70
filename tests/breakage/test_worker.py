"""Workers that die, hang or run at an unexpected place."""

from __future__ import annotations

import re
import shutil
import socket
import sys
from dataclasses import replace

import pytest

from cfp.core.facts import PortState
from cfp.core.health import parse_health
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.start import plan_autostart, plan_start
from cfp.core.plan.worker import WorkerAction
from cfp.errors import Refused
from cfp.host.home import Host
from tests.end_to_end.harness import JOURNAL, Machine
from tests.facts import facts, installed
from tests.ports import free_port
from tests.sentinels import kill_for_good
from tests.systems import WINDOWS


def _kill(machine: Machine) -> None:
    (worker,) = machine.workers()
    kill_for_good([worker])


def test_a_killed_worker_comes_back_by_start_and_by_the_hook(machine: Machine) -> None:
    """`start` and `autostart` start a missing worker: a transaction without any file."""
    machine.relay()
    machine.install()
    for verb in ("start", "autostart"):
        _kill(machine)
        ran = machine.cfp(verb)
        assert (0, "started") == (ran.code, ran.json["status"]), ran.transcript
        assert "enabled" == machine.cfp("status").json["state"]


def test_a_worker_that_hangs_is_named_and_ended(machine: Machine) -> None:
    """A stopped worker answers nothing; `doctor` and `uninstall` identify it by its command line."""
    machine.relay()
    before = machine.config.read_bytes()
    machine.install()
    (worker,) = machine.workers()
    worker.suspend()
    (health,) = [check for check in machine.cfp("doctor").json["checks"] if check["name"] == "proxy_health"]
    assert "worker_hangs" == health["code"]
    assert 0 == machine.cfp("uninstall").code
    assert [] == machine.workers()
    assert before == machine.config.read_bytes()


def test_start_replaces_a_worker_that_hangs() -> None:
    """`start` replaces a worker on the port that is proven ours; the hook, which has no time for that, does not."""
    plain = facts()
    home = installed(plain, plan_install(plain, RouteRequest()))
    assert home.worker is not None
    foreign = replace(home.worker, state=PortState.FOREIGN, health=None)
    silent = replace(home.worker, health=parse_health({"ok": False, "pid": 4711, "nonce": "ab"}))
    hung = replace(home, worker=foreign, candidate=foreign, worker_by_process=silent)
    plan = plan_start(hung)
    assert (WorkerAction.REPLACE, "hung") == (plan.worker, plan.reason)
    for decide, now in ((plan_start, replace(hung, worker_by_process=None)), (plan_autostart, hung)):
        with pytest.raises(Refused):
            decide(now)


def test_an_uninstall_ends_a_worker_at_an_unrecorded_port(machine: Machine) -> None:
    """Hand-edited settings do not hide the worker from the commands that end it."""
    machine.relay()
    machine.install()
    saved = machine.state / "settings.json"
    saved.write_text(saved.read_text().replace(str(machine.port), str(free_port())))
    assert 0 == machine.cfp("uninstall").code
    assert [] == machine.workers()


@pytest.mark.posix("a folder is removed although a process has its files open")
def test_stop_ends_a_worker_whose_home_is_gone(machine: Machine) -> None:
    """`rm -rf ~/.codex` leaves a process; `stop` finds it and makes no folder."""
    machine.relay()
    machine.install()
    shutil.rmtree(machine.home)
    ran = machine.cfp("stop")
    assert (0, "stopped") == (ran.code, ran.json["status"]), ran.transcript
    assert [] == machine.workers()
    assert not machine.home.exists()


def test_the_hook_reports_its_obstacle(machine: Machine) -> None:
    """Without --quiet its failure has the fields of every other one, and still exits 0."""
    machine.relay()
    machine.install()
    _kill(machine)
    with socket.socket() as other:
        if not WINDOWS:  # where it would share the port, and an ended worker's is free at once
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", machine.port))
        other.listen()
        ran = machine.cfp("autostart")
    answer = ran.json
    assert (0, "error", "port_in_use", False) == (ran.code, answer["status"], answer["code"], answer["changed"])
    assert str(machine.port) in answer["error"]
    free = re.search(r"--port (\d+)", answer["next_user_action"])
    assert free, ran.transcript
    ran = machine.cfp("install", "--start", "--port", free[1])
    assert (0, f"http://127.0.0.1:{free[1]}/v1") == (ran.code, ran.json["base_url"]), ran.transcript


def test_the_hook_starts_no_worker_beside_a_running_command(machine: Machine) -> None:
    """An open transaction under a held lock is not interrupted: its command may be starting a worker."""
    machine.relay()
    machine.install()
    _kill(machine)
    journal = Host.find(str(machine.home), machine.environment(), sys.executable).journal
    with journal.acquire(command="test", timeout=1):
        (machine.home / JOURNAL / "20260101T000000Z-00000000.open").touch()
        assert "busy" == machine.cfp("autostart").json["status"]
    assert [] == machine.workers()
