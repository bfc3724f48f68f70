"""The block that install, set-upstream and status share (route, tier, key, identity), and warnings about a route."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cfp.core.facts import Facts
from cfp.core.identities import Identity, names_own_key
from cfp.core.keys.flaws import KeyFlaw
from cfp.core.policy import EffectivePolicy, LoginMode, effective_policy, fast_behavior, mode_of_keys
from cfp.core.provider import host_of, is_third_party
from cfp.core.settings import Settings, loopback_port
from cfp.core.verdict.route import profile_urls
from cfp.core.wire.identity import (
    identity_after_chatgpt_login,
    obstacle_details,
    route_identity,
    stands_in_the_way,
)
from cfp.core.wire.key import flaw_code, key_available, key_persistent
from cfp.core.wire.steps import is_key_idle, key_details
from cfp.errors import Refused
from cfp.messages import message
from cfp.messages.chatgpt_login import HINTS, PREPARATIONS, HintCode, PreparationCode
from cfp.messages.identities import FLAWS, ROUTE_WARNINGS
from cfp.messages.message import Message


def hint_code(facts: Facts, settings: Settings) -> HintCode:
    """Return the requirement of a ChatGPT login; its closed set of the results lacks `own_key`, which is `ready`."""
    if settings.overrides_auth and key_available(facts, settings):
        return "ready" if key_persistent(facts, settings) else "needs_persistent_env"
    if route_identity(facts, settings).login_reaches_provider:
        return "needs_auth_split"
    own_key = identity_after_chatgpt_login(facts, settings.provider) is Identity.PROVIDER_KEY
    return "own_key" if own_key and not settings.overrides_auth else "optional_setup_available"


def preparation_code(facts: Facts, settings: Settings) -> PreparationCode:
    """Return the state of the provider's key in provider-auth.json; a closed set of the results."""
    if settings.key_entry in facts.provider_keys:
        return "prepared"
    if settings.upstream_api_key_env is not None and key_available(facts, settings):
        return "prepared" if key_persistent(facts, settings) else "needs_persistent_env"
    return "not_prepared" if route_identity(facts, settings).login_goes_direct else "optional"


def policy_login(facts: Facts, settings: Settings) -> LoginMode:
    """Return the mode by which the policy `auto` decides about requests to the provider."""
    names_key = settings.overrides_auth or names_own_key(facts.codex_config, settings.provider)
    return mode_of_keys(facts.login, facts.codex_login, names_key=names_key)


def policy_in_effect(facts: Facts, settings: Settings) -> EffectivePolicy:
    """Return what becomes of a request without a tier."""
    return effective_policy(settings.service_tier_policy, policy_login(facts, settings), opted_out=facts.opted_out)


def route_and_auth(facts: Facts, settings: Settings, *, pending: bool = False) -> dict[str, Any]:
    """Return the shared block, with names and places of keys, never a key.

    pending  the running worker serves older settings: the key of the saved ones is not on the wire yet
    """
    effective = policy_in_effect(facts, settings)
    available = key_available(facts, settings)
    preparation, hint = preparation_code(facts, settings), hint_code(facts, settings)
    text = HINTS[hint].filled(key_details(facts, settings))
    if hint == "own_key":
        hint = "ready"
    elif hint in {"needs_auth_split", "needs_persistent_env"} and is_key_idle(facts, settings):
        text = HINTS["saved_key_unused"].filled(key_details(facts, settings))
    elif pending and hint == "ready":
        hint, text = "needs_auth_split", HINTS["not_loaded_yet"]
    block: dict[str, Any] = {
        "provider": settings.provider,
        "base_url": settings.base_url,
        "upstream": settings.upstream,
        "upstream_base": settings.upstream_base,
        "service_tier": settings.service_tier,
        "service_tier_policy": settings.service_tier_policy,
        "service_tier_effective_policy": effective,
        "fast_behavior": fast_behavior(settings.service_tier_policy, policy_login(facts, settings)),
        "login_mode": facts.login,
        "service_tier_rules": list(settings.service_tier_rules),
        "fast_requests_a_day": settings.fast_requests_a_day,
        "fast_tokens_a_day": settings.fast_tokens_a_day,
        "pass_rate_limits": settings.pass_rate_limits,
        "catalogue": settings.catalogue,
        "upstream_auth": settings.upstream_auth,
        "upstream_api_key_env": settings.upstream_api_key_env,
        "upstream_api_key_file": settings.upstream_api_key_file,
        "upstream_api_key_ref": _reference(settings),
        "upstream_api_key_available": available,
        "upstream_api_key_source": _source(facts, settings) if available else None,
        "identity_on_the_wire": route_identity(facts, settings, pending=pending).to_json(),
        "upstream_api_key_persistent": key_persistent(facts, settings) if settings.overrides_auth else None,
        "chatgpt_login_compatible": (hint == "ready" and available)
        or not is_third_party(settings.provider, settings.upstream_base),
        "provider_auth_preparation": {
            "status": preparation,
            "message": PREPARATIONS[preparation].sentence,
        },
        "chatgpt_login_hint": {
            "status": hint,
            "message": text.sentence,
            "next_user_action": text.action,
        },
    }
    if hint == "ready" and sys.platform == "win32":
        block["chatgpt_login_windows_troubleshooting"] = {
            "trigger": "WinError 10013 while signing in with ChatGPT",
            "commands": ["net stop winnat", "net start winnat"],
        }
    return block


def _reference(settings: Settings) -> str | None:
    if settings.upstream_api_key_file:
        return f"provider_auth_file:{settings.key_entry}"
    return f"env:{settings.upstream_api_key_env}" if settings.upstream_api_key_env else None


def _source(facts: Facts, settings: Settings) -> str | None:
    if settings.upstream_api_key_file:
        return "provider_auth_file"
    if settings.upstream_api_key_env is None:
        return None
    if settings.upstream_api_key_env in facts.environment:
        return "process_env"
    return "windows_user_env" if settings.upstream_api_key_env in facts.user_environment else "auth_json_fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteWarning:
    """A warning: its code, its sentences, and the place of the key that it is about, if it is about one."""

    code: str
    message: Message
    place: str = ""
    flaw: KeyFlaw | None = field(default=None)


def is_unencrypted(url: str) -> bool:
    """Whether requests to the URL cross a network in the clear: plain http to another machine, also a private one."""
    is_plain = url.strip().lower().startswith("http:") and host_of(url) != ""
    return is_plain and loopback_port(url) is None


def route_warnings(facts: Facts, settings: Settings) -> tuple[RouteWarning, ...]:
    """Return the warnings about a route, the most urgent first."""
    warnings = [*key_warnings(facts, settings.provider)]
    obstacle = stands_in_the_way(facts, settings)
    if obstacle is not None and "key_in_place_of_name" not in {warning.code for warning in warnings}:
        text = message(obstacle, obstacle_details(facts, settings.provider))
        warnings.append(RouteWarning(code=obstacle, message=text))
    warnings += profile_warnings(facts, settings)
    if is_unencrypted(settings.upstream_base):
        text = ROUTE_WARNINGS["upstream_unencrypted"].filled({"upstream_base": settings.upstream_base})
        warnings.append(RouteWarning(code="upstream_unencrypted", message=text))
    return tuple(warnings)


def profile_warnings(facts: Facts, settings: Settings) -> list[RouteWarning]:
    """Return a warning for each profile file that has a URL of its own for the proxy's provider."""
    return [
        RouteWarning(code="profile_passes_proxy", message=ROUTE_WARNINGS["profile_passes_proxy"].filled(own.details))
        for own in profile_urls(facts, settings)
    ]


def warning_fields(warnings: Sequence[RouteWarning], codes: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the result's fields about warnings: `codes` and those of the route, and the sentences of the route's."""
    sentences = [f"{warning.message.sentence} {warning.message.action}" for warning in warnings]
    return {
        "warnings": [*codes, *dict.fromkeys(warning.code for warning in warnings)],
        "warning_messages": sentences,
    }


def key_warnings(facts: Facts, provider: str) -> Iterator[RouteWarning]:
    """Yield a warning for each flawed key of a provider."""
    for key in facts.flawed_keys:
        if key.provider == provider:
            code = flaw_code(key)
            reason = "" if key.flaw is KeyFlaw.KEY_AS_NAME else FLAWS[key.flaw]
            text = ROUTE_WARNINGS[code].filled({"place": key.place, "reason": reason})
            yield RouteWarning(code=code, message=text, place=key.place, flaw=key.flaw)


def check_names(facts: Facts, settings: Settings) -> None:
    """Refuse a key that stands where a variable's name belongs; raises Refused(key_in_place_of_name)."""
    for key in facts.flawed_keys:
        if key.provider == settings.provider and key.flaw is KeyFlaw.KEY_AS_NAME:
            raise Refused("key_in_place_of_name", place=key.place)
