"""Sessions that would reach another program than this home's proxy: the real Codex sends them nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cfp.host.home import Host
from cfp.host.worker.probe import port_free
from tests.end_to_end.app import opened
from tests.end_to_end.harness import KEY, KEY_ENV, STATE, Machine, api_key_login, printing, relay_config
from tests.end_to_end.listeners import Listener
from tests.forger import forger
from tests.sentinels import kill_for_good
from tests.systems import as_root

OTHER_KEY, OTHER_ENV = "sk-of-the-other-home", "OTHER_KEY"


def kill_workers(machine: Machine) -> None:
    """End them as a reboot does."""
    kill_for_good(machine.workers())
    patience = time.monotonic() + 10
    while not port_free("127.0.0.1", machine.port) and time.monotonic() < patience:
        time.sleep(0.05)  # Wine says that a process has ended before its sockets are closed


def enabled_and_down(machine: Machine) -> Machine:
    machine.relay()
    machine.write("auth.json", api_key_login())
    machine.install()
    kill_workers(machine)
    return machine


def is_stopped(machine: Machine) -> bool:
    """Run a turn; whether Codex stopped it, with nothing sent."""
    before = len(machine.upstream.turns)
    ran = machine.codex_exec()
    stopped = "hook: SessionStart Stopped" in ran.stderr
    assert stopped == (len(machine.upstream.turns) == before), ran.transcript
    assert (0, "") == (ran.code, ran.stdout.strip()) or not stopped, ran.transcript
    return stopped


def last_reason(machine: Machine) -> str:
    """The reason in the hook's log, which says it where `codex exec` does not."""
    lines = (machine.state / "state" / "fast_proxy.autostart.jsonl").read_text().splitlines()
    return str(json.loads(lines[-1])["stop_reason"])


@contextmanager
def named_home(machine: Machine, home: Path) -> Iterator[None]:
    """Commands and sessions of this block are those of another home."""
    machine.environ["CODEX_HOME"] = str(home)
    try:
        yield
    finally:
        del machine.environ["CODEX_HOME"]


def test_two_homes_never_meet(codex: Machine) -> None:
    """They share a port, as 0.2.0 let them: no provider gets the other's key, and one install parts them."""
    enabled_and_down(codex)
    other = codex.root / "other home"
    other.mkdir(parents=True)
    with Listener(key=OTHER_KEY) as upstream:
        codex.environ[OTHER_ENV] = OTHER_KEY
        config = relay_config(upstream.base_url).replace(KEY_ENV, OTHER_ENV)
        (other / "config.toml").write_text(config)
        with named_home(codex, other):
            codex.install()
        assert is_stopped(codex)
        assert "other home" in last_reason(codex)
        status = codex.cfp("status").json
        assert "port_shared" == status["diagnosis"]["code"]
        assert str(other) in status["diagnosis"]["message"]
        with named_home(codex, other):
            moved = codex.cfp("install", "--start")
            assert (0, "installed") == (moved.code, moved.json["status"]), moved.transcript
            assert f":{codex.port}/" not in (other / "config.toml").read_text()
        assert "priority" == codex.turn().json()["service_tier"]
        with named_home(codex, other):
            assert 0 == codex.codex_exec().code
            assert "enabled" == codex.cfp("status").json["state"]
        keys = [{turn.header("authorization") for turn in provider.turns} for provider in (codex.upstream, upstream)]
        assert [{f"Bearer {codex.environment()[KEY_ENV]}"}, {f"Bearer {OTHER_KEY}"}] == keys
        with named_home(codex, other):
            assert 0 == codex.cfp("uninstall").code
            assert config == (other / "config.toml").read_text()


@as_root
def test_another_user_at_the_port_gets_nothing(codex: Machine) -> None:
    """They copy the health answer to the byte: status and doctor name them, and the session is stopped."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    codex.install()
    health = codex.cfp("status").json["health"]
    kill_workers(codex)
    with forger(health, port=codex.port) as stranger:
        assert is_stopped(codex)
        assert "another user of this machine (uid 12345)" in last_reason(codex)
        assert "port_of_another_user" == codex.cfp("status").json["diagnosis"]["code"]
        checks = codex.cfp("doctor").json["checks"]
        failed = {check["name"] for check in checks if not check["ok"]}
        assert {"proxy_port", "proxy_health"} <= failed
        assert "not_running" == codex.cfp("stop", "--force").json["status"]
        assert 0 == codex.cfp("uninstall").code
        assert stranger.process.poll() is None
    assert {"GET /__codex_fast_proxy/health"} == set(stranger.requests)


def test_a_stranger_gets_no_message(codex: Machine) -> None:
    """Another program of our own user counts as one; the next session, once it has gone, is served."""
    enabled_and_down(codex)
    with Listener(port=codex.port) as stranger:
        assert is_stopped(codex)
        assert () == stranger.turns
    assert not is_stopped(codex)


def test_a_further_message_is_not_checked(codex: Machine) -> None:
    """Codex runs the hook for the first message of a session only, also where it was stopped: the reason says so."""
    enabled_and_down(codex)
    with Listener(port=codex.port, keys={KEY}) as stranger, opened(codex) as app:
        thread = app.thread()
        assert ("", ()) == (app.turn(thread), stranger.turns)
        assert (True, 1) == (app.turn(thread) != "", len(stranger.turns))


def test_a_fetched_key_goes_out_before_the_hook(codex: Machine) -> None:
    """Codex fetches the model list first, with the key of auth.command: no hook can hold that back."""
    config = relay_config(codex.upstream.base_url)
    fetched = config.replace(f'env_key = "{KEY_ENV}"', f"auth = {{ {', '.join(printing('sk-fetched'))} }}")
    codex.upstream.key = "sk-fetched"
    codex.write("config.toml", fetched)
    codex.install("--no-verify")
    kill_workers(codex)
    codex.upstream.keys.add("sk-fetched")
    with Listener(port=codex.port, keys={"sk-fetched"}) as stranger:
        assert is_stopped(codex)
        assert () == stranger.turns
        keys = {request.header("authorization") for request in stranger.received if "models" in request.path}
    assert {"Bearer sk-fetched"} == keys


def test_a_lock_that_another_command_holds_stops_the_session(codex: Machine) -> None:
    """Nobody can start the proxy meanwhile, and whoever takes the port would get the message."""
    enabled_and_down(codex)
    journal = Host.find(str(codex.home), codex.environment(), "").journal
    with journal.acquire(command="install", timeout=5):
        assert is_stopped(codex)
    assert "install" in last_reason(codex)
    assert not is_stopped(codex)


def test_a_worker_that_cannot_start_stops_the_session(codex: Machine) -> None:
    """Nobody listens, but somebody may in a moment; the log of the worker says why it did not start."""
    enabled_and_down(codex)
    settings = codex.home / STATE / "settings.json"
    before = settings.read_text()
    saved = {**json.loads(before), "upstream_api_key_env": "A_NAME_THAT_IS_NOT_SET"}
    settings.write_text(json.dumps(saved))
    assert is_stopped(codex)
    assert "A_NAME_THAT_IS_NOT_SET" in last_reason(codex)
    settings.write_text(before)
    assert not is_stopped(codex)


@pytest.mark.parametrize("away", ["another URL", "another provider"])
def test_a_session_that_goes_elsewhere_goes_on(codex: Machine, away: str) -> None:
    """Whoever listens at the proxy's port: this session does not go there."""
    enabled_and_down(codex)
    here, text = f"http://127.0.0.1:{codex.port}/v1", codex.config.read_text()
    if away == "another URL":
        codex.write("config.toml", text.replace(here, codex.upstream.base_url))
    else:
        table = relay_config(codex.upstream.base_url).partition("[model_providers.relay]")[2]
        moved = text.replace('model_provider = "relay"', 'model_provider = "direct"')
        codex.write("config.toml", f"{moved}\n[model_providers.direct]{table}")
    with Listener(port=codex.port) as stranger:
        assert not is_stopped(codex)
        assert () == stranger.turns
