"""The effect of policy, login and opt-out on a request that names no tier."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from cfp.codex.auth_json import Login, LoginMode
from cfp.core.settings import Policy
from cfp.core.tiers.names import PRIORITY, canonical

__all__ = [
    "EffectivePolicy",
    "FastBehavior",
    "LoginMode",
    "chosen_tier",
    "effective_policy",
    "fast_behavior",
    "is_opt_out",
    "mode_of_keys",
]


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
    """Decide for a request without a tier. `opted_out`: the tier in force is an opt-out of Fast."""
    if policy is Policy.AUTO:
        return EffectivePolicy.PRESERVE if opted_out else _AUTO[login][0]
    return _FIXED[policy][0]


def mode_of_keys(mode: LoginMode, login: Login, *, names_key: bool) -> LoginMode:
    """Return the mode by which `auto` decides: Codex may talk to the provider with an API key, signed in or not.

    names_key  the provider's table names a key of its own, or the proxy sends one
    """
    return LoginMode.API_KEY if names_key and login is Login.NONE else mode


def chosen_tier(config: Mapping[str, Any]) -> Any:
    """Return the tier that one file of Codex states; None where it states none.

    A profile that the file selects comes first: a Codex that selects none by `profile` refuses such a file (0.140).
    """
    name, tables = config.get("profile"), config.get("profiles")
    profile = tables.get(name) if isinstance(name, str) and isinstance(tables, Mapping) else None
    stated = profile.get("service_tier") if isinstance(profile, Mapping) else None
    return config.get("service_tier") if stated is None else stated


def is_opt_out(tier: Any) -> bool:
    """Whether `service_tier` with this value is the choice of a user who wants no Fast, as any other tier is.

    Codex leaves most of them out of its requests: `default`, what the model's catalogue does not list (0.171), and
    `flex` (0.150).
    """
    return isinstance(tier, str) and canonical(tier) != PRIORITY


def fast_behavior(policy: Policy, login: LoginMode) -> FastBehavior:
    """Return the behaviour that a user notices."""
    return _AUTO[login][1] if policy is Policy.AUTO else _FIXED[policy][1]
