"""Checks of the requests to the provider: its URL, the tier, the key."""

from __future__ import annotations

from typing import Final

from cfp.core.checks.check import DoctorFacts, Verdict, advice, failure, success
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts
from cfp.core.policy import EffectivePolicy, effective_policy
from cfp.core.route_report import key_available, key_persistent
from cfp.messages import CLI, Message, message

_WEBSOCKET: Final = {
    "served": " It serves WebSocket.",
    "not_served": " It serves no WebSocket: the proxy says so at once, and Codex goes on over HTTP.",
    "untried": " Codex has not asked it for WebSocket yet.",
}


def upstream_saved(facts: Facts, _: DoctorFacts) -> Verdict:
    """Name the provider's URL, and whether it serves WebSocket where the worker knows."""
    if facts.settings is None:
        return failure("settings_missing", message("settings_missing"))
    base, health = facts.settings.upstream_base, None if facts.worker is None else facts.worker.health
    websocket = health.upstream_websocket or None if health is not None and health.upstream_base == base else None
    detail = f"Requests go to {base}.{_WEBSOCKET.get(websocket or '', '')}"
    return success(detail, upstream_base=base, websocket=websocket)


def service_tier_policy(facts: Facts, machine: DoctorFacts) -> Verdict:
    """Name the policy and its effect, and check that Codex may send the tier by itself where the proxy does not."""
    if facts.settings is None:
        return failure("settings_missing", message("settings_missing"))
    policy = facts.settings.service_tier_policy
    effective = effective_policy(policy, facts.login, opted_out=facts.opted_out)
    detail = f"The policy is {policy}, which now means {effective}."
    if facts.opted_out:
        detail += ' config.toml says service_tier = "default", which auto honours.'
    lacks_tier = machine.model_tiers is not None and facts.settings.service_tier not in machine.model_tiers
    if lacks_tier and effective is EffectivePolicy.PRESERVE:
        text = Message(
            f"{detail} Codex leaves the tier out for {machine.model}, whose catalog entry does not advertise it.",
            f"Choose another model, or `{CLI} set-upstream --service-tier-policy inject_missing`.",
        )
        return advice("model_without_tier", text, policy=policy, effective=effective, model=machine.model)
    return success(detail, policy=policy, effective=effective, opted_out=facts.opted_out)


def upstream_auth(facts: Facts, _: DoctorFacts) -> Verdict:
    """Check that the provider gets a key, and no ChatGPT login."""
    settings = facts.settings
    if settings is None:
        return success("No key of the provider is configured.")
    if not key_available(facts, settings):
        return failure("upstream_auth_missing", message("diagnosis.upstream_auth_missing"))
    if diagnose(facts).code == "chatgpt_auth_preserved":
        return failure("chatgpt_auth_preserved", message("diagnosis.chatgpt_auth_preserved"))
    if not key_persistent(facts, settings):
        return advice("upstream_auth_not_persistent", message("diagnosis.upstream_auth_not_persistent"))
    key = "its own key" if settings.overrides_auth else "whatever Codex sends"
    return success(f"The provider gets {key}.", override=settings.overrides_auth)
