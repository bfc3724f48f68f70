"""The route that is in force: the provider, its URL and the tier, with the file that sets each.

Codex's own answer where a CLI was asked, else our reading of the files: the user's config.toml over the
administrator's, managed_config.toml over both, requirements.toml over all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cfp.codex.app_server.answers import Setting
from cfp.codex.config_toml import lookup, merged
from cfp.codex.refusals.config import selected_profile
from cfp.core.facts import Facts
from cfp.core.provider import BUILT_IN, active_provider, provider_url, url_key, without_secrets
from cfp.core.settings import Settings
from cfp.core.state import uses_proxy
from cfp.errors import Refused
from journal.values import ABSENT, KeyPath

_ROUTING: Final = frozenset({"model_provider", "model_providers", "openai_base_url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteInForce:
    """The settings in force; None for one that no file sets, and that Codex has a value of its own for."""

    provider: Setting | None
    base_url: Setting | None
    service_tier: Setting | None

    @property
    def provider_name(self) -> str:
        return BUILT_IN if self.provider is None else str(self.provider.value)

    def to_json(self) -> dict[str, Any]:
        """Return the block `route_in_force`."""
        url = self.base_url
        plain = None if url is None else Setting(value=without_secrets(str(url.value)), origin=url.origin)
        return {
            "provider": _json(self.provider),
            "base_url": _json(plain),
            "service_tier": _json(self.service_tier),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A key that another file than config.toml sets for good, and its value there."""

    file: str
    key: str
    value: str

    @property
    def details(self) -> dict[str, str]:
        return {"file": self.file, "key": self.key, "value": self.value}


def route_in_force(facts: Facts) -> RouteInForce | None:
    """Return the route of a session without flags; None where Codex refuses the configuration."""
    answers = facts.codex
    if answers is not None and answers.refusal:
        return None
    if answers is not None and _profile(facts) is None:  # app-server names what that profile covers (Codex 0.130)
        return RouteInForce(provider=answers.provider, base_url=answers.base_url, service_tier=answers.service_tier)
    provider = _setting(facts, ("model_provider",))
    name = BUILT_IN if provider is None else str(provider.value)
    return RouteInForce(
        provider=provider, base_url=_setting(facts, url_key(name)), service_tier=_setting(facts, ("service_tier",))
    )


def place_of_tier(facts: Facts) -> str:
    """Return the file that states the tier in force, for a sentence."""
    route = route_in_force(facts)
    tier = None if route is None else route.service_tier
    return tier.origin if tier is not None and tier.origin else "Codex's configuration"


def override(facts: Facts, settings: Settings) -> Override | None:
    """Return the file that leads Codex past the proxy, although config.toml points there; None where none does."""
    route = route_in_force(facts)
    if route is None or not uses_proxy(facts):
        return None
    return _override(route, settings.provider)


def check_override(facts: Facts, provider: str) -> None:
    """Refuse to switch a provider that Codex would not use, or whose URL is not ours to set; raises Refused."""
    route = route_in_force(facts)
    obstacle = None if route is None else _override(route, provider)
    if obstacle is not None:
        raise Refused("route_overridden", **obstacle.details)


def leading_profiles(facts: Facts, settings: Settings) -> tuple[str, ...]:
    """Return the profile files that lead Codex past the proxy: by another provider, or by a URL of their own."""
    routing = {name: doc for name, doc in facts.profiles.items() if _ROUTING & doc.keys()}
    return tuple(name for name, doc in routing.items() if not _leads_to_proxy(facts, doc, settings))


def profile_urls(facts: Facts, settings: Settings) -> tuple[Override, ...]:
    """Return the URL of the proxy's provider that a profile file sets itself, which no install switches."""
    key = url_key(settings.provider)
    return tuple(
        Override(file=str(facts.layout.home / name), key=".".join(key), value=without_secrets(url))
        for name, doc in facts.profiles.items()
        if (url := provider_url(doc, settings.provider)) is not None
        and url != settings.base_url
        and doc.get("model_provider", settings.provider) == settings.provider
    )


def other_provider(facts: Facts, settings: Settings) -> str | None:
    """Return the provider that Codex uses in place of the proxy's; None where it uses that one, if by a profile."""
    route = route_in_force(facts)
    if route is None or route.provider_name == settings.provider or not uses_proxy(facts):
        return None
    by_profile = any(doc.get("model_provider") == settings.provider for doc in facts.profiles.values())
    return None if by_profile else route.provider_name


def _leads_to_proxy(facts: Facts, profile: Mapping[str, Any], settings: Settings) -> bool:
    doc = merged(facts.codex_config, profile)
    return provider_url(doc, active_provider(doc) or BUILT_IN) == settings.base_url


def _override(route: RouteInForce, provider: str) -> Override | None:
    if route.provider is not None and route.provider.is_managed and route.provider_name != provider:
        return Override(file=route.provider.origin, key="model_provider", value=route.provider_name)
    url = route.base_url
    if route.provider_name == provider and url is not None and url.is_managed:
        return Override(file=url.origin, key=".".join(url_key(provider)), value=without_secrets(str(url.value)))
    return None


def _profile(facts: Facts) -> Mapping[str, Any] | None:
    return selected_profile(merged(facts.system.config, facts.config.root), facts.codex_version)


def _setting(facts: Facts, path: KeyPath) -> Setting | None:
    system = facts.system
    layers = (
        (system.requirements, system.layout.requirements, "requirements"),
        (system.managed, system.layout.managed, "managed"),
        (merged(facts.config.root, _profile(facts) or {}), facts.layout.config, "user"),
        (system.config, system.layout.config, "system"),
    )
    for doc, file, layer in layers:
        if (value := lookup(doc, path)) is not ABSENT:
            return Setting(value=value, origin=str(file), layer=layer)
    return None


def _json(setting: Setting | None) -> dict[str, Any] | None:
    return None if setting is None else {"value": setting.value, "origin": setting.origin}
