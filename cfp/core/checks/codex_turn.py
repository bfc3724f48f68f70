"""Check of a turn that the real Codex has sent to a provider of ours: it must be the one that we predict."""

from __future__ import annotations

from typing import Any, Final

from cfp.core.checks.check import CheckResult, DoctorFacts, failure, success
from cfp.core.facts import Facts
from cfp.core.identities import Identity, provider_table
from cfp.core.provider import BUILT_IN, active_provider
from cfp.core.tiers.names import DEFAULT, FLEX, canonical
from cfp.core.verdict.hook_run import hook_obstacle
from cfp.core.wire.identity import codex_identity
from cfp.messages import message
from cfp.messages.doctor import FINDINGS, PASSES
from cfp.messages.identities import IDENTITIES

_FLEX_SINCE: Final = (0, 171)  # from here on sent with every model, whatever its catalogue says; 0.150 left it out


def codex_turn(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Compare the turn that Codex sent with the prediction, member by member."""
    error, turn = surroundings.turn_error, surroundings.turn
    if error is not None:
        return failure(error.code, message(error.code, error.details))
    if turn is None:
        return success(PASSES["turn_not_asked"])
    predicted = predicted_turn(facts, surroundings)
    sent = turn.to_json(predicted)
    differences = [name for name, value in predicted.items() if sent[name] != value]
    evidence: dict[str, Any] = {"sent": sent, "predicted": predicted}
    if differences:
        return failure("turn_differs", FINDINGS["turn_differs"].filled({"members": differences}), **evidence)
    words = {
        "identity": IDENTITIES[sent["identity"]],
        "tier": f"the tier {sent['service_tier']}" if sent["service_tier"] else "no tier",
        "transport": "a WebSocket" if sent["transport"] == "websocket" else "HTTP",
        "hook": "ran" if sent["hook_run"] else "did not run, nor should it",
    }
    return success(PASSES["turn_as_predicted"].filled(words), **evidence)


def predicted_turn(facts: Facts, surroundings: DoctorFacts) -> dict[str, Any]:
    """Return what Codex itself should send, without the members that the home does not tell."""
    provider = surroundings.provider or active_provider(facts.codex_config) or BUILT_IN
    identity = codex_identity(facts, provider)
    predicted: dict[str, Any] = {}
    if identity is not Identity.UNKNOWN:
        predicted |= {"identity": identity, "account_id": identity.may_be_a_login}
    tier = facts.codex_config.get("service_tier")
    if tier == FLEX:
        predicted |= {"service_tier": FLEX} if (facts.codex_version or _FLEX_SINCE) >= _FLEX_SINCE else {}
    elif tier in {None, DEFAULT}:
        predicted["service_tier"] = None
    elif surroundings.model_tiers is not None:
        name = canonical(tier) if isinstance(tier, str) else None
        predicted["service_tier"] = name if name in surroundings.model_tiers else None
    websocket = (
        provider == BUILT_IN or provider_table(facts.codex_config, provider).get("supports_websockets") is True
    )
    obstacle = hook_obstacle(facts)
    runs = obstacle is None or obstacle.code == "startup_hook_program_broken"  # in vain
    return {**predicted, "transport": "websocket" if websocket else "http", "hook_run": runs}
