"""The settings that a command line leads to: its flags, else the saved settings, else the defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TypeVar

from cfp.core.facts import Facts
from cfp.core.provider import BUILT_IN_URL, Target
from cfp.core.route_report import key_available
from cfp.core.settings import DEFAULT_HOST, DEFAULT_PORT, DEFAULT_TIER, Policy, Settings, upstream_url, validate
from cfp.errors import Refused, UsageError
from cfp.layout import DEFAULT_PROXY_BASE

Value = TypeVar("Value", str, int)
_KEY_LENGTH = 16  # no provider's key is shorter


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """The flags of the command line; None means "as saved, else the default"."""

    prepare_only: bool = False
    provider: str | None = None
    activate_provider: bool = False
    host: str | None = None
    port: int | None = None
    proxy_base: str | None = None
    upstream_base: str | None = None
    service_tier: str | None = None
    service_tier_policy: Policy | None = None
    upstream_api_key_env: str | None = None
    use_provider_auth_file: bool = False
    clear_upstream_auth: bool = False


def check_key(facts: Facts, settings: Settings) -> None:
    """Refuse an auth override whose key is missing: every request would fail. Raises Refused."""
    if key_available(facts, settings):
        return
    variable = settings.upstream_api_key_env
    if variable is None:
        raise Refused("provider_key_missing", provider=settings.provider)
    if _may_be_a_key(variable):
        raise Refused("invalid_env_name")  # its sentence does not repeat the name
    raise Refused("upstream_key_missing", variable=variable)


def _may_be_a_key(name: str) -> bool:
    """Whether a variable's name looks like a key: a key's prefix, or long, with digits, unlike a name."""
    prefixed = re.match(r"(?:sk|rk|pk|gsk|xai)_", name) is not None
    name_like = re.fullmatch(r"[A-Z]+(?:_[A-Z0-9]+)*|[a-z]+(?:_[a-z0-9]+)*", name) is not None
    digits = any(sign.isdigit() for sign in name)
    return prefixed or (len(name) >= _KEY_LENGTH and digits and not name_like)


def candidate_settings(facts: Facts, request: RouteRequest, target: Target) -> Settings:
    """Return the settings that the request leads to; raises Refused where they cannot be served."""
    sources = (request.upstream_api_key_env is not None, request.use_provider_auth_file, request.clear_upstream_auth)
    if sum(sources) > 1:
        raise UsageError("two_auth_sources")
    recorded = facts.recorded_settings
    saved = recorded if recorded is not None and recorded.provider == target.provider else None
    if saved is None or any(sources):
        key_env, key_file = request.upstream_api_key_env, request.use_provider_auth_file
    else:
        key_env, key_file = saved.upstream_api_key_env, saved.upstream_api_key_file
    return validate(
        Settings(
            provider=target.provider,
            upstream_base=_upstream(facts, request, target, saved),
            host=_flag_or(request.host, recorded.host if recorded else DEFAULT_HOST),
            port=_flag_or(request.port, recorded.port if recorded else DEFAULT_PORT),
            proxy_base=_flag_or(request.proxy_base, recorded.proxy_base if recorded else DEFAULT_PROXY_BASE),
            service_tier=_flag_or(request.service_tier, saved.service_tier if saved else DEFAULT_TIER),
            service_tier_policy=request.service_tier_policy or (saved.service_tier_policy if saved else Policy.AUTO),
            upstream_api_key_env=key_env,
            upstream_api_key_file=key_file,
        )
    )


def _flag_or(value: Value | None, default: Value) -> Value:
    """Return the flag's value, also an empty text or 0, which `validate` refuses."""
    return default if value is None else value


def _upstream(facts: Facts, request: RouteRequest, target: Target, saved: Settings | None) -> str:
    """Return the provider's URL: the flag's, else that of the recorded installation, else config.toml's."""
    if request.upstream_base is not None:
        return upstream_url(request.upstream_base)
    if saved is not None and facts.is_installed:
        return saved.upstream_base
    own = saved.base_url if saved else None
    if target.url is not None and target.url != own:
        return upstream_url(target.url)
    if saved is not None:
        return saved.upstream_base
    if not target.built_in:
        raise Refused("upstream_unknown", provider=target.provider)
    if facts.login.has_chatgpt:
        raise Refused("built_in_with_chatgpt_login")
    return BUILT_IN_URL


def route_changed(facts: Facts, settings: Settings) -> bool:
    """Whether URL, tier, policy or auth differ from those that an enabled home has."""
    saved = facts.settings
    if saved is None or not facts.is_installed:
        return True
    return replace(saved, host=settings.host, port=settings.port, proxy_base=settings.proxy_base) != settings
