"""A command that a signal ends prints a result like any other, and leaves nothing half done."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from cfp.demo.scripted_turns import Stall
from tests.end_to_end.harness import Machine, api_key_login

pytestmark = pytest.mark.posix("signals end a process in order")


def started(machine: Machine, *arguments: str) -> subprocess.Popen[str]:
    return machine._start(
        [sys.executable, "-P", "-m", "codex_fast_proxy", *arguments], machine.environment(), subprocess.DEVNULL
    )


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_signal_is_answered(machine: Machine, name: str, code: int) -> None:
    """While the provider is tried, before anything is written: one JSON object, the home as it was."""
    machine.relay()
    machine.write("auth.json", api_key_login())
    machine.upstream.script(Stall())
    before = machine.files()
    process = started(machine, "install", "--start", "--port", str(machine.port))
    machine.upstream.wait_for_turns(1, 20)
    process.send_signal(getattr(signal, name))
    ran = machine.finish(process)
    result = ran.json
    assert (code, "error", "interrupted_by_user", False) == (
        ran.code,
        result["status"],
        result["code"],
        result["changed"],
    )
    assert (before, []) == (machine.files(), machine.workers())


def test_nohup_is_respected(machine: Machine) -> None:
    """A hang-up that is ignored already stays ignored: the command goes on to its end."""
    machine.relay()
    machine.upstream.script(Stall())
    words = ("verify-upstream", "--verify-timeout", "2")
    program = f"trap '' HUP; exec {sys.executable} -P -m codex_fast_proxy {' '.join(words)}"
    process = machine._start(["/bin/sh", "-c", program], machine.environment(), subprocess.DEVNULL)
    machine.upstream.wait_for_turns(1, 20)
    process.send_signal(signal.SIGHUP)
    assert "upstream_stalled" == machine.finish(process).json["code"]


def test_help_ends_with_its_reader(machine: Machine) -> None:
    """`--help | head -1` prints no complaint."""
    for words in ("--help", "install --help", "help status"):
        line = f"{sys.executable} -P -m codex_fast_proxy {words} | head -n 1"
        ran = machine.run(["/bin/sh", "-c", line], timeout=30)
        assert (0, "") == (ran.code, ran.stderr)
        assert ran.stdout.startswith(("codex-fast-proxy", "usage:"))


def test_text_for_people(machine: Machine) -> None:
    """`--format text` works before and after parsing went wrong, and without it nothing changes."""
    machine.relay()
    status = machine.cfp("status", "--format", "text")
    wrong = machine.cfp("status", "--format=text", "--nope")
    assert (0, True) == (status.code, status.stdout.startswith("! The proxy is not enabled."))
    assert (2, True) == (wrong.code, wrong.stdout.startswith("✗ The command line is wrong"))
    assert "stopped" == json.loads(machine.cfp("status").stdout)["status"]
