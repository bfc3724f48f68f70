"""Rules about Fast with the real Codex: who gets it, and how a running proxy gets the rules."""

from __future__ import annotations

import json

import pytest

from cfp.demo.provider import Received
from cfp.demo.scripted_turns import Reply, ToolCall
from tests.end_to_end.harness import KEY, Machine, api_key_login, built_in_config
from tests.end_to_end.listeners import Listener
from tests.end_to_end.websocket import Switchboard

SPAWN = ToolCall(namespace="multi_agent_v1", name="spawn_agent", arguments='{"message":"Say hi"}')


class Team(Listener):
    """A provider whose model spawns a subagent, and ends no turn before the subagent has asked."""

    def next_reply(self) -> Reply:
        reply = super().next_reply()
        if reply is self.default:
            self.wait_for_turns(3, 30)
        return reply


def tiers(turns: tuple[Received, ...]) -> dict[str, set[str | None]]:
    """Return the tiers of the turns by the name that Codex gives their sender."""
    senders: dict[str, set[str | None]] = {}
    for turn in turns:
        senders.setdefault(turn.header("x-openai-subagent") or "", set()).add(turn.json().get("service_tier"))
    return senders


def kinds(machine: Machine) -> set[tuple[str, str, str | None]]:
    """Return kind, deciding rule and tier of the model requests in the log."""
    lines = [json.loads(line) for line in (machine.state / "state" / "fast_proxy.jsonl").read_text().splitlines()]
    return {(line["kind"], line["service_tier_rule"], line["service_tier_after"]) for line in lines if line["kind"]}


@pytest.mark.codex_since("0.150", "0.130 gives the tool no namespace")
@pytest.mark.parametrize("chosen", ["", 'service_tier = "fast"'], ids=["added", "asked for"])
def test_fast_for_the_parent_only(codex: Machine, chosen: str) -> None:
    """A subagent goes without Fast, whether the proxy would add it or Codex asks for it; the parent keeps it."""
    with Team(key=KEY) as upstream:
        codex.upstream = upstream
        codex.relay(top=chosen, model="gpt-5.5")
        codex.install("--no-verify")
        added = codex.cfp("fast", "add", "--kind", "subagent", "--action", "remove", "--restart")
        assert (0, "added", False) == (added.code, added.json["status"], added.json["restart_required"])
        before = len(upstream.turns)
        upstream.script(SPAWN)
        ran = codex.codex_exec()
        assert ran.code == 0, ran.stderr
        assert {"": {"priority"}, "collab_spawn": {None}} == tiers(upstream.turns[before:])
        assert codex.cfp("stop", "--force").code == 0
    assert {("turn", "policy", "priority"), ("subagent", "remove kind=subagent", None)} == kinds(codex)


def test_a_review_has_its_own_rule(codex: Machine) -> None:
    """`codex exec review` is known by Codex's marker; the standard tier can be said by its name."""
    codex.relay(top='service_tier = "fast"', model="gpt-5.5")
    codex.install()
    assert codex.cfp("fast", "add", "--kind", "review", "--action", "default", "--restart").code == 0
    (codex.work / "new.txt").write_text("x\n")
    assert codex.run(["git", "init", "-q", "."], timeout=30).code == 0
    before = len(codex.upstream.turns)
    ran = codex.codex_exec("review", "--uncommitted", prompt="--skip-git-repo-check")
    assert ran.code == 0, ran.stderr
    assert {"review": {"default"}} == tiers(codex.upstream.turns[before:])
    assert "priority" == codex.turn().json()["service_tier"]


def test_rules_reach_a_running_proxy_with_the_next_session(codex: Machine) -> None:
    """Deferred, the hook of the next session hands over; the rules are in status, and an install keeps them."""
    codex.relay(model="gpt-5.5")
    codex.install()
    (old,) = codex.workers()
    added = codex.cfp("fast", "add", "--model", "gpt-5*", "--action", "remove")
    assert (0, True) == (added.code, added.json["restart_required"]), added.transcript
    assert [old.pid] == [worker.pid for worker in codex.workers()]
    assert codex.turn().json().get("service_tier") is None
    codex.wait_for_one_worker()
    rules = ["remove model=gpt-5*"]
    status = codex.cfp("status").json
    assert (rules, rules, False) == (
        status["service_tier_rules"],
        status["health"]["service_tier_rules"],
        status["needs_restart"],
    )
    assert rules == codex.install().json["service_tier_rules"]
    assert codex.cfp("set-upstream", "--service-tier-policy", "auto").json["service_tier_rules"] == rules
    assert codex.cfp("fast", "remove", "1", "--restart").json["rules"] == []
    assert "priority" == codex.turn().json()["service_tier"]


@pytest.mark.codex_since("0.150", "no message of 0.130 has a subagent's name")
def test_a_subagent_over_a_websocket(codex: Machine) -> None:
    """Over a WebSocket Codex names the sender in each message: a rule decides there as over HTTP."""
    team = Switchboard(calls=[SPAWN], gather=3)
    with Listener(key=KEY, switch=team) as upstream:
        codex.upstream = upstream
        codex.write("config.toml", built_in_config(upstream.base_url, top='service_tier = "fast"\n', model="gpt-5.5"))
        codex.write("auth.json", api_key_login())
        codex.install("--no-verify")
        assert codex.cfp("fast", "add", "--kind", "subagent", "--action", "remove", "--restart").code == 0
        ran = codex.codex_exec()
        assert ran.code == 0, ran.stderr
        assert codex.cfp("stop", "--force").code == 0
    senders: dict[str, set[str | None]] = {}
    for message in team.turns:
        name = message["client_metadata"].get("x-openai-subagent", "")
        senders.setdefault(name, set()).add(message.get("service_tier"))
    assert {"": {"priority"}, "collab_spawn": {None}} == senders
