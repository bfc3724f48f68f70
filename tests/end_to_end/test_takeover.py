"""From codex-fast-proxy 0.1.0 to this program, in the home that it left."""

from __future__ import annotations

from pathlib import Path

from cfp.host.codex_cli import find_codex
from tests.end_to_end.harness import Machine, api_key_login
from tests.predecessor import BEFORE, lay_out


def test_its_home_is_taken_over_and_given_back(codex: Machine) -> None:
    """Install refreshes what it finds: one trusted hook, a proxy that serves; uninstall undoes both."""
    lay_out(codex.home, codex.port)
    codex.write("auth.json", api_key_login())
    codex.install("--no-verify")
    cli = find_codex(codex.environment(), codex.home, program=codex.codex)
    assert cli is not None
    (hook,) = cli.answers(codex.work).hooks
    assert ("trusted", True) == (hook.trust_status, " -I -m codex_fast_proxy autostart" in str(hook.command))

    moved = codex.cfp("set-upstream", "--upstream-base", codex.upstream.base_url, "--restart")
    assert moved.code == 0, moved.transcript
    assert "priority" == codex.turn().json()["service_tier"]

    gone = codex.cfp("uninstall")
    assert (0, "uninstalled") == (gone.code, gone.json["status"]), gone.transcript
    given_back = BEFORE.replace(b"https://relay.example/v1", codex.upstream.base_url.encode())
    assert given_back == codex.config.read_bytes()
    assert [] == [path.name for path in _ours(codex.home)]


def test_a_home_that_is_only_taken_off(machine: Machine) -> None:
    """Uninstall alone does it too, to the byte."""
    lay_out(machine.home, machine.port)
    gone = machine.cfp("uninstall")
    assert (0, "restored") == (gone.code, gone.json["config_restore"]), gone.transcript
    assert BEFORE == machine.config.read_bytes()
    assert [] == [path.name for path in _ours(machine.home)]


def test_a_home_that_is_sent_elsewhere_first(machine: Machine) -> None:
    """Uninstall restores the user's own bytes with the new URL, because the user has left the old provider."""
    lay_out(machine.home, machine.port)
    moved = machine.cfp("set-upstream", "--upstream-base", "https://new.example/v1", "--no-verify")
    assert moved.code == 0, moved.transcript
    gone = machine.cfp("uninstall")
    assert (0, "restored") == (gone.code, gone.json["config_restore"]), gone.transcript
    assert BEFORE.replace(b"https://relay.example/v1", b"https://new.example/v1") == machine.config.read_bytes()


def _ours(home: Path) -> list[Path]:
    return [*home.glob("codex-fast-proxy*"), *home.glob("hooks.json")]
