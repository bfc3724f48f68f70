"""New connections to the upstream: addresses, outbound proxies, TLS, and readable reasons for failures."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from time import time
from typing import Any, Final, TypeVar

from cfp.errors import Failed
from cfp.host.provider.outbound import outbound_proxy, tls_context
from cfp.host.provider.socket_errors import words_of
from cfp.proxy.config import Limits
from cfp.proxy.http.headers import ForwardProxy
from cfp.proxy.http.local_responses import LocalResponse
from cfp.proxy.upstream.origin import Origin
from cfp.proxy.upstream.outbound_proxy import ConnectRequest, OutboundProxy, TunnelRefused

P = TypeVar("P", bound=asyncio.BaseProtocol)
# RFC 8305 5: seconds before the next address is tried in parallel.
_HAPPY_EYEBALLS: Final = 0.25
# Seconds before an upstream that is away is tried again: doubled each time, up to the longest.
_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 2.0
# RFC 1928 6: the proxy reaches no network, no host or no listener.
_SOCKS_OUTAGES: Final = frozenset({3, 4, 5, 6})


class DialFailed(Exception):
    """No connection; `response` and `details` explain it to the client and hold no secret.

    passing  an outage, which may end without the user: the upstream or the network is away
    """

    def __init__(self, response: LocalResponse, *, passing: bool = False, **details: str) -> None:
        super().__init__(response.code)
        self.response = response
        self.passing = passing
        self.details = details


class Dialer:
    """Connects to one origin. The TLS context is built once: parsing the CA bundle takes longer than a handshake.

    away_at  when the upstream was last tried in vain, in seconds since the epoch; None once it can be reached
    """

    away_at: float | None = None

    def __init__(self, origin: Origin, base: str, environ: Mapping[str, str], limits: Limits) -> None:
        self._origin = origin
        self._base = base
        self._environ = environ
        self._limits = limits
        self._context: ssl.SSLContext | None = None
        self._hurried = asyncio.Event()

    def warm(self) -> None:
        """Import and build what a connection needs, before the first one; a failure is reported with its request."""
        with suppress(DialFailed, ValueError):
            proxy = self._proxy
            if self._origin.tls or (proxy is not None and proxy.tls):
                self._tls()
            if proxy is not None and not proxy.speaks_http:
                proxy.socks()

    @property
    def forward_proxy(self) -> ForwardProxy | None:
        """The HTTP proxy that requests a plain-http upstream for us in absolute-form; None without one."""
        try:
            proxy = self._proxy
        except ValueError:
            return None  # reported by `dial`
        if proxy is None or not proxy.speaks_http or self._origin.tls:
            return None
        return ForwardProxy(b"http://" + self._origin.host_field, proxy.authorization)

    @cached_property
    def _proxy(self) -> OutboundProxy | None:
        url = outbound_proxy(self._base, self._environ)
        return None if url is None else OutboundProxy.parse(url)

    async def dial(self, factory: Callable[[], P], *, tunnel: bool = False, patience: float = 0.0) -> P:
        """Return a connected protocol; raises DialFailed.

        tunnel    the connection must reach the upstream itself, even where `forward_proxy` could be used
        patience  seconds during which an upstream that is away is tried again
        """
        loop = asyncio.get_running_loop()
        deadline, wait = loop.time() + patience, _FIRST_WAIT
        while True:
            try:
                connection = await self._dial_once(factory, tunnel=tunnel)
            except DialFailed as failed:
                if failed.passing:
                    self.away_at = time()
                if not failed.passing or loop.time() + wait > deadline or await self._is_hurried(wait):
                    raise
            else:
                self.away_at = None
                return connection
            wait = min(2 * wait, _LONGEST_WAIT)

    def hurry(self) -> None:
        """Have no patience any more: this worker ends, and another one may have better settings."""
        self._hurried.set()

    async def _is_hurried(self, wait: float) -> bool:
        """Wait, and return True as soon as `hurry` has been called."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurried.wait(), wait)
        return self._hurried.is_set()

    async def _dial_once(self, factory: Callable[[], P], *, tunnel: bool) -> P:
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                return await self._connect(factory, tunnel=tunnel)
        except TimeoutError as error:
            raise self._unreachable(f"no connection within {self._limits.connect_seconds:g} seconds") from error
        except UnicodeError as error:
            raise self._unreachable("its name is not a host name", passing=False) from error
        except OSError as error:
            raise self._unreachable(reason_of(error), passing=may_pass(error)) from error

    async def _connect(self, factory: Callable[[], P], *, tunnel: bool) -> P:
        try:
            proxy = self._proxy
        except ValueError as error:
            raise DialFailed(LocalResponse.PROXY_SETTING) from error
        if proxy is None:
            origin = self._origin
            return await self._open(factory, origin.hostname, origin.port, self._tls() if origin.tls else None)
        try:
            if not proxy.speaks_http:
                return await self._connect_by_socks(proxy, factory)
            context = self._tls() if proxy.tls else None
            if self.forward_proxy is not None and not tunnel:
                return await self._open(factory, proxy.host, proxy.port, context)
            authority = b"%s:%d" % (self._origin.bare_host, self._origin.port)
            connect = ConnectRequest(authority, proxy.authorization)
            await self._open(lambda: connect, proxy.host, proxy.port, context)
        except OSError as error:
            reason = f"the outbound proxy {proxy.address}: {reason_of(error)}"
            raise self._unreachable(reason, passing=may_pass(error)) from error
        try:
            await connect.established
            return await self._connect_in_tunnel(connect, factory)
        except TunnelRefused as error:
            raise self._refused_by(proxy, error, passing=error.passing) from error
        finally:
            connect.close()

    async def _open(self, factory: Callable[[], P], host: str, port: int, context: ssl.SSLContext | None) -> P:
        loop = asyncio.get_running_loop()
        # Other loops than asyncio's own (uvloop) do not accept the argument. A literal address has no rival, and
        # the race, even of one, costs more than the connection.
        races = isinstance(loop, asyncio.BaseEventLoop) and not _is_address(host)
        options: dict[str, Any] = {"happy_eyeballs_delay": _HAPPY_EYEBALLS} if races else {}
        return (await loop.create_connection(factory, host, port, ssl=context, **options))[1]

    async def _connect_in_tunnel(self, connect: ConnectRequest, factory: Callable[[], P]) -> P:
        """Return a protocol that is connected to the upstream through an established tunnel."""
        transport = connect.detach()
        protocol = factory()
        try:
            if self._origin.tls:
                loop, context = asyncio.get_running_loop(), self._tls()
                name = self._origin.hostname
                tls_transport = await loop.start_tls(transport, protocol, context, server_hostname=name)
                assert tls_transport is not None  # noqa: S101  it raises instead
                protocol.connection_made(tls_transport)
            else:
                transport.set_protocol(protocol)
                protocol.connection_made(transport)
                transport.resume_reading()
        except BaseException:
            transport.abort()
            raise
        return protocol

    async def _connect_by_socks(self, proxy: OutboundProxy, factory: Callable[[], P]) -> P:
        from python_socks import ProxyError  # noqa: PLC0415  most workers have no outbound proxy

        try:
            sock = await proxy.socks().connect(self._origin.hostname, self._origin.port)
        except ProxyError as error:
            raise self._refused_by(proxy, error, passing=error.error_code in _SOCKS_OUTAGES) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = self._origin.tls
        context, name = (self._tls(), self._origin.hostname) if tls else (None, None)
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=name))[1]

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                self._context = tls_context(self._environ)
            except Failed as error:
                raise DialFailed(LocalResponse.CA_FILE, reason=str(error.details["reason"])) from error
            # HTTP/2 would delay the events of concurrent streams and save nothing here.
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    def _refused_by(self, proxy: OutboundProxy, error: Exception, *, passing: bool) -> DialFailed:
        return self._unreachable(f"the outbound proxy {proxy.address} refused ({error})", passing=passing)

    def _unreachable(self, reason: str, *, passing: bool = True) -> DialFailed:
        host = self._origin.host_field.decode()
        return DialFailed(LocalResponse.UNREACHABLE, passing=passing, host=host, reason=reason)


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return True
    return False


def may_pass(error: OSError) -> bool:
    """Whether a failed connection may succeed a moment later, without the user: certificates stay as they are."""
    return not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError)


def reason_of(error: OSError) -> str:
    """Return the reason of a failed connection as readable text."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message})"
        case ssl.SSLError():
            return f"TLS failed ({error.reason or 'the handshake was broken off'})"
        case socket.gaierror():
            return "its name does not resolve"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError():
            return "connection reset"
    return words_of(error).lower() or "no address of it accepts connections"
