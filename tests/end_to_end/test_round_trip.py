"""Switched on and off again: what the user had is what the user has."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cfp.demo.scripted_turns import ScriptedTurn
from tests.end_to_end.harness import (
    BACKUPS,
    Machine,
    api_key_login,
    built_in_config,
    chatgpt_login,
    login_config,
    relay_config,
)
from tests.real_codex import Version

OTHERS = {"hooks": {"SessionStart": [{"matcher": "startup", "hooks": [{"type": "command", "command": "true"}]}]}}
NOTIFY = '{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"true"}]}]}}'


def _relay(machine: Machine) -> None:
    machine.relay()


def _with_hooks(machine: Machine) -> None:
    machine.relay(top="[features]\nhooks = true\n\n")
    machine.write("hooks.json", json.dumps(OTHERS, indent=4) + "\n", mode=0o644)


def _with_other_events(machine: Machine) -> None:
    machine.relay()
    machine.write("hooks.json", NOTIFY)


def _opted_out(machine: Machine) -> None:
    machine.relay(top="features.hooks = false # no hooks, thanks\n")


def _windows_text(machine: Machine) -> None:
    text = relay_config(machine.upstream.base_url).replace("\n", "\r\n")
    machine.config.write_bytes(b"\xef\xbb\xbf" + text.encode())


def _readable_by_all(machine: Machine) -> None:
    machine.relay()
    machine.config.chmod(0o644)


def _symlinked(machine: Machine) -> None:
    dotfiles = machine.root / "dotfiles"
    dotfiles.mkdir()
    machine.relay()
    machine.config.rename(dotfiles / "config.toml")
    machine.config.symlink_to(dotfiles / "config.toml")


def _built_in(machine: Machine) -> None:
    machine.write("config.toml", built_in_config(machine.upstream.base_url))


def _many_tables(machine: Machine) -> None:
    more = '\n[projects."/p"]\ntrust_level = "trusted"\n\n[tui]\nnotifications = true # yes\n\n\n'
    machine.relay(table=more)


HOMES = [_relay, _with_hooks, _with_other_events, _opted_out, _windows_text, _built_in, _many_tables]
HOMES += [
    pytest.param(_readable_by_all, marks=pytest.mark.posix("mode 0644")),
    pytest.param(_symlinked, marks=pytest.mark.posix("a symbolic link, for which a user of Windows has no right")),
]


def _precious(machine: Machine) -> dict[str, tuple[int, bytes]]:
    """All but the backups, which stay on purpose."""
    return {name: entry for name, entry in machine.files().items() if not name.startswith(BACKUPS)}


def _assert_gone(machine: Machine) -> None:
    assert [] == machine.workers()
    left = [path.name for path in machine.home.iterdir() if path.name.startswith("codex-fast-proxy")]
    assert [] == left


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.__name__.strip("_"))
def test_every_byte_comes_back(codex: Machine, home: Callable[[Machine], None]) -> None:
    """Codex has used the home, the proxy is on for a turn and off again: contents, modes and links are the same."""
    home(codex)
    codex.write("auth.json", api_key_login())
    codex.turn()
    codex.settle()
    before, link = _precious(codex), codex.config.is_symlink()
    codex.install()
    assert "priority" == codex.turn().json()["service_tier"]
    gone = codex.cfp("uninstall")
    assert (0, "uninstalled", "restored") == (gone.code, gone.json["status"], gone.json["config_restore"]), (
        gone.transcript
    )
    assert (before, link) == (_precious(codex), codex.config.is_symlink())
    _assert_gone(codex)
    assert "service_tier" not in codex.turn().json()


def test_what_codex_wrote_meanwhile_stays(codex: Machine) -> None:
    """Codex edits config.toml while the proxy is on: its edit stays, and our keys go back."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    codex.turn()
    codex.settle()
    before = codex.config.read_text()
    codex.install()
    assert codex.codex is not None
    assert codex.run([str(codex.codex), "features", "enable", "goals"], timeout=30).code == 0
    assert codex.cfp("uninstall").code == 0
    after = codex.config.read_text()
    assert set(before.splitlines()) <= set(after.splitlines())
    assert "goals = true" in after
    assert "codex_fast_proxy" not in after
    assert str(codex.port) not in after
    _assert_gone(codex)


def test_the_built_in_provider_without_a_url(machine: Machine) -> None:
    """`openai_base_url` is added where there was none, and taken away again."""
    machine.write("config.toml", 'model = "gpt-5.5"\n')
    machine.write("auth.json", api_key_login())
    before = _precious(machine)
    machine.install("--upstream-base", machine.upstream.base_url)
    assert f"http://127.0.0.1:{machine.port}/v1" in machine.config.read_text()
    assert machine.cfp("uninstall").code == 0
    assert before == _precious(machine)
    _assert_gone(machine)


def test_uninstalling_in_two_steps(codex: Machine) -> None:
    """--defer-stop gives the files back and lets the worker serve who still has its address; the second ends it."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    codex.turn()
    codex.settle()
    before = _precious(codex)
    codex.install()
    (worker,) = codex.workers()

    first = codex.cfp("uninstall", "--defer-stop")
    assert (0, "uninstalled", "deferred") == (first.code, first.json["status"], first.json["stop_result"]["status"])
    now = _precious(codex)
    assert before == {name: now[name] for name in before}
    assert [worker.pid] == [process.pid for process in codex.workers()]
    assert "service_tier" not in codex.turn().json()

    second = codex.cfp("uninstall")
    assert (0, "uninstalled", "stopped") == (second.code, second.json["status"], second.json["stop_result"]["status"])
    assert before == _precious(codex)
    _assert_gone(codex)


def test_uninstalling_under_a_turn(codex: Machine) -> None:
    """An immediate uninstall gives a turn that is under way its time to end."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    codex.install()
    codex.upstream.script(ScriptedTurn(text="slow", first_after=4))
    with ThreadPoolExecutor() as pool:
        turn_count = len(codex.upstream.turns)
        slow = pool.submit(codex.codex_exec)
        codex.upstream.wait_for_turns(turn_count + 1, timeout=30)
        ran = codex.cfp("uninstall")
        assert (0, "slow") == (slow.result().code, slow.result().stdout.strip()), slow.result().transcript
    assert (0, 0) == (ran.code, ran.json["stop_result"].get("cut_streams", 0)), ran.transcript
    _assert_gone(codex)


def test_uninstalling_again_is_harmless(machine: Machine) -> None:
    """A second uninstall finds nothing to do and changes nothing."""
    machine.relay()
    machine.install("--service-tier-policy", "inject_missing")
    assert machine.cfp("uninstall").code == 0
    before = machine.files()
    again = machine.cfp("uninstall")
    assert 0 == again.code, again.transcript
    assert before == machine.files()


def test_installing_again_is_harmless(machine: Machine) -> None:
    """A second install keeps the worker and the true baseline: uninstall still gives every byte back."""
    machine.relay()
    before = _precious(machine)
    machine.install("--service-tier-policy", "inject_missing")
    (worker,) = machine.workers()
    machine.install()
    assert [worker.pid] == [process.pid for process in machine.workers()]
    assert "inject_missing" == machine.cfp("status").json["service_tier_policy"]
    assert machine.cfp("uninstall").code == 0
    assert before == _precious(machine)


def test_a_chatgpt_login_is_asked_first(machine: Machine) -> None:
    """Going back to a third-party provider that gets the ChatGPT login needs a yes; until then nothing is changed."""
    machine.write("config.toml", login_config(machine.upstream.base_url))
    machine.write("auth.json", api_key_login())
    machine.install("--service-tier-policy", "inject_missing")
    machine.write("auth.json", chatgpt_login())
    before = machine.files()
    refused = machine.cfp("uninstall")
    assert (4, "confirmation_required") == (refused.code, refused.json["status"])
    assert before == machine.files()
    assert 1 == len(machine.workers())
    assert machine.cfp("uninstall", "--confirm-chatgpt-direct-uninstall").code == 0
    _assert_gone(machine)


def test_a_login_that_goes_nowhere_needs_no_yes(machine: Machine) -> None:
    """Signed in with ChatGPT, and the provider has a key of its own: Codex sends that key, before and after."""
    machine.relay()
    machine.write("auth.json", chatgpt_login())
    machine.install()
    assert "ready" == machine.cfp("status").json["diagnosis"]["code"]
    ran = machine.cfp("uninstall")
    assert (0, None) == (ran.code, ran.json["direct_upstream_auth_warning"]), ran.transcript
    _assert_gone(machine)


def test_a_repointed_provider_is_left_alone(machine: Machine) -> None:
    """The user has changed our key: uninstall takes away what is ours, keeps the rest running, and says so."""
    machine.relay()
    machine.install("--service-tier-policy", "inject_missing")
    moved = machine.config.read_text().replace(f"http://127.0.0.1:{machine.port}/v1", "https://example.invalid/v1")
    machine.write("config.toml", moved)
    ran = machine.cfp("uninstall")
    assert (3, "skipped_config_changed") == (ran.code, ran.json["config_restore"])
    assert "https://example.invalid/v1" in machine.config.read_text()
    assert not machine.hooks.exists() or "codex_fast_proxy" not in machine.hooks.read_text()
    assert 1 == len(machine.workers())
    forced = machine.cfp("uninstall", "--force")
    assert 0 == forced.code, forced.transcript
    _assert_gone(machine)


def test_the_first_question_of_a_home_with_sessions(machine: Machine, each_codex: tuple[Version, Path]) -> None:
    """Codex 0.130 writes in config.toml while `install` asks it: that is no other program's change."""
    _, machine.codex = each_codex
    machine.environ["PATH"] = os.pathsep.join((str(machine.codex.parent), os.environ["PATH"]))
    machine.relay()
    machine.write("auth.json", api_key_login())
    machine.turn()
    machine.install()
    assert "priority" == machine.turn().json()["service_tier"]
    assert "ready" == machine.cfp("status").json["diagnosis"]["code"]
    assert 0 == machine.cfp("uninstall").code
