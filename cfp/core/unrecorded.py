"""The owner of a loopback URL in config.toml, and a proxy of ours there that nothing records.

Other programs serve models on this machine too, and theirs stay: a URL is ours by a record, by a worker that answers,
or by what an older version leaves behind, never by its form.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cfp.codex import config_toml
from cfp.core.facts import Facts, PortState
from cfp.core.provider import active_provider, configured_urls, provider_url, providers
from cfp.core.settings import loopback_port
from cfp.layout import DEFAULT_PROXY_BASE
from journal.values import Unmergeable

# Default ports of model servers: Jan, LM Studio, LiteLLM, vLLM, llama.cpp, Ollama, SGLang.
_MODEL_SERVERS: Final = frozenset({1337, 1234, 4000, 8000, 8080, 11434, 30000})
# Keys of a provider's table by which Codex finds the key that it sends.
_KEY_SOURCES: Final = (
    *("env_key", "experimental_bearer_token", "requires_openai_auth", "auth"),
    *("http_headers", "env_http_headers"),
)


class Owner(enum.Enum):
    """The owner of a URL."""

    OTHER = "other"  # the user's own value
    OURS = "ours"  # an address that the proxy has, or had
    TAKEN = "taken"  # an address that the proxy had, at which another program answers now


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecordedProxy:
    """The provider in config.toml, and its URL, which is the proxy's; `certain`: by more than what backups have."""

    provider: str
    url: str
    certain: bool = True


def owner_of(facts: Facts, url: str) -> Owner:
    """Return the owner of a URL, in any spelling that leads to the same port of this machine."""
    port = loopback_port(url)
    if port is None:
        return Owner.OTHER
    if port in _present_ports(facts):
        return Owner.OURS
    if port not in {address.port for address in facts.addresses}:
        return Owner.OTHER
    return Owner.TAKEN if _another_answers(facts, port) else Owner.OURS


def _present_ports(facts: Facts) -> set[int]:
    settings = (facts.settings, facts.manifest.settings if facts.manifest else None)
    workers = (facts.running_worker, *facts.draining)
    return {place.port for place in (*settings, *workers) if place is not None}


def _another_answers(facts: Facts, port: int) -> bool:
    """Whether a program that is no proxy of any home listens there."""
    program = facts.at_port(port)
    return program is not None and program.state is PortState.FOREIGN and not program.barred


def own_urls(facts: Facts, doc: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each provider of a config whose URL is ours, and the URL."""
    for provider, url in configured_urls(doc).items():
        if owner_of(facts, url) is Owner.OURS:
            yield provider, url


def find_unrecorded_proxy(facts: Facts) -> UnrecordedProxy | None:
    """Return the proxy that config.toml points at without a record; None where it points at none, or there is one."""
    doc = facts.config.doc
    if facts.manifest is not None or doc is None:
        return None
    provider = facts.settings.provider if facts.settings else active_provider(doc)
    url = provider_url(doc, provider) if provider else None
    if provider is None or url is None or loopback_port(url) is None:
        return None
    if _is_ours(facts, url):
        return UnrecordedProxy(provider=provider, url=url)
    if is_left_behind(facts, provider, url):
        return UnrecordedProxy(provider=provider, url=url, certain=False)
    return None


def _is_ours(facts: Facts, url: str) -> bool:
    owner = owner_of(facts, url)
    if owner is Owner.OURS:
        return True
    if facts.settings is not None or facts.running_worker is not None:
        return False
    if facts.hook_entries or owner is Owner.TAKEN:
        return bool(facts.hook_entries)
    # An older version deleted all its state and left its address, at which nobody may be answering now. It is the
    # default one, or the one that an install takes: whatever served there, the proxy cannot be its own upstream.
    return any(
        port_fact is not None
        and port_fact.state is PortState.FREE
        and url == f"http://{port_fact.host}:{port_fact.port}{DEFAULT_PROXY_BASE}"
        for port_fact in (facts.candidate, facts.default_address)
    )


def is_left_behind(facts: Facts, provider: str, url: str) -> bool:
    """Whether the URL is a former one of ours that version 0.2.0 took for the user's own and backed up.

    Nobody answers there, a backup has it too, and another backup has the provider with another URL and the very same
    key: only we change a URL and nothing else. The usual port of a model server is none of ours, and neither is a URL
    that this version has recorded as the user's: it never takes an address of ours for that.
    """
    port = loopback_port(url)
    if port in {loopback_port(address.before or "") for address in facts.addresses}:
        return False
    program = None if port is None else facts.at_port(port)
    if port in _MODEL_SERVERS or program is None or program.state is not PortState.FREE:
        return False
    tables = [(provider_url(doc, provider), key_source(doc, provider)) for _, _, doc in parsed_backups(facts)]
    in_backup = any(loopback_port(former or "") == port for former, _ in tables)
    present = key_source(facts.config.root, provider)
    return in_backup and any(
        loopback_port(former or "") != port and source is not None and source == present for former, source in tables
    )


def parsed_backups(facts: Facts) -> Iterator[tuple[str, bytes, Mapping[str, Any]]]:
    """Yield path, bytes and document of each backup that parses, newest first."""
    for path, data in facts.backup_contents:
        try:
            yield path, data, config_toml.parse(data)
        except Unmergeable:
            continue


def key_source(doc: Mapping[str, Any], provider: str) -> Mapping[str, Any] | None:
    """Return the part of a config by which Codex finds the provider's key; None where it has no such provider.

    The built-in provider's key is the login, whatever its URL: {}.
    """
    if provider not in providers(doc):
        return {} if provider == "openai" else None
    table = providers(doc)[provider]
    return {name: table[name] for name in _KEY_SOURCES if name in table}
