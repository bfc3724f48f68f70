"""The benchmark through the real Codex, against a provider whose fast tier is fast, and one whose is not."""

from __future__ import annotations

from cfp.demo.scripted_turns import ByTier, ScriptedTurn
from tests.end_to_end.harness import KEY, STATE, Machine, api_key_login


def _benchmark(machine: Machine, *flags: str) -> dict[str, object]:
    machine.relay()
    machine.write("auth.json", api_key_login())
    machine.install()
    ran = machine.cfp("benchmark", "--pairs", "3", "--profile", "smoke", *flags, timeout=180)
    assert (0, "completed") == (ran.code, ran.json["status"]), ran.transcript
    assert KEY not in ran.transcript
    return ran.json


def test_a_tier_that_does_something(codex: Machine) -> None:
    """A second saved on every turn is found, and the result is kept."""
    codex.upstream.default = ByTier(priority=ScriptedTurn(), rest=ScriptedTurn(first_after=1))
    turn_count = len(codex.upstream.turns)
    result = _benchmark(codex)
    turns = codex.upstream.turns[turn_count + 1 :]  # the first one verified the provider
    tiers = [turn.json().get("service_tier") for turn in turns]
    assert (3, 3) == (tiers.count("priority"), tiers.count(None))
    assert ("codex-cli", True, True) == (
        result["benchmark_mode"],
        result["priority_accepted"],
        result["observed_priority_effective"],
    )
    assert "faster" == result["verdict"]
    assert (codex.state / "state" / "fast_proxy.benchmark.json").exists()
    assert STATE in str(result["saved_to"])


def test_a_tier_that_is_only_a_word(machine: Machine) -> None:
    """A tier that is accepted and changes nothing is not called effective; nothing is kept unless wanted."""
    # A busy machine can slow one side of all three pairs by chance, but hardly in three benchmarks.
    results = (_benchmark(machine, "--mode", "direct", "--no-save") for _ in range(3))
    result = next((result for result in results if not result["observed_priority_effective"]), None)
    assert result is not None
    assert result["priority_accepted"] is True
    assert not (machine.state / "state" / "fast_proxy.benchmark.json").exists()
