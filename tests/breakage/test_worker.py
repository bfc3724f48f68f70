"""Workers that die, hang or stand where nobody expects them."""

from __future__ import annotations

import psutil

from tests.end_to_end.harness import Machine


def _kill(machine: Machine) -> None:
    (worker,) = machine.workers()
    worker.kill()
    psutil.wait_procs([worker], timeout=5)


def test_a_killed_worker_comes_back_by_start_and_by_the_hook(machine: Machine) -> None:
    """`start` and `autostart` bring up a missing worker: a transaction without any file."""
    machine.relay()
    machine.install()
    for verb in ("start", "autostart"):
        _kill(machine)
        ran = machine.cfp(verb)
        assert (0, "started") == (ran.code, ran.json["status"]), ran.told
        assert "enabled" == machine.cfp("status").json["state"]
