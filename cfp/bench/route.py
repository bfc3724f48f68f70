"""Where requests go: the provider's URL, key, headers and query; one request there and back, by httpx."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import anyio  # noqa: F401 - httpcore would load it while the clock runs
import httpcore
import httpx

from cfp.bench.exchange import Exchange
from cfp.errors import Failed
from cfp.host.keys import Extras, FoundKey
from cfp.host.outbound import outbound_proxy, tls_context
from cfp.host.socks import SocksTransport

_CONNECT_S: Final = 30.0
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
    {"cookie", "chatgpt-account-id", "openai-organization", "openai-project", "proxy-authorization"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
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

    def checked(self) -> Route:
        """Return it with whom TLS trusts; raises Failed: upstream_tls, upstream_key_malformed (host)."""
        host = urlsplit(self.upstream_base).hostname or ""
        if self.key is not None and not _KEY.fullmatch(self.key.secret.reveal()):
            raise Failed("upstream_key_malformed", host=host)
        secure = any(url.startswith("https:") for url in (self.upstream_base, self._proxy or ""))
        try:
            context = tls_context(self.environ) if secure else None
        except Failed as error:
            raise Failed(error.code, host=host, **error.details) from error
        return Route(
            upstream_base=self.upstream_base,
            key=self.key,
            environ=self.environ,
            extras=self.extras,
            overrides=self.overrides,
            context=context,
        )

    @property
    def _proxy(self) -> str | None:
        return outbound_proxy(self.upstream_base, self.environ)

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return a transport of its own, so that each exchange pays for one connection."""
        proxy = self._proxy
        if proxy is not None and proxy.startswith("socks"):
            return SocksTransport(proxy, self.context)
        through = None
        if proxy is not None:
            through = httpx.Proxy(proxy, ssl_context=self.context if proxy.startswith("https:") else None)
        return httpx.AsyncHTTPTransport(verify=self.context or False, proxy=through, trust_env=False)

    def request(self, headers: Iterable[tuple[str, str]], body: bytes, trace: Any) -> httpx.Request:
        """Return the POST; what Codex cannot send of the provider's own headers is left out, as Codex does."""
        dropped = _DROPPED | _IDENTITY if self.overrides else _DROPPED
        sent = {name.lower(): value for name, value in headers if name.lower() not in dropped}
        for name, secret in self.extras.headers:
            sendable = _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(secret.reveal())
            if sendable and not (self.overrides and name.lower() in _IDENTITY | {"authorization"}):
                sent[name.lower()] = secret.reveal()
        if self.key is not None:
            sent["authorization"] = f"Bearer {self.key.secret.reveal()}"
        sent |= {"content-type": "application/json", "accept-encoding": "identity"}
        query = urlencode([(name, secret.reveal()) for name, secret in self.extras.query])
        url = f"{self.upstream_base}/responses" + (f"?{query}" if query else "")
        return httpx.Request(
            "POST", url, headers=sent, content=body, extensions={"trace": trace, "timeout": {"connect": _CONNECT_S}}
        )


class Answer:
    """The head of an answer, and its body piece by piece; a failure of the transport ends the pieces."""

    def __init__(self, response: httpx.Response, exchange: Exchange) -> None:
        self._response = response
        self._exchange = exchange
        self.status = response.status_code
        self.headers = tuple(response.headers.items())

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body decoded, as it arrives; the exchange has noted each piece."""
        try:
            async for piece in self._response.aiter_bytes():
                self._exchange.feed(piece, time.monotonic())
                yield piece
        except httpx.HTTPError as error:
            self._exchange.failed(type(error).__name__, time.monotonic())
        else:
            self._exchange.ended(time.monotonic())


@asynccontextmanager
async def asked(
    route: Route, headers: Iterable[tuple[str, str]], body: bytes, exchange: Exchange
) -> AsyncIterator[Answer | None]:
    """Send the request and yield the answer, None where there is none; what happens is noted in `exchange`."""
    connections: list[httpcore.AsyncNetworkStream] = []

    async def trace(event: str, details: Mapping[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            connections.append(details["return_value"])

    try:
        async with route.transport() as transport:
            try:
                response = await transport.handle_async_request(route.request(headers, body, trace))
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                exchange.failed(type(error).__name__, time.monotonic())
                yield None
                return
            async with aclosing(response):
                exchange.answered(response.status_code, response.headers.get("content-type"), time.monotonic())
                yield Answer(response, exchange)
    finally:
        for connection in connections:  # httpcore leaves it open where the time runs out in a handshake
            await connection.aclose()
