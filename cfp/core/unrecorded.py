"""Whether config.toml points at a proxy of ours that nothing records: what a lost state folder leaves behind."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from cfp.core.facts import Facts, PortFact, PortState
from cfp.core.provider import active_provider, provider_url
from cfp.layout import DEFAULT_PROXY_BASE

# The only form of URL that any version of ours has written.
OUR_URL: Final = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\]):\d+/\S*\Z")


def unrecorded(facts: Facts) -> tuple[str, str] | None:
    """The provider that points at a proxy of which there is no record, and its URL; None where none does."""
    doc = facts.config.doc
    if facts.manifest is not None or doc is None:
        return None
    provider = facts.settings.provider if facts.settings else active_provider(doc)
    now = provider_url(doc, provider) if provider else None
    if provider is None or now is None or not OUR_URL.match(now) or not _is_ours(facts, now):
        return None
    return provider, now


def _is_ours(facts: Facts, url: str) -> bool:
    """Whether this loopback URL is a proxy's: others serve models on this machine too, and theirs stay."""
    if facts.settings is not None:
        return url == facts.settings.base_url
    worker = running(facts)
    if worker is not None:
        parts = urlsplit(url)
        return (parts.hostname, parts.port) == (worker.host, worker.port)
    if facts.hook_entries:
        return True
    # A version that deleted all its state left its address and nothing else; nobody may be answering there. It is the
    # default one, or the one that an install asks for: whoever served there, the proxy cannot be its own upstream.
    at = facts.candidate
    return at is not None and at.state is PortState.FREE and url == f"http://{at.host}:{at.port}{DEFAULT_PROXY_BASE}"


def running(facts: Facts) -> PortFact | None:
    """The worker of this home that runs now, at the saved or at the asked address, or wherever its process says."""
    for at in (facts.worker, facts.candidate, facts.stray):
        if at is not None and at.state is PortState.OURS:
            return at
    return None
