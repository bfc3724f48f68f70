"""Where requests of ours go and how they get there: the provider's URL, key, headers and query, by httpx."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx

from cfp.errors import Failed
from cfp.host.provider.keys import Extras, FoundKey
from cfp.host.provider.outbound import outbound_proxy, tls_context
from cfp.host.provider.socks import SocksTransport

_KEY: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")

# Said anew for the way to the provider; the rest of what Codex sends goes on. RFC 9110 7.6.1
_DROPPED: Final = frozenset(
    {
        *("authorization", "host", "content-length", "content-encoding", "accept-encoding", "expect"),
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
# What the worker drops too where a key of the user's choice stands in for Codex's own.
_IDENTITY: Final = frozenset(
    {"authorization", "cookie", "chatgpt-account-id", "openai-organization", "openai-project", "proxy-authorization"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderClient:
    """One provider as Codex would reach it.

    overrides  the key replaces Codex's own identity headers, as in the worker's override mode
    environ    for HTTPS_PROXY, NO_PROXY, CODEX_CA_CERTIFICATE and their like
    """

    upstream_base: str
    key: FoundKey | None
    environ: Mapping[str, str] = field(repr=False)
    extras: Extras = field(default_factory=Extras)
    overrides: bool = False
    context: ssl.SSLContext | None = None

    @property
    def host(self) -> str:
        """`host` or `host:port`, without user information."""
        return host_of(self.upstream_base)

    @property
    def proxy(self) -> str | None:
        """The outbound proxy's URL, which may hold credentials."""
        return outbound_proxy(self.upstream_base, self.environ)

    def checked(self) -> ProviderClient:
        """Return it with whom TLS trusts; raises Failed: upstream_tls, upstream_key_malformed (host, reason)."""
        if self.key is not None and not _KEY.fullmatch(self.key.secret.reveal()):
            raise Failed("upstream_key_malformed", host=self.host, reason="it holds a sign that no header can carry")
        secure = any(url.startswith("https:") for url in (self.upstream_base, self.proxy or ""))
        try:
            return replace(self, context=tls_context(self.environ) if secure else None)
        except Failed as error:
            raise Failed(error.code, host=self.host, **error.details) from error

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return a transport of its own, so that each exchange pays for one connection."""
        proxy = self.proxy
        if proxy is not None and proxy.startswith("socks"):
            return SocksTransport(proxy, self.context)
        through = None
        if proxy is not None:
            through = httpx.Proxy(proxy, ssl_context=self.context if proxy.startswith("https:") else None)
        return httpx.AsyncHTTPTransport(verify=self.context or False, proxy=through, trust_env=False)

    def request(
        self, headers: Iterable[tuple[str, str]], body: bytes, *, trace: Any, connect_seconds: float
    ) -> httpx.Request:
        """Return the POST; what Codex cannot send of the provider's own headers is left out, as Codex does."""
        dropped = _DROPPED | _IDENTITY if self.overrides else _DROPPED
        sent = {name.lower(): value for name, value in headers if name.lower() not in dropped}
        for name, secret in self.extras.headers:
            sendable = _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(secret.reveal())
            if sendable and not (self.overrides and name.lower() in _IDENTITY):
                sent[name.lower()] = secret.reveal()
        if self.key is not None:
            sent["authorization"] = f"Bearer {self.key.secret.reveal()}"
        sent |= {"content-type": "application/json", "accept-encoding": "identity"}
        query = urlencode([(name, secret.reveal()) for name, secret in self.extras.query])
        url = f"{self.upstream_base}/responses" + (f"?{query}" if query else "")
        extensions = {"trace": trace, "timeout": {"connect": connect_seconds}}
        return httpx.Request("POST", url, headers=sent, content=body, extensions=extensions)


def host_of(url: str) -> str:
    """`host` or `host:port` of a URL, without user information."""
    parts = urlsplit(url)
    return (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
