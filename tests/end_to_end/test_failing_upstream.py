"""A provider that does not work: the switch is refused before anything is touched."""

from __future__ import annotations

import pytest

from cfp.demo.scripted_turns import Cut, NotSse, Reject, Reply, Stall
from tests.down_provider import down_provider
from tests.end_to_end.harness import KEY, MODEL, Machine, Ran, relay_config


def _refused(machine: Machine, *arguments: str) -> Ran:
    """Install against a provider that fails; nothing may have changed, and no secret may be in the output."""
    before = machine.files()
    ran = machine.cfp("install", "--start", "--port", str(machine.port), *arguments)
    assert (2, "error", False) == (ran.code, ran.json["status"], ran.json["changed"]), ran.transcript
    assert ran.json["error"]
    assert ran.json["next_user_action"]
    assert KEY not in ran.stdout + ran.stderr
    assert before == machine.files()
    assert [] == machine.workers()
    return ran


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Reject(status=401, message="Incorrect API key provided."), "upstream_key_refused"),
        (Reject(status=500), "upstream_failing"),
        (Reject(status=404), "upstream_path_unknown"),
        (NotSse(), "upstream_not_sse"),
        (Stall(), "upstream_stalled"),
    ],
    ids=["401", "500", "404", "not-sse", "stall"],
)
def test_a_failing_provider_changes_nothing(machine: Machine, answer: Reply, code: str) -> None:
    """Each way of failing has a code of its own, exit code 2, and leaves the home as it was."""
    machine.relay()
    machine.upstream.default = answer
    ran = _refused(machine, "--verify-timeout", "2")
    assert code == ran.json["code"]
    assert 1 == len(machine.upstream.turns)


def test_a_stream_that_breaks_off_changes_nothing(machine: Machine) -> None:
    """Headers of a stream are not enough."""
    machine.relay()
    machine.upstream.default = Cut(events=0)
    _refused(machine, "--verify-timeout", "2")


def test_a_provider_that_is_down_changes_nothing(machine: Machine) -> None:
    """A refused connection is reported as such."""
    with down_provider() as base:
        machine.write("config.toml", relay_config(base))
        assert "upstream_refused" == _refused(machine).json["code"]


def test_a_missing_key_changes_nothing(machine: Machine) -> None:
    """The key that Codex would send is not there: that is said before any request."""
    machine.relay()
    machine.environ["RELAY_KEY"] = ""
    _refused(machine)
    assert () == machine.upstream.received


def test_verification_can_be_left_out(machine: Machine) -> None:
    """--no-verify is the user's word that it is fine; no request is sent."""
    machine.upstream.default = Reject(status=500)
    machine.relay()
    ran = machine.install("--no-verify")
    assert ("installed", "skipped") == (ran.json["status"], ran.json["verification"]["status"])
    assert () == machine.upstream.received


@pytest.mark.parametrize("status", [400, 422])
def test_a_provider_without_fast_is_no_obstacle(machine: Machine, status: int) -> None:
    """It answers without the tier, and every command that tries it says that Fast is off."""
    machine.relay()
    refusal = Reject(status=status, message="参数错误")
    machine.upstream.script(refusal)
    ran = machine.install()
    assert (["tier_refused"], True) == (ran.json["warnings"], ran.json["verification"]["service_tier_refused"])
    assert MODEL in ran.json["warning_messages"][0]
    assert ["priority", None] == [turn.json().get("service_tier") for turn in machine.upstream.turns]
    for words in (("verify-upstream",), ("set-upstream", "--service-tier-policy", "inject_missing")):
        machine.upstream.script(refusal)
        again = machine.cfp(*words)
        assert (0, ["tier_refused"]) == (again.code, again.json["warnings"]), again.transcript
    machine.upstream.script(refusal)
    doctor = machine.cfp("doctor", "--online").json
    (check,) = (check for check in doctor["checks"] if check["name"] == "provider_answers")
    assert ("tier_refused", True) == (check["code"], check["ok"])


def test_a_request_that_is_wrong_without_the_tier_too_is_refused(machine: Machine) -> None:
    """The provider's first words are the reason."""
    machine.relay()
    machine.upstream.script(Reject(status=400, message="No such model."), Reject(status=400, message="Again."))
    ran = machine.cfp("install", "--start", "--port", str(machine.port))
    assert (2, "upstream_rejected") == (ran.code, ran.json["code"])
    assert "No such model." in ran.json["error"]
