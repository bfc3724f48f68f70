"""Whether Fast is on, for which requests, and why not for others, in one line."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cfp.codex.auth_json import LoginMode
from cfp.core.facts import Facts
from cfp.core.fast.verdicts import refused_models
from cfp.core.policy import EffectivePolicy, chosen_tier, is_opt_out
from cfp.core.route_report import policy_in_effect, policy_login
from cfp.core.settings import Policy, Settings
from cfp.core.verdict.route import place_of_tier
from cfp.messages.message import Message
from cfp.messages.results import FAST, RESULTS, FastCode


class FastStatus(enum.StrEnum):
    """The treatment of a request without a tier; a closed set of the results."""

    ON = "on"  # the proxy adds the tier
    OFF = "off"  # nobody adds it
    LEFT_TO_CODEX = "left_to_codex"  # the proxy adds none, and Codex may send one by its own switch or setting


_STATUSES: Final[dict[FastCode, FastStatus]] = {
    "fast_with_key": FastStatus.ON,
    "fast_always": FastStatus.ON,
    "fast_refused": FastStatus.OFF,
    "fast_opted_out": FastStatus.OFF,
    "fast_stated": FastStatus.LEFT_TO_CODEX,
    "fast_never": FastStatus.LEFT_TO_CODEX,
    "fast_switch": FastStatus.LEFT_TO_CODEX,
    "fast_login_unknown": FastStatus.LEFT_TO_CODEX,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FastInEffect:
    """Fast as the user will notice it; `code` is that of the sentence."""

    code: FastCode
    message: Message

    @property
    def status(self) -> FastStatus:
        return _STATUSES[self.code]

    def to_json(self) -> dict[str, Any]:
        return {"status": self.status, "code": self.code, "message": self.message.sentence}


def fast_in_effect(facts: Facts, settings: Settings) -> FastInEffect:
    """Return what becomes of a request without a tier under these settings, at this provider."""
    code = _code(facts, settings)
    refused = refused_models(facts, settings)
    if refused and _STATUSES[code] is FastStatus.ON:
        code = "fast_refused"
    details = {
        "tier": settings.service_tier,
        "stated": facts.tier_in_force,
        "place": place_of_tier(facts),
        "models": [model or "requests without a model" for model in refused],
    }
    texts = [FAST[code].filled(details), *_exceptions(settings)]
    profiles = [name for name, doc in facts.profiles.items() if is_opt_out(chosen_tier(doc))]
    if profiles and _STATUSES[code] is FastStatus.ON:
        texts.append(RESULTS["fast_in_profiles"].filled({**details, "profiles": profiles}))
    return FastInEffect(code=code, message=Message(" ".join(text.sentence for text in texts)))


def _exceptions(settings: Settings) -> Iterator[Message]:
    """Give the messages about what decides before the policy."""
    if settings.service_tier_rules:
        yield RESULTS["rules_first"].filled({"count": len(settings.service_tier_rules)})
    if settings.fast_requests_a_day is not None or settings.fast_tokens_a_day is not None:
        yield RESULTS["fast_limited"]


def _code(facts: Facts, settings: Settings) -> FastCode:
    if policy_in_effect(facts, settings) is EffectivePolicy.INJECT_MISSING:
        return "fast_always" if settings.service_tier_policy is Policy.INJECT_MISSING else "fast_with_key"
    stated = facts.tier_in_force
    if stated is not None and not is_opt_out(stated):
        return "fast_stated"
    if settings.service_tier_policy is Policy.PRESERVE:
        return "fast_never"
    if facts.opted_out:
        return "fast_opted_out"
    return "fast_login_unknown" if policy_login(facts, settings) is LoginMode.UNKNOWN else "fast_switch"
