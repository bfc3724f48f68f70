"""A provider that was pointed elsewhere, and an older config.toml that names a former address of the proxy."""

from __future__ import annotations

import socket
import tomllib

import pytest

from cfp.demo.scripted_turns import ScriptedTurn
from tests.end_to_end.harness import Machine
from tests.end_to_end.listeners import Listener
from tests.ports import free_port

KEY_A, KEY_B = "sk-key-of-a-0000000000", "sk-key-of-b-0000000000"
SPELLINGS = ("http://localhost:{port}/v1", "http://127.0.0.1:{port}/v1/", "HTTP://[::1]:{port}/other")


def config(url: str, key: str) -> str:
    """A config.toml whose provider has its key in its table."""
    return (
        'model = "gpt-5.5"\nmodel_provider = "relay"\n\n[model_providers.relay]\nname = "relay"   # mine\n'
        f"base_url = '{url}'\nexperimental_bearer_token = \"{key}\"\n"
    )


def keys_at(provider: Listener) -> set[str | None]:
    return {request.header("authorization") for request in provider.received}


def url(machine: Machine) -> str:
    return str(tomllib.loads(machine.config.read_text())["model_providers"]["relay"]["base_url"])


def backups(machine: Machine) -> list[str]:
    return [path.read_text() for path in (machine.home / "backups" / "codex-fast-proxy").glob("*.bak")]


def with_an_older_config(machine: Machine, provider: Listener) -> int:
    """Enable the home at two ports, one after the other, and return the first, which config.toml names again."""
    machine.write("config.toml", config(provider.base_url, KEY_A))
    former = machine.port
    machine.install()
    older = machine.config.read_text()
    assert 0 == machine.cfp("uninstall").code
    machine.port = free_port()
    machine.install()
    machine.write("config.toml", older)
    return former


def test_the_key_of_a_repointed_provider_goes_to_it_alone(codex: Machine) -> None:
    """`install --start` tries the new URL with the new key, Codex's turn goes there, and uninstall gives it back."""
    with Listener(key=KEY_A) as former, Listener(key=KEY_B) as present:
        codex.write("config.toml", config(former.base_url, KEY_A))
        codex.install()
        codex.write("config.toml", config(present.base_url, KEY_B))
        assert "config_not_proxy" == codex.cfp("status").json["diagnosis"]["code"]
        ran = codex.cfp("install", "--start")
        assert (0, present.base_url) == (ran.code, ran.json["upstream_base"]), ran.transcript
        assert "verified" == ran.json["verification"]["status"]
        turn = codex.codex_exec()
        assert (0, ScriptedTurn().text) == (turn.code, turn.stdout.strip()), turn.transcript
        assert ({f"Bearer {KEY_A}"}, {f"Bearer {KEY_B}"}) == (keys_at(former), keys_at(present))
        assert 0 == codex.cfp("uninstall").code
        assert config(present.base_url, KEY_B) == codex.config.read_text()


def test_a_repointed_provider_that_does_not_answer_changes_nothing(machine: Machine) -> None:
    """It is tried before anything is switched."""
    with Listener(key=KEY_A) as former, Listener(key="sk-another-0000000000", keys=[KEY_B]) as present:
        machine.write("config.toml", config(former.base_url, KEY_A))
        machine.install()
        machine.write("config.toml", config(present.base_url, KEY_B))
        ran = machine.cfp("install", "--start")
        assert (2, False) == (ran.code, ran.json["changed"]), ran.transcript
        assert config(present.base_url, KEY_B) == machine.config.read_text()
        assert {f"Bearer {KEY_A}"} == keys_at(former)


def test_a_saved_key_is_not_sent_to_a_repointed_provider(machine: Machine) -> None:
    """The command is refused as drift until a flag says which key goes there."""
    with Listener(key=KEY_A) as former, Listener(keys=[KEY_B]) as present:
        machine.write("config.toml", config(former.base_url, KEY_A))
        machine.cfp("prepare-chatgpt-login", "--apply")
        machine.install("--use-provider-auth-file")
        machine.write("config.toml", config(present.base_url, KEY_B))
        before = machine.files()
        ran = machine.cfp("install", "--start")
        assert (3, "saved_key_for_other_url") == (ran.code, ran.json["code"]), ran.transcript
        assert (before, ()) == (machine.files(), present.received)
        ran = machine.cfp("install", "--start", "--clear-upstream-auth")
        assert 0 == ran.code, ran.transcript
        assert {f"Bearer {KEY_B}"} == keys_at(present)


@pytest.mark.parametrize("spelling", ["", *SPELLINGS])
@pytest.mark.parametrize("line", [("install", "--start"), ("uninstall",)])
def test_an_older_config_with_a_former_address(machine: Machine, spelling: str, line: tuple[str, ...]) -> None:
    """The provider's URL comes back, in the user's own bytes, and no backup has ever named ours."""
    with Listener(key=KEY_A) as provider:
        before = config(provider.base_url, KEY_A)
        machine.write("config.toml", before)
        former = machine.port
        machine.install()
        older = machine.config.read_text()
        assert 0 == machine.cfp("uninstall").code
        machine.port = free_port()
        machine.install()
        if spelling:
            older = older.replace(f"http://127.0.0.1:{former}/v1", spelling.format(port=former))
        machine.write("config.toml", older)
        ran = machine.cfp(*line)
        assert 0 == ran.code, ran.transcript
        if line[0] == "install":
            assert provider.base_url == ran.json["upstream_base"]
            assert 0 == machine.cfp("uninstall").code
        assert before == machine.config.read_text()
        assert [before] * len(backups(machine)) == backups(machine)


def test_a_home_that_0_2_0_left_behind(machine: Machine) -> None:
    """No state, a dead address of ours in config.toml and in the newest backup: found, named and mended."""
    with Listener(key=KEY_A) as provider:
        dead = f"http://127.0.0.1:{free_port()}/v1"
        machine.write("config.toml", config(dead, KEY_A))
        for day, base_url in ((1, provider.base_url), (2, provider.base_url), (3, dead)):
            name = f"backups/codex-fast-proxy/config.toml.2026010{day}T000000000000Z.bak"
            machine.write(name, config(base_url, KEY_A))
        assert "unrecorded" == machine.cfp("status").json["diagnosis"]["code"]
        assert "recover" in machine.cfp("doctor").json["next_user_action"]
        would = machine.cfp("recover", "--dry-run").json["repair"]
        assert (provider.base_url, True) == (would["base_url"], would["source"].endswith("T000000000000Z.bak"))
        ran = machine.cfp("recover")
        assert (0, "repaired") == (ran.code, ran.json["status"]), ran.transcript
        assert config(provider.base_url, KEY_A) == machine.config.read_text()
        assert "not_enabled" == machine.cfp("status").json["diagnosis"]["code"]


def test_a_provider_of_this_machine_that_has_ended(machine: Machine) -> None:
    """Its URL stays, although an earlier install had another one with the same key: that is nobody's to restore."""
    with Listener(key=KEY_A) as provider:
        machine.write("config.toml", config(provider.base_url, KEY_A))
        machine.install()
        assert 0 == machine.cfp("uninstall").code
        with Listener(key=KEY_A) as second:
            present = config(second.base_url, KEY_A)
            machine.write("config.toml", present)
            machine.install()
            assert 0 == machine.cfp("uninstall").code
        assert "not_enabled" == machine.cfp("status").json["diagnosis"]["code"]
        for line in (("recover",), ("uninstall",), ("uninstall", "--force")):
            assert 0 == machine.cfp(*line).code
            assert present == machine.config.read_text(), line


def test_a_program_at_a_former_address(machine: Machine) -> None:
    """It gets no byte of a key until --upstream-base names it."""
    with Listener(key=KEY_A) as provider:
        former = with_an_older_config(machine, provider)
        with Listener(keys=[KEY_A], port=former) as local:
            ran = machine.cfp("install", "--start")
            assert (3, "former_address_taken") == (ran.code, ran.json["code"]), ran.transcript
            assert {None} >= keys_at(local)
            ran = machine.cfp("install", "--start", "--upstream-base", f"http://127.0.0.1:{former}/v1")
            assert 0 == ran.code, ran.transcript
        with socket.socket() as probe:  # it has ended, and is the user's all the same
            assert probe.connect_ex(("127.0.0.1", former)) != 0
        assert 0 == machine.cfp("uninstall").code
        assert f"http://127.0.0.1:{former}/v1" == url(machine)


def test_a_session_at_a_former_address_is_stopped(codex: Machine) -> None:
    """The hook that the older config.toml trusts runs, and the program at the address that it names gets nothing."""
    with Listener(key=KEY_A) as provider:
        former = with_an_older_config(codex, provider)
        with Listener(keys=[KEY_A], port=former) as local:
            before = len(provider.received)
            turn = codex.codex_exec()
            assert ("", ()) == (turn.stdout.strip(), local.turns), turn.transcript
            assert {None} >= keys_at(local)
            assert before == len(provider.received)
        log = (codex.home / "codex-fast-proxy-state/state/fast_proxy.autostart.jsonl").read_text()
        assert f"http://127.0.0.1:{former}/v1" in log
        assert 0 == codex.cfp("install", "--start").code
        turn = codex.codex_exec()
        assert (0, ScriptedTurn().text) == (turn.code, turn.stdout.strip()), turn.transcript
