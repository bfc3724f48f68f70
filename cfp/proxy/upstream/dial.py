"""New connections to the upstream: addresses, outbound proxies, TLS, and in words why there is none."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, TypeVar

from cfp.errors import Failed
from cfp.host.provider.outbound import outbound_proxy, tls_context
from cfp.proxy.config import Limits
from cfp.proxy.http.headers import ForwardProxy
from cfp.proxy.http.local_responses import LocalResponse
from cfp.proxy.upstream.origin import Origin
from cfp.proxy.upstream.outbound_proxy import ConnectRequest, OutboundProxy, TunnelRefused

P = TypeVar("P", bound=asyncio.BaseProtocol)
# RFC 8305 5: how long the first address is alone before the next one is tried beside it.
_HAPPY_EYEBALLS: Final = 0.25


class DialFailed(Exception):
    """No connection; `response` and `details` say why to the client, and hold no secret."""

    def __init__(self, response: LocalResponse, **details: str) -> None:
        super().__init__(response.code)
        self.response = response
        self.details = details


class Dialer:
    """Connects to one origin. The TLS context is built once: parsing the CA bundle takes longer than a handshake."""

    def __init__(self, origin: Origin, base: str, environ: Mapping[str, str], limits: Limits) -> None:
        self._origin = origin
        self._base = base
        self._environ = environ
        self._limits = limits
        self._context: ssl.SSLContext | None = None

    def warm(self) -> None:
        """Build the TLS context ahead of the first request; a failure is told when a request meets it."""
        if self._origin.tls:
            with suppress(DialFailed):
                self._tls()

    @property
    def forward_proxy(self) -> ForwardProxy | None:
        """How a request must be written for an HTTP proxy that is to ask a plain upstream for us; None: as ever."""
        try:
            outlet = self._outlet
        except ValueError:
            return None  # told when it dials
        if outlet is None or not outlet.speaks_http or self._origin.tls:
            return None
        return ForwardProxy(b"http://" + self._origin.host_field, outlet.authorization)

    @cached_property
    def _outlet(self) -> OutboundProxy | None:
        url = outbound_proxy(self._base, self._environ)
        return None if url is None else OutboundProxy.of(url)

    async def dial(self, factory: Callable[[], P], *, tunnel: bool = False) -> P:
        """Return a connected protocol; raises DialFailed.

        tunnel  the connection must lead to the upstream itself, even where `through` could be used
        """
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                return await self._connect(factory, tunnel=tunnel)
        except TimeoutError as error:
            raise self._unreachable(f"no connection within {self._limits.connect_seconds:g} seconds") from error
        except UnicodeError as error:
            raise self._unreachable("its name is not a host name") from error
        except OSError as error:
            raise self._unreachable(reason_of(error)) from error

    async def _connect(self, factory: Callable[[], P], *, tunnel: bool) -> P:
        try:
            outlet = self._outlet
        except ValueError as error:
            raise DialFailed(LocalResponse.PROXY_SETTING) from error
        if outlet is None:
            origin = self._origin
            return await self._open(factory, origin.hostname, origin.port, self._tls() if origin.tls else None)
        try:
            if not outlet.speaks_http:
                return await self._socks(outlet, factory)
            context = self._tls() if outlet.tls else None
            if self.forward_proxy is not None and not tunnel:
                return await self._open(factory, outlet.host, outlet.port, context)
            authority = b"%s:%d" % (self._origin.bare_host, self._origin.port)
            asking = ConnectRequest(authority, outlet.authorization)
            await self._open(lambda: asking, outlet.host, outlet.port, context)
        except OSError as error:
            raise self._unreachable(f"the outbound proxy {outlet.shown}: {reason_of(error)}") from error
        try:
            await asking.made
            return await self._behind(asking, factory)
        except TunnelRefused as error:
            raise self._unreachable(f"the outbound proxy {outlet.shown} refused ({error})") from error
        finally:
            asking.let_go()

    async def _open(self, factory: Callable[[], P], host: str, port: int, context: ssl.SSLContext | None) -> P:
        loop = asyncio.get_running_loop()
        # Other loops than asyncio's own (uvloop) do not know the argument.
        own = isinstance(loop, asyncio.BaseEventLoop)
        racing: dict[str, Any] = {"happy_eyeballs_delay": _HAPPY_EYEBALLS} if own else {}
        return (await loop.create_connection(factory, host, port, ssl=context, **racing))[1]

    async def _behind(self, asking: ConnectRequest, factory: Callable[[], P]) -> P:
        """Speak to the upstream through a tunnel that has been made."""
        transport = asking.hand_over()
        protocol = factory()
        try:
            if self._origin.tls:
                loop, context = asyncio.get_running_loop(), self._tls()
                name = self._origin.hostname
                opened = await loop.start_tls(transport, protocol, context, server_hostname=name)
                assert opened is not None  # noqa: S101  it raises where there is none
                protocol.connection_made(opened)
            else:
                transport.set_protocol(protocol)
                protocol.connection_made(transport)
                transport.resume_reading()
        except BaseException:
            transport.abort()
            raise
        return protocol

    async def _socks(self, outlet: OutboundProxy, factory: Callable[[], P]) -> P:
        from python_socks import ProxyError  # noqa: PLC0415  most workers have no outbound proxy

        try:
            opened = await outlet.socks().connect(self._origin.hostname, self._origin.port)
        except ProxyError as error:
            raise self._unreachable(f"the outbound proxy {outlet.shown} refused ({error})") from error
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = self._origin.tls
        context, name = (self._tls(), self._origin.hostname) if tls else (None, None)
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(factory, sock=opened, ssl=context, server_hostname=name))[1]

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                self._context = tls_context(self._environ)
            except Failed as error:
                raise DialFailed(LocalResponse.CA_FILE, reason=str(error.details["reason"])) from error
            # HTTP/2 would delay the events of concurrent streams and save nothing here.
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    def _unreachable(self, reason: str) -> DialFailed:
        return DialFailed(LocalResponse.UNREACHABLE, host=self._origin.host_field.decode(), reason=reason)


def reason_of(error: OSError) -> str:
    """Why a connection could not be made, in words."""
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
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
    return "no address of it accepts connections"
