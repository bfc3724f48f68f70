"""The settings that a command line leads to: its flags, else the saved settings, else the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from cfp.codex.compare import equivalent
from cfp.codex.config_toml import parse as parse_config
from cfp.core.facts import Facts
from cfp.core.keys.flaws import may_be_a_key
from cfp.core.provider import BUILT_IN_URL, Target, is_same_url, provider_url, providers, url_key
from cfp.core.route_report import check_names
from cfp.core.settings import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    DEFAULT_TIER,
    Policy,
    Settings,
    loopback_port,
    upstream_url,
    validate,
)
from cfp.core.unrecorded import Owner, owner_of
from cfp.core.wire.key import key_available
from cfp.core.wire.steps import key_steps
from cfp.errors import ConfigDrift, Refused, UsageError
from cfp.layout import DEFAULT_PROXY_BASE
from journal.values import Unmergeable

Value = TypeVar("Value", str, int, bool, tuple[str, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """The flags of the command line; None means "as saved, else the default".

    upstream                the saved upstream whose route this is; no flag, as the next one
    upstream_api_key_entry  the entry of its key in provider-auth.json
    """

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
    codex_key_env: str | None = None  # "": Codex's own keys of config.toml go
    pass_rate_limits: bool | None = None
    catalogue: bool | None = None
    service_tier_rules: tuple[str, ...] | None = None
    fast_requests_a_day: int | None = None  # 0: no limit
    fast_tokens_a_day: int | None = None
    upstream: str | None = None
    upstream_api_key_entry: str | None = None


def check_key(facts: Facts, settings: Settings) -> None:
    """Refuse an auth override whose key is missing, and a key in a name's place: every request would fail.

    Raises Refused.
    """
    if not settings.overrides_auth:
        check_names(facts, settings)
    if key_available(facts, settings):
        return
    variable = settings.upstream_api_key_env
    if variable is None:
        raise Refused("provider_key_missing", provider=settings.provider, **key_steps(facts, settings.provider))
    if may_be_a_key(variable):
        raise Refused("invalid_env_name")  # its sentence does not repeat the name
    raise Refused("upstream_key_missing", variable=variable)


def candidate_settings(facts: Facts, request: RouteRequest, target: Target) -> Settings:
    """Return the settings that the request leads to; raises Refused where they cannot be served."""
    sources = (
        request.upstream_api_key_env is not None,
        request.use_provider_auth_file,
        request.clear_upstream_auth or bool(request.codex_key_env),  # which is a way of passing on what Codex sends
    )
    if sum(sources) > 1:
        raise UsageError("two_auth_sources")
    recorded = facts.recorded_settings
    saved = recorded if recorded is not None and recorded.provider == target.provider else None
    upstream = _upstream(facts, request, target, saved)
    if saved is None or any(sources):
        key_env, key_file = request.upstream_api_key_env, request.use_provider_auth_file
        name, entry = request.upstream, request.upstream_api_key_entry
        if name is None and key_file and saved is not None and is_same_url(upstream, saved.upstream_base):
            name, entry = _saved_entry(saved)
    else:
        _check_saved_key(request, saved, upstream)
        key_env, key_file = saved.upstream_api_key_env, saved.upstream_api_key_file
        name, entry = saved.upstream, saved.upstream_api_key_entry
        if not is_same_url(upstream, saved.upstream_base):
            name = entry = None
    return validate(
        Settings(
            provider=target.provider,
            upstream_base=upstream,
            host=_flag_or(request.host, recorded.host if recorded else DEFAULT_HOST),
            port=_flag_or(request.port, recorded.port if recorded else DEFAULT_PORT),
            proxy_base=_flag_or(request.proxy_base, recorded.proxy_base if recorded else DEFAULT_PROXY_BASE),
            service_tier=_flag_or(request.service_tier, saved.service_tier if saved else DEFAULT_TIER),
            service_tier_policy=request.service_tier_policy or (saved.service_tier_policy if saved else Policy.AUTO),
            upstream_api_key_env=key_env,
            upstream_api_key_file=key_file,
            upstream_api_key_entry=entry,
            upstream=name,
            pass_rate_limits=_flag_or(request.pass_rate_limits, saved.pass_rate_limits if saved else False),
            fast_requests_a_day=_limit(request.fast_requests_a_day, saved.fast_requests_a_day if saved else None),
            fast_tokens_a_day=_limit(request.fast_tokens_a_day, saved.fast_tokens_a_day if saved else None),
            catalogue=_flag_or(request.catalogue, saved.catalogue if saved else False),
            service_tier_rules=_flag_or(request.service_tier_rules, saved.service_tier_rules if saved else ()),
        )
    )


def _saved_entry(saved: Settings) -> tuple[str | None, str | None]:
    """Return the active upstream and the entry of its key; the provider's may be for another URL.

    Raises Refused(upstream_key_not_kept).
    """
    if saved.upstream is not None and not saved.upstream_api_key_file:
        raise Refused("upstream_key_not_kept", name=saved.upstream, upstream_base=saved.upstream_base)
    return saved.upstream, saved.upstream_api_key_entry


def _flag_or(value: Value | None, default: Value) -> Value:
    """Return the flag's value, also an empty text or 0, which `validate` refuses."""
    return default if value is None else value


def _limit(flag: int | None, saved: int | None) -> int | None:
    """Return a limit, None for none; a flag of 0 lifts the saved one."""
    return saved if flag is None else flag or None


def _upstream(facts: Facts, request: RouteRequest, target: Target, saved: Settings | None) -> str:
    """Return the provider's URL: the flag's, else the saved one where config.toml names no other, else config.toml's.

    Raises Refused(upstream_is_proxy) for an address of ours, ConfigDrift(former_address_taken) for a former one at
    which another program answers, unless the flag names it.
    """
    if request.upstream_base is not None:
        return _not_ours(facts, upstream_url(request.upstream_base), target, explicit=True)
    if saved is not None and _names_no_other(facts, target, saved):
        return saved.upstream_base
    if target.url is not None:
        return _not_ours(facts, upstream_url(target.url), target, explicit=False)
    if not target.built_in:
        raise Refused("upstream_unknown", provider=target.provider)
    if facts.login.has_chatgpt:
        raise Refused("built_in_with_chatgpt_login")
    return BUILT_IN_URL


def _names_no_other(facts: Facts, target: Target, saved: Settings) -> bool:
    """Whether config.toml still means the saved route: it has an address of ours or the saved URL, or says nothing.

    An address of ours, or a URL that was deleted since the install, means the URL that the baseline has there.
    """
    if is_same_url(target.url, saved.upstream_base):
        return True
    present = provider_url(facts.config.root, saved.provider)
    if not facts.is_installed:
        return target.url is None or (present is not None and loopback_port(present) == saved.port)
    is_ours = present is None or owner_of(facts, present) is Owner.OURS
    return is_ours and is_same_url(target.url, _recorded_before(facts, saved))


def _recorded_before(facts: Facts, saved: Settings) -> str | None:
    """Return the provider's URL in config.toml before the install."""
    manifest = facts.manifest
    edits = manifest.config.edits if manifest is not None else None
    urls = [edit.before for edit in edits or () if edit.path == url_key(saved.provider)]
    url = urls[0] if urls else saved.upstream_base
    return url if isinstance(url, str) else None


def _not_ours(facts: Facts, url: str, target: Target, *, explicit: bool) -> str:
    owner = owner_of(facts, url)
    if owner is Owner.OURS:
        raise Refused("upstream_is_proxy", upstream_base=url)
    if owner is Owner.TAKEN and not explicit:
        raise ConfigDrift("former_address_taken", provider=target.provider, url=url, key=".".join(target.url_key))
    return url


def _check_saved_key(request: RouteRequest, saved: Settings | None, upstream: str) -> None:
    """Refuse to send a saved key to another URL than the one that it was saved for, unless a flag says so.

    A saved upstream's key is its own, so that another URL needs a flag for the key, too. Raises
    ConfigDrift(saved_key_for_other_url), Refused(key_of_saved_upstream).
    """
    if saved is None or not saved.overrides_auth or is_same_url(upstream, saved.upstream_base):
        return
    if request.upstream_base is None:
        raise ConfigDrift(
            "saved_key_for_other_url", provider=saved.provider, url=upstream, upstream_base=saved.upstream_base
        )
    if saved.upstream is not None:
        raise Refused("key_of_saved_upstream", name=saved.upstream, upstream_base=saved.upstream_base)


def route_changed(facts: Facts, settings: Settings, doc: Mapping[str, Any]) -> bool:
    """Whether URL, tier, policy, auth or the provider's table differ from those that an enabled home has.

    doc  config.toml without our changes; its table may have another key or other headers than the recorded backup
    """
    saved = facts.settings
    if saved is None or not facts.is_installed:
        return True
    here = {name: getattr(settings, name) for name in ("host", "port", "proxy_base", "catalogue")}
    if replace(saved, **here) != settings:
        return True
    try:
        backup = parse_config(facts.recorded_backup)
    except Unmergeable:
        return True
    return facts.recorded_backup is not None and not equivalent(_table(backup, settings), _table(doc, settings))


def _table(doc: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the provider's table without its URL, which the settings have."""
    return {name: value for name, value in providers(doc).get(settings.provider, {}).items() if name != "base_url"}
