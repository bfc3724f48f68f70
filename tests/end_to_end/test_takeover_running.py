"""A home of codex-fast-proxy 0.1.0 whose proxy runs: it is seen, never cut unasked, replaced, and killed beside."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cfp.layout import Layout
from tests.end_to_end import old_worker
from tests.end_to_end.harness import Machine, system
from tests.end_to_end.test_crashes import Street, chosen
from tests.homes.acts import Acts, killed
from tests.numbers import VIOLATIONS, Numbers
from tests.ports import free_port
from tests.predecessor import BEFORE, lay_out
from tests.scenes import ENVIRON
from tests.staged import Stage, in_a_child

of_the_port = pytest.mark.beyond_wine("the user behind a listener")


@contextmanager
def old_proxy(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Its process, listening, with its pid file in the home."""
    words = [sys.executable, old_worker.__file__, "-m", "codex_fast_proxy", "serve", "--host", "127.0.0.1"]
    process = subprocess.Popen([*words, "--port", str(port)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"listening"
        Layout(home).pid_file.write_text(str(process.pid))
        yield process
    finally:
        process.kill()
        process.communicate()


@of_the_port
def test_it_is_seen_kept_and_replaced_when_asked(machine: Machine) -> None:
    """A session's hook and `stop` leave it alone; `status` warns that `start` cuts it; `start` does it."""
    lay_out(machine.home, machine.port)
    with old_proxy(machine.home, machine.port) as old:
        status = machine.cfp("status").json
        assert ("running", old.pid, "runtime_stale", True) == (
            status["status"],
            status["pid"],
            status["diagnosis"]["code"],
            status["needs_restart"],
        )
        assert "cuts off running turns" in status["next_user_action"]
        assert "already_running" == machine.cfp("autostart").json["status"]
        assert "config_points_to_proxy" == machine.cfp("stop").json["code"]
        assert old.poll() is None
        started = machine.cfp("start")
        assert ("restarted", old.pid) == (started.json["status"], started.json["old_pid"]), started.transcript
        assert system.KILLED == old.wait(10)
    assert ("enabled", False) == ((now := machine.cfp("status").json)["state"], now["needs_restart"])
    assert "restored" == machine.cfp("uninstall").json["config_restore"]
    assert BEFORE == machine.config.read_bytes()


@of_the_port
def test_its_session_may_end_before_it_does(machine: Machine) -> None:
    """--defer-stop leaves it running, the second uninstall ends it."""
    lay_out(machine.home, machine.port)
    with old_proxy(machine.home, machine.port) as old:
        assert "restored" == machine.cfp("uninstall", "--defer-stop").json["config_restore"]
        assert (BEFORE, None) == (machine.config.read_bytes(), old.poll())
        assert "stopped" == machine.cfp("uninstall").json["stop_result"]["status"]
        assert system.KILLED == old.wait(10)


@of_the_port
def test_it_outlives_no_uninstall_where_its_settings_are_lost(machine: Machine) -> None:
    """Nothing but its own command line tells its port then."""
    layout = lay_out(machine.home, machine.port)
    layout.settings.unlink()
    layout.manifest.unlink()
    with old_proxy(machine.home, machine.port) as old:
        status = machine.cfp("status").json
        assert (old.pid, "unrecorded") == (status["pid"], status["diagnosis"]["code"])
        assert "config_points_to_proxy" == machine.cfp("stop").json["code"]
        assert "repaired" == machine.cfp("recover").json["status"]
        assert old.poll() is None
        assert "stopped" == machine.cfp("uninstall").json["stop_result"]["status"]
        assert system.KILLED == old.wait(10)


@pytest.mark.posix("the command runs in a forked process")
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_killed_while_it_is_replaced(tmp_path: Path, numbers: Numbers) -> None:
    """At each stage: `status` names it, `recover` settles it, an uninstall leaves the user's bytes, no process."""
    stage = Stage(root=tmp_path / "stage", environ=ENVIRON)
    stage.home.parent.mkdir(parents=True)
    street = Street(stage=stage, port=free_port(), others=[])
    words = ("install", "--start", "--no-verify")
    acts = Acts()
    complaints = []
    try:
        with _laid(street):
            assert 0 == street.run(*words, acts=acts).code
            street.well("uninstall")
        points = chosen(acts.names)
        for at in points:
            with _laid(street) as old:
                code = in_a_child(lambda: street.run(*words, acts=Acts(at, killed)).code)  # noqa: B023 - runs at once
                assert -signal.SIGKILL == code
                complaints += [f"{at} {acts.names[at - 1]}: {wrong}" for wrong in _wrong(street, old)]
    finally:
        street.close()
    numbers.count("real workers", "SIGKILLs beside 0.1.0's", len(points))
    numbers.count("real workers", VIOLATIONS, len(complaints))
    assert [] == complaints


@contextmanager
def _laid(street: Street) -> Iterator[subprocess.Popen[bytes]]:
    home = street.stage.home
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    lay_out(home, street.port)
    with old_proxy(home, street.port) as old:
        yield old


def _wrong(street: Street, old: subprocess.Popen[bytes]) -> list[str]:
    complaints = []
    status = street.well("status").json
    if status["interrupted"] and ["codex-fast-proxy recover"] != status["next_commands"]:
        complaints.append(f"status does not name recover: {status['next_commands']}")
    street.well("recover", "--dry-run")
    state = street.well("recover").json["state"]
    lives = old.poll() is None
    expected = {"enabled": 1, "enabled_pending": 1, "enabled_down": 0}.get(state, -1) - lives
    if expected != (serves := street.settled(max(0, expected))):
        complaints.append(
            f"{serves} new proxies, the old one {'lives' if lives else 'is gone'}, and that is called {state}"
        )
    gone = street.run("uninstall")
    if gone.code or street.settled(0) or old.poll() is None:
        complaints.append(f"a proxy outlives uninstall: {gone.out}")
    if BEFORE != (street.stage.home / "config.toml").read_bytes():
        complaints.append("uninstall did not give the config back")
    return complaints
