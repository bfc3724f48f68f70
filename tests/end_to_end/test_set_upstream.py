"""The provider's URL, key and policy change while the proxy is on."""

from __future__ import annotations

import tomllib

from cfp.demo.scripted_turns import Reject, Stall
from tests.down_provider import down_provider
from tests.end_to_end.harness import KEY, Machine, api_key_login, chatgpt_login
from tests.end_to_end.listeners import Listener


def test_what_codex_writes_between_our_commands_stays(codex: Machine) -> None:
    """Its CLI rewrites config.toml after the install and after the new URL: uninstall gives back our keys only."""
    codex.relay()
    before = tomllib.loads(codex.config.read_text())
    codex.install("--no-verify")
    assert codex.run([str(codex.codex), "features", "enable", "goals"], timeout=30).code == 0
    new = "https://new.example/v1"
    assert codex.cfp("set-upstream", "--upstream-base", new, "--no-verify").code == 0
    assert codex.run([str(codex.codex), "mcp", "add", "mine", "--", "true"], timeout=30).code == 0
    gone = codex.cfp("uninstall")
    assert (0, "restored_base_url") == (gone.code, gone.json["config_restore"]), gone.transcript
    left = tomllib.loads(codex.config.read_text())
    assert ({"goals": True}, "true") == (left.pop("features"), left.pop("mcp_servers")["mine"]["command"])
    before["model_providers"]["relay"]["base_url"] = new
    assert before == left
    assert not codex.state.exists()


def test_a_new_policy(codex: Machine) -> None:
    """The policy of a running proxy is changed by --restart at once."""
    codex.relay()
    codex.install()
    ran = codex.cfp("set-upstream", "--service-tier-policy", "inject_missing", "--restart")
    assert (0, "upstream_updated") == (ran.code, ran.json["status"]), ran.transcript
    assert "priority" == codex.turn().json()["service_tier"]


def test_without_restart_the_next_session_has_it(codex: Machine) -> None:
    """Deferred, the running worker keeps its settings until the hook of the next session hands over."""
    codex.relay()
    codex.install()
    (old,) = codex.workers()
    ran = codex.cfp("set-upstream", "--service-tier-policy", "inject_missing")
    assert (0, True) == (ran.code, ran.json["restart_required"]), ran.transcript
    assert [old.pid] == [worker.pid for worker in codex.workers()]
    assert codex.cfp("status").json["needs_restart"] is True
    assert "priority" == codex.turn().json()["service_tier"]
    codex.wait_for_one_worker()
    assert codex.cfp("status").json["needs_restart"] is False


def test_a_new_url_moves_the_baseline(codex: Machine) -> None:
    """Turns go to the new provider, and uninstall gives its URL to Codex: the old one is no more."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    before = codex.config.read_text()
    codex.install()
    with Listener(key=KEY) as other:
        ran = codex.cfp("set-upstream", "--upstream-base", other.base_url, "--restart")
        assert (0, codex.upstream.base_url) == (ran.code, ran.json["previous_upstream_base"]), ran.transcript
        turn_count = len(other.turns)
        assert 0 == codex.codex_exec().code
        assert ["priority"] == [turn.json()["service_tier"] for turn in other.turns[turn_count:]]
        assert 0 == codex.cfp("uninstall").code
        assert before.replace(codex.upstream.base_url, other.base_url) == codex.config.read_text()


def test_a_new_url_that_fails_keeps_the_old_one(machine: Machine) -> None:
    """set-upstream verifies first: the installation goes on as it was."""
    machine.relay()
    machine.install("--service-tier-policy", "inject_missing")
    before, workers = machine.files(), [worker.pid for worker in machine.workers()]
    with down_provider() as base:
        ran = machine.cfp("set-upstream", "--upstream-base", base)
    assert (2, "upstream_refused", False) == (ran.code, ran.json["code"], ran.json["changed"])
    assert (before, workers) == (machine.files(), [worker.pid for worker in machine.workers()])


def test_verifying_changes_nothing(machine: Machine) -> None:
    """verify-upstream asks the provider and writes nothing, whether it works or not."""
    machine.relay()
    before = machine.files()
    works = machine.cfp("verify-upstream")
    assert (0, "verified") == (works.code, works.json["status"]), works.transcript
    machine.upstream.script(Reject(status=401), Stall())
    assert "upstream_key_refused" == machine.cfp("verify-upstream").json["code"]
    assert "upstream_stalled" == machine.cfp("verify-upstream", "--verify-timeout", "1").json["code"]
    assert before == machine.files()


def test_the_auth_split(codex: Machine) -> None:
    """With a ChatGPT login and the provider's key saved, the provider gets its key and nothing of ChatGPT's."""
    codex.relay(table="")
    config = codex.config.read_text().replace('env_key = "RELAY_KEY"\n', "requires_openai_auth = true\n")
    codex.write("config.toml", config)
    codex.write("auth.json", api_key_login())
    codex.install()
    prepared = codex.cfp("prepare-chatgpt-login", "--apply")
    assert (0, "prepared") == (prepared.code, prepared.json["status"]), prepared.transcript
    split = codex.cfp("set-upstream", "--use-provider-auth-file", "--restart")
    assert (0, "upstream_updated") == (split.code, split.json["status"]), split.transcript
    codex.write("auth.json", chatgpt_login())
    turn = codex.turn()
    assert turn.header("authorization") == f"Bearer {KEY}"
    assert turn.header("chatgpt-account-id") is None
    assert turn.header("cookie") is None
    assert "service_tier" not in turn.json()
