"""The effect of policy, login and opt-out on a request that names no tier."""

from __future__ import annotations

import enum

from cfp.codex.auth_json import LoginMode
from cfp.core.settings import Policy

__all__ = ["EffectivePolicy", "FastBehavior", "LoginMode", "effective_policy", "fast_behavior"]


class EffectivePolicy(enum.StrEnum):
    """The effect of a policy on a request without a tier; a closed set of the results."""

    INJECT_MISSING = "inject_missing"
    PRESERVE = "preserve"


class FastBehavior(enum.StrEnum):
    """The effect in the terms of a user; a closed set of the results."""

    APP_CONTROLLED = "app_controlled"
    AUTO_GLOBAL_PRIORITY = "auto_global_priority"
    GLOBAL_PRIORITY = "global_priority"
    PRESERVE_ONLY = "preserve_only"
    UNKNOWN_CONSERVATIVE = "unknown_conservative"
    UNKNOWN = "unknown"


# fmt: off
_AUTO = {
    LoginMode.API_KEY: (EffectivePolicy.INJECT_MISSING, FastBehavior.AUTO_GLOBAL_PRIORITY),
    LoginMode.CHATGPT: (EffectivePolicy.PRESERVE,       FastBehavior.APP_CONTROLLED),
    LoginMode.MIXED:   (EffectivePolicy.PRESERVE,       FastBehavior.APP_CONTROLLED),
    LoginMode.UNKNOWN: (EffectivePolicy.PRESERVE,       FastBehavior.UNKNOWN_CONSERVATIVE),
}
_FIXED = {
    Policy.INJECT_MISSING: (EffectivePolicy.INJECT_MISSING, FastBehavior.GLOBAL_PRIORITY),
    Policy.PRESERVE:       (EffectivePolicy.PRESERVE,       FastBehavior.PRESERVE_ONLY),
}
# fmt: on


def effective_policy(policy: Policy, login: LoginMode, *, opted_out: bool = False) -> EffectivePolicy:
    """Decide for a request without a tier. `opted_out`: config.toml has `service_tier = "default"`."""
    if policy is Policy.AUTO:
        return EffectivePolicy.PRESERVE if opted_out else _AUTO[login][0]
    return _FIXED[policy][0]


def fast_behavior(policy: Policy, login: LoginMode) -> FastBehavior:
    """Return the behaviour that a user notices."""
    return _AUTO[login][1] if policy is Policy.AUTO else _FIXED[policy][1]
