"""The decision of `prepare-chatgpt-login`: the provider's key, copied into provider-auth.json."""

from __future__ import annotations

from dataclasses import dataclass

from cfp.codex import config_toml
from cfp.core.facts import Facts
from cfp.core.keys.provider_auth import stored_keys, with_key
from cfp.core.plan.baseline import derive_baseline
from cfp.core.provider import choose_provider, is_same_url, provider_url
from cfp.core.settings import Settings, entry_of
from cfp.core.state import ConfiguredUrl, configured_url
from cfp.errors import ConfigDrift, Refused
from journal.values import FileChange


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPlan:
    """The whole effect; `change` None where the file has this key already."""

    provider: str
    target_exists: bool
    matches: bool
    change: FileChange | None


def login_provider(facts: Facts, requested: str | None, *, is_named: bool = True) -> str:
    """Return the provider whose key is copied: the requested, else the saved, else the active one.

    is_named  the user has named the key; otherwise it is the one that Codex sends

    Raises Refused (source_key_unchosen where the active upstream's URL is not the one of that key), and
    ConfigDrift(provider_repointed) where the proxy would send the key to the saved URL while config.toml has it for
    another one.
    """
    settings = facts.settings
    provider = choose_provider(facts.codex_config, requested or (settings.provider if settings else None)).provider
    if settings is None or not settings.upstream_api_key_file or settings.provider != provider:
        return provider
    if configured_url(facts) is ConfiguredUrl.FOREIGN:
        raise ConfigDrift("provider_repointed", provider=provider)
    if settings.upstream is not None and not is_named and not _is_at_home(facts, settings):
        raise Refused("source_key_unchosen", name=settings.upstream, upstream_base=settings.upstream_base)
    return provider


def _is_at_home(facts: Facts, settings: Settings) -> bool:
    """Whether the settings have the URL for which config.toml has its key."""
    baseline = config_toml.parse(derive_baseline(facts).config.content)
    return is_same_url(provider_url(baseline, settings.provider), settings.upstream_base)


def plan_prepare_login(facts: Facts, provider: str, key: str, present: bytes | None) -> LoginPlan:
    """Decide what to write; `present` is provider-auth.json as it is. Raises Refused(provider_auth_invalid)."""
    entries, keys = _entries(facts, provider), stored_keys(present)
    stored = next((keys[entry] for entry in entries if entry in keys), None)
    matches = all(keys.get(entry) == key for entry in entries)
    after = present
    for entry in entries:
        after = with_key(after, entry, key)
    change = FileChange(path=facts.layout.provider_auth, before=present, after=after, secret=True)
    return LoginPlan(
        provider=provider,
        target_exists=stored is not None,
        matches=matches,
        change=None if matches else change,
    )


def _entries(facts: Facts, provider: str) -> tuple[str, ...]:
    """Return the entries for the key: the one in use, and the one that the active upstream has of its own."""
    settings = facts.settings
    if settings is None or settings.provider != provider or not settings.upstream_api_key_file:
        return (provider,)
    own = () if settings.upstream is None else (entry_of(settings.upstream, settings.upstream_base),)
    return tuple(dict.fromkeys((settings.key_entry, *own)))
