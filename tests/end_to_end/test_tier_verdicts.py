"""The verdict on a provider's tier: one in every place, across restarts, until a verification forgets it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cfp.demo.scripted_turns import Reject, ScriptedTurn
from tests.end_to_end.harness import KEY, MODEL, Machine, api_key_login

BODY = {"model": MODEL, "input": [], "stream": True}
REFUSAL = Reject(status=400, message="Unsupported parameter: service_tier")
DEFAULT, FAST, MIRROR = ScriptedTurn(tier="default"), ScriptedTurn(tier="fast"), ScriptedTurn()


def _installed(machine: Machine) -> dict[str, Any]:
    machine.relay()
    machine.write("auth.json", api_key_login())
    return machine.install().json


def _restart(machine: Machine) -> None:
    """End the worker, which writes what it knows, and start another one."""
    assert 0 == machine.cfp("stop", "--force").code
    assert 0 == machine.cfp("start").code


def _ask(machine: Machine) -> Any:
    """Send the turn of a client through the proxy; return the tier with which it reached the provider at last."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(trust_env=False, timeout=20) as client:
        client.post(f"http://127.0.0.1:{machine.port}/v1/responses", json=BODY, headers=headers).raise_for_status()
    return machine.upstream.turns[-1].json().get("service_tier")


def _agree(machine: Machine) -> str:
    """Return the one verdict of status, doctor and dashboard; fails where two differ, or a sentence is missing."""
    (verdict,) = machine.cfp("status").json["tier_verdicts"]
    checks = {check["name"]: check for check in machine.cfp("doctor").json["checks"]}
    with httpx.Client(trust_env=False, timeout=20) as client:
        shown = client.get(f"http://127.0.0.1:{machine.port}/__codex_fast_proxy/api/state").json()["fast"]["verdicts"]
    assert [verdict] == shown == checks["tier_served"]["evidence"]["tier_verdicts"]
    assert (MODEL, "priority") == (verdict["model"], verdict["tier"])
    assert verdict["message"][:30] in machine.cfp("status", "--format", "text").stdout
    return str(verdict["verdict"])


@pytest.mark.parametrize(
    ("replies", "verdict", "check"),
    [
        ([DEFAULT] * 4, "ignored", "tier_ignored"),
        ([MIRROR] * 4, "echo_uninformative", "ok"),
        ([FAST] * 4, "echo_uninformative", "ok"),
        ([MIRROR, DEFAULT, MIRROR, MIRROR], "served", "ok"),
    ],
    ids=["ignores", "echoes", "answers fast", "downgrades under load"],
)
def test_providers_are_told_apart(machine: Machine, replies: list[ScriptedTurn], verdict: str, check: str) -> None:
    """By what their answers name, and the next worker knows it."""
    machine.upstream.script(replies[0])
    _installed(machine)
    for reply in replies[1:]:
        machine.upstream.script(reply)
        assert "priority" == _ask(machine)
    _restart(machine)
    assert verdict == _agree(machine)
    checks = {one["name"]: one for one in machine.cfp("doctor").json["checks"]}
    assert check == checks["tier_served"]["code"]


def test_a_refusal_is_remembered_until_a_verification_forgets_it(machine: Machine) -> None:
    """The install learns it, no worker asks again, and a provider that has learned Fast gets the tier at once."""
    machine.upstream.script(REFUSAL)
    installed = _installed(machine)
    assert ("off", "fast_refused") == (installed["fast"]["status"], installed["fast"]["code"])
    assert MODEL in installed["fast"]["message"]
    assert installed["fast"]["message"] in installed["message"]
    assert ["refused"] == [one["verdict"] for one in installed["tier_verdicts"]]
    assert None is _ask(machine)
    _restart(machine)
    assert None is _ask(machine)
    assert "refused" == _agree(machine)
    assert "tier_refused" == machine.cfp("status").json["diagnosis"]["code"]

    verified = machine.cfp("verify-upstream").json
    assert "echo_uninformative" == verified["tier_verdict"]["verdict"]
    assert "priority" == _ask(machine)
    _restart(machine)
    assert "echo_uninformative" == _agree(machine)
    assert "on" == machine.cfp("status").json["fast"]["status"]
    assert 0 == machine.cfp("uninstall").code
    assert not machine.state.exists()


def test_a_verification_without_an_installation_leaves_nothing(machine: Machine) -> None:
    """There is no folder for evidence yet, and none is made."""
    machine.relay()
    machine.write("auth.json", api_key_login())
    before = machine.files()
    machine.upstream.script(REFUSAL)
    assert "refused" == machine.cfp("verify-upstream").json["tier_verdict"]["verdict"]
    assert before == machine.files()
