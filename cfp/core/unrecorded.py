"""A proxy of ours that config.toml points at and nothing records: the remains of a lost state folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from cfp.core.facts import Facts, PortState
from cfp.core.provider import active_provider, provider_url
from cfp.layout import DEFAULT_PROXY_BASE

# The only form of URL that any version of ours has written.
OUR_URL: Final = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\]):\d+/\S*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecordedProxy:
    """The provider in config.toml, and its URL, which is the proxy's."""

    provider: str
    url: str


def find_unrecorded_proxy(facts: Facts) -> UnrecordedProxy | None:
    """Return the proxy that config.toml points at without a record; None where it points at none, or there is one."""
    doc = facts.config.doc
    if facts.manifest is not None or doc is None:
        return None
    provider = facts.settings.provider if facts.settings else active_provider(doc)
    url = provider_url(doc, provider) if provider else None
    if provider is None or url is None or not OUR_URL.match(url) or not _is_ours(facts, url):
        return None
    return UnrecordedProxy(provider=provider, url=url)


def _is_ours(facts: Facts, url: str) -> bool:
    """Whether this loopback URL is a proxy's: other programs serve models on this machine too, and theirs stay."""
    if facts.settings is not None:
        return url == facts.settings.base_url
    worker = facts.running_worker
    if worker is not None:
        parts = urlsplit(url)
        return (parts.hostname, parts.port) == (worker.host, worker.port)
    if facts.hook_entries:
        return True
    # An older version deleted all its state and left its address, at which nobody may be answering now. It is the
    # default one, or the one that an install takes: whatever served there, the proxy cannot be its own upstream.
    return any(
        port_fact is not None
        and port_fact.state is PortState.FREE
        and url == f"http://{port_fact.host}:{port_fact.port}{DEFAULT_PROXY_BASE}"
        for port_fact in (facts.candidate, facts.default_address)
    )
