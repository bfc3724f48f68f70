"""The outbound proxy: its URL, and the CONNECT request to it.

CONNECT        a tunnel to the upstream (RFC 9110 9.3.6): for https, and for WebSocket
absolute-form  the request names the upstream, and the proxy forwards it (RFC 9112 3.2.2): for plain http
SOCKS          always a tunnel
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from cfp.proxy.http.messages import Malformed, ResponseHead
from cfp.proxy.http.response_parser import ResponseParser

if TYPE_CHECKING:
    from python_socks.async_.asyncio import Proxy

_SOCKS: Final = {"socks": "SOCKS5", "socks5": "SOCKS5", "socks5h": "SOCKS5", "socks4": "SOCKS4", "socks4a": "SOCKS4"}
_PORTS: Final = {"http": 80, "https": 443}
_SOCKS_PORT: Final = 1080
_MAX_HEAD: Final = 16 * 1024
_OUTAGES: Final = frozenset({502, 503, 504})


class TunnelRefused(Exception):
    """The proxy did not open the tunnel; the text is the reason and holds no secret.

    passing  an outage: the proxy reaches the upstream no more, or has closed the connection
    """

    def __init__(self, reason: str, *, passing: bool) -> None:
        super().__init__(reason)
        self.passing = passing


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundProxy:
    """One outbound proxy."""

    scheme: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> OutboundProxy:
        """Parse a proxy's URL; raises ValueError where it has no host or an unknown scheme."""
        parts = urlsplit(url)
        host = parts.hostname
        if not host or (parts.scheme not in _PORTS and parts.scheme not in _SOCKS):
            raise ValueError(parts.scheme)
        return cls(
            scheme=parts.scheme,
            host=host,
            port=parts.port or _PORTS.get(parts.scheme, _SOCKS_PORT),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or ""),
        )

    @property
    def address(self) -> str:
        """The host and port, for messages: without credentials."""
        return f"{self.host}:{self.port}"

    @property
    def tls(self) -> bool:
        """Whether the connection to the proxy itself uses TLS."""
        return self.scheme == "https"

    @property
    def speaks_http(self) -> bool:
        return self.scheme in _PORTS

    @property
    def authorization(self) -> bytes | None:
        """The value of Proxy-Authorization (RFC 7617)."""
        if self.username is None:
            return None
        return b"Basic " + base64.b64encode(f"{self.username}:{self.password}".encode())

    def socks(self) -> Proxy:
        """Return the client for a SOCKS proxy; it resolves host names remotely."""
        from python_socks import ProxyType  # noqa: PLC0415  most workers have no outbound proxy
        from python_socks.async_.asyncio import Proxy  # noqa: PLC0415  most workers have no outbound proxy

        kind = ProxyType[_SOCKS[self.scheme]]
        password = self.password if self.username is not None else None
        return Proxy(kind, self.host, self.port, username=self.username, password=password, rdns=True)


class ConnectRequest(asyncio.Protocol):
    """Requests a tunnel on a new connection; `established` is a future that raises TunnelRefused on failure."""

    def __init__(self, authority: bytes, authorization: bytes | None) -> None:
        lines = [b"CONNECT %s HTTP/1.1" % authority, b"Host: " + authority]
        if authorization is not None:
            lines.append(b"Proxy-Authorization: " + authorization)
        self._request = b"\r\n".join([*lines, b"", b""])
        self._transport: asyncio.Transport | None = None
        self._parser = ResponseParser(_MAX_HEAD)
        self._parser.expect(bodiless=True)
        self.established: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  create_connection gives no other
        self._transport = transport
        transport.write(self._request)

    def detach(self) -> asyncio.Transport:
        """Return the transport, paused: it belongs to the tunnel from then on."""
        transport, self._transport = self._transport, None
        assert transport is not None  # noqa: S101  the tunnel is established
        transport.pause_reading()
        return transport

    def close(self) -> None:
        """Close the connection, unless it has been detached."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        for event in self._parser.feed(data):
            if isinstance(event, ResponseHead) and event.status >= 200:
                self._settle(None if event.status < 300 else f"{event.status}", passing=event.status in _OUTAGES)
            elif isinstance(event, Malformed):
                self._settle("its response is not HTTP", passing=False)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._settle("it closed the connection", passing=True)

    def _settle(self, refusal: str | None, *, passing: bool) -> None:
        if self.established.done():
            return
        if refusal is None:
            self.established.set_result(None)
        else:
            self.established.set_exception(TunnelRefused(refusal, passing=passing))
