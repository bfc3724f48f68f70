"""The everyday verbs on an installed home, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys

import psutil
import pytest

from tests.end_to_end.harness import KEY, Machine, api_key_login

VERBS = ("doctor", "install", "start", "stop", "status", "autostart", "uninstall", "recover", "journal", "demo")


@pytest.fixture
def installed(machine: Machine) -> Machine:
    machine.relay()
    machine.write("auth.json", api_key_login())
    machine.install()
    return machine


def test_what_install_reports(machine: Machine) -> None:
    """One JSON object: where requests go now, what was verified, and what the user does next."""
    machine.relay()
    machine.write("auth.json", api_key_login())
    result = machine.install().json
    assert {
        "command": "install",
        "status": "installed",
        "schema_version": 1,
        "provider": "relay",
        "upstream_base": machine.upstream.base_url,
        "base_url": f"http://127.0.0.1:{machine.port}/v1",
        "service_tier_policy": "auto",
        "service_tier_effective_policy": "inject_missing",
        "login_mode": "api_key",
        "started": True,
        "config_switched": True,
        "switch_order": "proxy_started_before_config_switch",
    }.items() <= result.items()
    assert ("verified", 200) == (result["verification"]["status"], result["verification"]["response_status"])
    assert result["next_user_action"]


def test_status_and_doctor_agree(installed: Machine) -> None:
    """A fresh installation is running, healthy and ready, by both commands."""
    status, doctor = installed.cfp("status").json, installed.cfp("doctor")
    (worker,) = installed.workers()
    assert ("running", worker.pid, True, "ready") == (
        status["status"],
        status["pid"],
        status["healthy"],
        status["diagnosis"]["code"],
    )
    assert (0, True) == (doctor.code, doctor.json["ok"]), doctor.transcript


def test_status_of_another_provider(installed: Machine) -> None:
    """Its own URL, and nothing of the route of the one that is switched."""
    result = installed.cfp("status", "--provider", "other").json
    assert ("other", None, True) == (result["provider"], result["config_base_url"], result["running"])
    assert "upstream_base" not in result


def test_stop_refuses_while_codex_needs_it(installed: Machine) -> None:
    """The config still points at the proxy: stop says so; --force is the user's word, and start brings it back."""
    refused = installed.cfp("stop")
    assert (2, False, 1) == (refused.code, refused.json["changed"], len(installed.workers())), refused.transcript
    stopped = installed.cfp("stop", "--force")
    assert (0, "stopped", 0) == (stopped.code, stopped.json["status"], len(installed.workers())), stopped.transcript
    assert "proxy_stopped" == installed.cfp("status").json["diagnosis"]["code"]
    started = installed.cfp("start")
    assert (0, "started", 1) == (started.code, started.json["status"], len(installed.workers())), started.transcript
    assert "already_running" == installed.cfp("start").json["status"]


def test_a_stranger_on_the_port_stays(machine: Machine) -> None:
    """A port that somebody else listens on is refused, and the stranger is not touched."""
    machine.relay()
    listening = f"import socket, time; s = socket.create_server(('127.0.0.1', {machine.port}))"
    program = f"{listening}; print('here', flush=True); time.sleep(60)"
    stranger = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    with stranger:
        assert stranger.stdout is not None
        stranger.stdout.readline()
        before = machine.files()
        ran = machine.cfp("install", "--start", "--port", str(machine.port))
        assert (2, "port_in_use") == (ran.code, ran.json["code"]), ran.transcript
        assert before == machine.files()
        assert psutil.Process(stranger.pid).is_running()
        stranger.kill()


def test_a_dry_run_changes_nothing(machine: Machine) -> None:
    """The plan is printed; the home is as it was."""
    machine.relay()
    before = machine.files()
    ran = machine.cfp("install", "--start", "--dry-run", "--port", str(machine.port))
    assert 0 == ran.code, ran.transcript
    assert (before, []) == (machine.files(), machine.workers())


@pytest.mark.parametrize("verb", [*VERBS, "no-such-verb"])
def test_stdout_is_one_json_object(machine: Machine, verb: str) -> None:
    """Even for flags that nobody knows: one object, with a code and a way on."""
    ran = machine.cfp(verb, "--no-such-flag")
    assert (0 if verb == "autostart" else 2) == ran.code  # a hook never fails its session
    assert {"command", "status", "schema_version", "error", "code", "next_user_action", "changed"} <= ran.json.keys()


def test_no_secret_is_printed(installed: Machine) -> None:
    """The provider's key is in no output and in no file that we write, the config's own backup aside."""
    output = "".join(
        installed.cfp(*words).transcript
        for words in (("status",), ("doctor",), ("journal", "list"), ("recover", "--dry-run"), ("install", "--start"))
    )
    assert KEY not in output
    secrets = [name for name, (_, data) in installed.files().items() if KEY.encode() in data]
    assert ["auth.json"] == secrets
    (worker,) = installed.workers()
    assert KEY not in " ".join(worker.cmdline())


def test_the_demo(machine: Machine) -> None:
    """The whole story holds, without the real Codex."""
    ran = machine.cfp("demo", timeout=120)
    assert (0, "passed") == (ran.code, ran.json["status"]), ran.transcript
    assert [] == machine.processes()


def test_the_demo_with_the_real_codex(codex: Machine) -> None:
    """The whole story holds with the real Codex."""
    ran = codex.cfp("demo", timeout=120)
    assert (0, "passed", True) == (ran.code, ran.json["status"], ran.json["real_codex"]), ran.transcript


@pytest.mark.posix("modes 0600 and 0700")
def test_the_manifest_is_readable_by_nobody_else(installed: Machine) -> None:
    """All files of ours are 0600, all folders 0700."""
    modes = {
        name: oct(mode) for name, (mode, _) in installed.files().items() if name.startswith(("codex-fast", "backups"))
    }
    assert {"0o600", "0o700"} == set(modes.values()), json.dumps(modes, indent=1)
