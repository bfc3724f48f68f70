"""New connections to the upstream: addresses, outbound proxies, TLS, and in words why there is none."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote, urlsplit

from cfp.errors import Failed
from cfp.host.outbound import outbound_proxy, tls_context
from cfp.proxy.answers import Answer
from cfp.proxy.config import Limits
from cfp.proxy.routing import Origin

if TYPE_CHECKING:
    from python_socks.async_.asyncio import Proxy

P = TypeVar("P", bound=asyncio.BaseProtocol)
# RFC 8305 5: how long the first address is alone before the next one is tried beside it.
_HAPPY_EYEBALLS: Final = 0.25
_SOCKS: Final = {"socks": "SOCKS5", "socks5": "SOCKS5", "socks5h": "SOCKS5", "socks4": "SOCKS4", "socks4a": "SOCKS4"}
_PROXY_KINDS: Final = {"http": "HTTP", **_SOCKS}


class DialFailed(Exception):
    """No connection; `answer` and `details` say why to the client, and hold no secret."""

    def __init__(self, answer: Answer, **details: str) -> None:
        super().__init__(answer.code)
        self.answer = answer
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
        with suppress(DialFailed):
            self._tls()

    async def dial(self, factory: Callable[[], P]) -> P:
        """Return a connected protocol; raises DialFailed."""
        origin = self._origin
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                proxy = outbound_proxy(self._base, self._environ)
                if proxy is not None:
                    return await self._through(proxy, factory)
                _, protocol = await asyncio.get_running_loop().create_connection(
                    factory, origin.hostname, origin.port, ssl=self._tls(), happy_eyeballs_delay=_HAPPY_EYEBALLS
                )
                return protocol
        except TimeoutError as error:
            raise self._unreachable(f"no connection within {self._limits.connect_seconds:g} seconds") from error
        except UnicodeError as error:
            raise self._unreachable("its name is not a host name") from error
        except OSError as error:
            raise self._unreachable(reason_of(error)) from error

    async def _through(self, url: str, factory: Callable[[], P]) -> P:
        from python_socks import ProxyError  # noqa: PLC0415  most workers have no outbound proxy

        proxy, shown = _proxy(url)
        try:
            opened = await proxy.connect(self._origin.hostname, self._origin.port)
        except ProxyError as error:
            raise self._unreachable(f"the outbound proxy {shown} refused ({error})") from error
        except OSError as error:
            raise self._unreachable(f"the outbound proxy {shown} does not answer") from error
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = self._origin.hostname if self._origin.tls else None
        _, protocol = await asyncio.get_running_loop().create_connection(
            factory, sock=opened, ssl=self._tls(), server_hostname=name
        )
        return protocol

    def _tls(self) -> ssl.SSLContext | None:
        if self._context is None and self._origin.tls:
            try:
                self._context = tls_context(self._environ)
            except Failed as error:
                raise DialFailed(Answer.CA_FILE, reason=str(error.details["reason"])) from error
            # HTTP/2 would delay the events of concurrent streams and save nothing here.
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    def _unreachable(self, reason: str) -> DialFailed:
        return DialFailed(Answer.UNREACHABLE, host=self._origin.host_field.decode(), reason=reason)


def _proxy(url: str) -> tuple[Proxy, str]:
    """Take a proxy's URL apart, and return how to show it: without what may be a password."""
    from python_socks import ProxyType  # noqa: PLC0415  most workers have no outbound proxy
    from python_socks.async_.asyncio import Proxy  # noqa: PLC0415  the same

    try:
        parts = urlsplit(url)
        kind, host = _PROXY_KINDS[parts.scheme], parts.hostname
        port = parts.port or (80 if kind == "HTTP" else 1080)
    except (ValueError, KeyError) as error:
        raise DialFailed(Answer.PROXY_SETTING) from error
    if not host:
        raise DialFailed(Answer.PROXY_SETTING)
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password or "") if username else None
    return Proxy(ProxyType[kind], host, port, username=username, password=password, rdns=True), f"{host}:{port}"


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
