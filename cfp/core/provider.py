"""The provider in config.toml that a command is about, and the key of its URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cfp.codex.refusals.config import BUILT_IN_IDS
from cfp.errors import Refused
from journal.values import KeyPath

BUILT_IN = "openai"
BUILT_IN_URL = "https://api.openai.com/v1"
_OPENAIS_DOMAINS = ("openai.com", "chatgpt.com")

# Codex refuses a whole config that redefines one of these ids (Codex 0.169).
RESERVED = BUILT_IN_IDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The provider to switch.

    url_key    the key in config.toml that holds its URL
    url        the value of that key, None for none
    active     Codex uses this provider already
    activate   `model_provider` is to be set to it
    """

    provider: str
    url_key: KeyPath
    url: str | None
    active: bool
    activate: bool = False

    @property
    def built_in(self) -> bool:
        return self.provider == BUILT_IN

    @property
    def table(self) -> KeyPath:
        return () if self.built_in else ("model_providers", self.provider)


def providers(doc: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the custom providers of a config, by id."""
    table = doc.get("model_providers")
    if not isinstance(table, Mapping):
        return {}
    return {name: entry for name, entry in table.items() if isinstance(entry, Mapping)}


def url_key(provider: str) -> KeyPath:
    """Return the key of the provider's URL: Codex reads the built-in one's at top level (>= 0.116)."""
    return ("openai_base_url",) if provider == BUILT_IN else ("model_providers", provider, "base_url")


def env_key(doc: Mapping[str, Any], provider: str) -> str | None:
    """Return the name of the variable that holds the provider's key, None where it has none."""
    name = providers(doc).get(provider, {}).get("env_key")
    return name if isinstance(name, str) else None


def provider_url(doc: Mapping[str, Any], provider: str) -> str | None:
    """Return the provider's URL in this config, None where it has none."""
    url = doc.get("openai_base_url") if provider == BUILT_IN else providers(doc).get(provider, {}).get("base_url")
    return url if isinstance(url, str) else None


def configured_urls(doc: Mapping[str, Any]) -> dict[str, str]:
    """Return the URL of each provider that has one in this config, the built-in one's included."""
    urls = {name: provider_url(doc, name) for name in (*providers(doc), BUILT_IN)}
    return {name: url for name, url in urls.items() if url is not None}


def is_third_party(provider: str, url: str | None) -> bool:
    """Whether a provider at that URL is not OpenAI; openai_base_url can send the built-in one to anybody.

    url  None for a built-in provider without a URL of its own
    """
    if provider != BUILT_IN:
        return True
    host = "api.openai.com" if url is None else host_of(url).partition(":")[0]
    return not any(f".{host}".endswith(f".{domain}") for domain in _OPENAIS_DOMAINS)


def is_same_url(one: str | None, other: str | None) -> bool:
    """Whether two base URLs name one place: case of scheme and host, port 80 or 443 and slashes at the end aside."""
    return one == other or (one is not None and other is not None and _normal(one) == _normal(other))


def _normal(url: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(url.strip())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return (url,)
    user = parts.netloc.rpartition("@")[0]
    return (parts.scheme, user, parts.hostname or "", str(port), parts.path.rstrip("/"), parts.query, parts.fragment)


def selector_key(doc: Mapping[str, Any]) -> KeyPath:
    """Return the key that selects the provider: `model_provider`, or that of the profile which `profile` selects.

    Codex 0.130 takes the profile's. Later versions refuse a config with `profile`, so nothing is lost by it there.
    """
    name, profiles = doc.get("profile"), doc.get("profiles")
    table = profiles.get(name) if isinstance(name, str) and isinstance(profiles, Mapping) else None
    if isinstance(name, str) and isinstance(table, Mapping) and isinstance(table.get("model_provider"), str):
        return ("profiles", name, "model_provider")
    return ("model_provider",)


def active_provider(doc: Mapping[str, Any]) -> str | None:
    """Return the provider that Codex uses: the selected, else the built-in one; None where that is ambiguous."""
    provider = selected_provider(doc)
    if isinstance(provider, str):
        return provider
    return None if providers(doc) and "openai_base_url" not in doc else BUILT_IN


def selected_provider(doc: Mapping[str, Any]) -> Any:
    """Return the value of the selecting key, None without one."""
    value: Any = doc
    for name in selector_key(doc):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def choose_provider(doc: Mapping[str, Any], requested: str | None, *, activate: bool = False) -> Target:
    """Return the provider to switch: the requested, else the active one.

    Raises Refused: ambiguous_provider, unknown_provider, reserved_provider, activate_without_provider.
    """
    names = sorted(providers(doc))
    if activate and requested is None:
        raise Refused("activate_without_provider", choices=names)
    active = active_provider(doc)
    provider = active if requested is None else requested
    if provider is None:
        raise Refused("ambiguous_provider", choices=[*names, BUILT_IN])
    if provider != BUILT_IN:
        if provider in RESERVED:
            raise Refused("reserved_provider", provider=provider)
        if provider not in names:
            raise Refused("unknown_provider", provider=provider, choices=[*names, BUILT_IN])
    return Target(
        provider=provider,
        url_key=url_key(provider),
        url=provider_url(doc, provider),
        active=provider == active,
        activate=activate and selected_provider(doc) != provider,
    )


def host_of(url: str) -> str:
    """Return `host` or `host:port` of a URL, without user information; "" where it is no URL."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return ""


def without_secrets(url: str) -> str:
    """Return a URL without user information, query and fragment."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + mark + authority.rpartition("@")[2] + slash + path.split("?")[0].split("#")[0]
