"""The block of a result that install, set-upstream and status share: the route, the tier and the key."""

from __future__ import annotations

import sys
from typing import Any

from cfp.core.facts import Facts
from cfp.core.policy import effective_policy, fast_behavior
from cfp.core.provider import BUILT_IN
from cfp.core.settings import Settings
from cfp.messages.chatgpt_login import HINTS, PREPARATIONS, HintCode, PreparationCode


def key_available(facts: Facts, settings: Settings) -> bool:
    """Whether the key that the proxy sends is there; True where it passes Codex's on."""
    if settings.upstream_api_key_file:
        return settings.provider in facts.provider_keys
    env = settings.upstream_api_key_env
    return env is None or env in facts.environment | facts.user_environment | facts.auth_names


def key_persistent(facts: Facts, settings: Settings) -> bool:
    """Whether that key will be there in a new login session."""
    env = settings.upstream_api_key_env
    if env is None or env in facts.dotenv | facts.user_environment:
        return True
    return env not in facts.environment and env in facts.auth_names


def hint_code(facts: Facts, settings: Settings) -> HintCode:
    """Return the requirement of a ChatGPT login; a closed set of the results."""
    if settings.overrides_auth and key_available(facts, settings):
        return "ready" if key_persistent(facts, settings) else "needs_persistent_env"
    return "needs_auth_split" if facts.login.has_chatgpt else "optional_setup_available"


def preparation_code(facts: Facts, settings: Settings) -> PreparationCode:
    """Return the state of the provider's key in provider-auth.json; a closed set of the results."""
    if settings.provider in facts.provider_keys:
        return "prepared"
    if settings.upstream_api_key_env is not None and key_available(facts, settings):
        return "prepared" if key_persistent(facts, settings) else "needs_persistent_env"
    return "not_prepared" if facts.login.has_chatgpt else "optional"


def route_and_auth(facts: Facts, settings: Settings, *, pending: bool = False) -> dict[str, Any]:
    """Return the shared block, with names and places of keys, never a key.

    pending  the running worker serves older settings: the key of the saved ones is not on the wire yet
    """
    effective = effective_policy(settings.service_tier_policy, facts.login, opted_out=facts.opted_out)
    available = key_available(facts, settings)
    preparation, hint = preparation_code(facts, settings), hint_code(facts, settings)
    text = HINTS[hint]
    if pending and hint == "ready":
        hint, text = "needs_auth_split", HINTS["not_loaded_yet"]
    block: dict[str, Any] = {
        "provider": settings.provider,
        "base_url": settings.base_url,
        "upstream_base": settings.upstream_base,
        "service_tier": settings.service_tier,
        "service_tier_policy": settings.service_tier_policy,
        "service_tier_effective_policy": effective,
        "fast_behavior": fast_behavior(settings.service_tier_policy, facts.login),
        "login_mode": facts.login,
        "upstream_auth": settings.upstream_auth,
        "upstream_api_key_env": settings.upstream_api_key_env,
        "upstream_api_key_file": settings.upstream_api_key_file,
        "upstream_api_key_ref": _reference(settings),
        "upstream_api_key_available": available,
        "upstream_api_key_source": _source(facts, settings) if available else None,
        "upstream_api_key_persistent": key_persistent(facts, settings) if settings.overrides_auth else None,
        "chatgpt_login_compatible": settings.provider == BUILT_IN
        or (settings.overrides_auth and available and not pending),
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
        return f"provider_auth_file:{settings.provider}"
    return f"env:{settings.upstream_api_key_env}" if settings.upstream_api_key_env else None


def _source(facts: Facts, settings: Settings) -> str | None:
    if settings.upstream_api_key_file:
        return "provider_auth_file"
    if settings.upstream_api_key_env is None:
        return None
    if settings.upstream_api_key_env in facts.environment:
        return "process_env"
    return "windows_user_env" if settings.upstream_api_key_env in facts.user_environment else "auth_json_fallback"
