"""The decision of `prepare-chatgpt-login`: the provider's key, copied into provider-auth.json."""

from __future__ import annotations

from dataclasses import dataclass

from cfp.core.facts import Facts
from cfp.core.keys.provider_auth import stored_keys, with_key
from cfp.core.provider import choose_provider
from cfp.core.state import ConfiguredUrl, configured_url
from cfp.errors import ConfigDrift
from journal.values import FileChange


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPlan:
    """The whole effect; `change` None where the file has this key already."""

    provider: str
    target_exists: bool
    matches: bool
    change: FileChange | None


def login_provider(facts: Facts, requested: str | None) -> str:
    """Return the provider whose key is copied: the requested, else the saved, else the active one.

    Raises Refused, and ConfigDrift(provider_repointed) where the proxy would send the key to the saved URL while
    config.toml has it for another one.
    """
    settings = facts.settings
    provider = choose_provider(facts.codex_config, requested or (settings.provider if settings else None)).provider
    is_in_use = settings is not None and settings.upstream_api_key_file and settings.provider == provider
    if is_in_use and configured_url(facts) is ConfiguredUrl.FOREIGN:
        raise ConfigDrift("provider_repointed", provider=provider)
    return provider


def plan_prepare_login(facts: Facts, provider: str, key: str, present: bytes | None) -> LoginPlan:
    """Decide what to write; `present` is provider-auth.json as it is. Raises Refused(provider_auth_invalid)."""
    stored = stored_keys(present).get(provider)
    after = with_key(present, provider, key)
    change = FileChange(path=facts.layout.provider_auth, before=present, after=after, secret=True)
    return LoginPlan(
        provider=provider,
        target_exists=stored is not None,
        matches=stored == key,
        change=None if stored == key else change,
    )
