"""New connections to the upstream: addresses, outbound proxies, TLS, and in words why there is none."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import unquote

from cfp.proxy.answers import Answer
from cfp.proxy.config import Limits
from cfp.proxy.outbound import BadProxy, OutboundProxy, proxy_for
from cfp.proxy.routing import Origin

P = TypeVar("P", bound=asyncio.Protocol)
# RFC 8305 5: how long the first address is alone before the next one is tried beside it.
_HAPPY_EYEBALLS: Final = 0.25
_CA_VARIABLES: Final = ("CODEX_CA_CERTIFICATE", "SSL_CERT_FILE")


class DialFailed(Exception):
    """No connection; `answer` and `details` say why to the client, and hold no secret."""

    def __init__(self, answer: Answer, **details: str) -> None:
        super().__init__(answer.code)
        self.answer = answer
        self.details = details


class Dialer:
    """Connects to one origin. The TLS context is built once: parsing the CA bundle takes longer than a handshake."""

    def __init__(self, origin: Origin, environ: Mapping[str, str], limits: Limits) -> None:
        self._origin = origin
        self._environ = environ
        self._limits = limits
        self._context: ssl.SSLContext | None = None

    def warm(self) -> None:
        """Build the TLS context ahead of the first request; a failure is told when a request meets it."""
        if self._origin.tls:
            try:
                self._tls()
            except DialFailed:
                return

    async def dial(self, factory: Callable[[], P]) -> P:
        """Return a connected protocol; raises DialFailed."""
        origin = self._origin
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                proxy = proxy_for(origin, self._environ)
                if proxy is not None:
                    return await self._through(proxy, factory)
                _, protocol = await asyncio.get_running_loop().create_connection(
                    factory,
                    origin.hostname,
                    origin.port,
                    ssl=self._tls(),
                    happy_eyeballs_delay=_HAPPY_EYEBALLS,
                )
                return protocol
        except BadProxy as error:
            raise DialFailed(Answer.PROXY_SETTING, variable=error.variable, reason=error.reason) from error
        except TimeoutError as error:
            reason = f"no connection within {self._limits.connect_seconds:g} seconds"
            raise DialFailed(Answer.UNREACHABLE, host=self._shown(), reason=reason) from error
        except OSError as error:
            raise DialFailed(Answer.UNREACHABLE, host=self._shown(), reason=reason_of(error)) from error

    async def _through(self, proxy: OutboundProxy, factory: Callable[[], P]) -> P:
        # Imported here: most workers have no outbound proxy.
        from python_socks import ProxyError, ProxyType  # noqa: PLC0415
        from python_socks.async_.asyncio import Proxy  # noqa: PLC0415

        kinds = {"http": ProxyType.HTTP, "socks5": ProxyType.SOCKS5, "socks4": ProxyType.SOCKS4}
        client = Proxy(
            kinds[proxy.kind],
            proxy.host,
            proxy.port,
            username=unquote(proxy.username) if proxy.username else None,
            password=unquote(proxy.password or "") if proxy.username else None,
            rdns=True,
        )
        try:
            opened = await client.connect(self._origin.hostname, self._origin.port)
        except ProxyError as error:
            reason = f"the proxy of {proxy.variable} ({proxy.host}:{proxy.port}) refused: {error}"
            raise DialFailed(Answer.UNREACHABLE, host=self._shown(), reason=reason) from error
        except OSError as error:
            reason = (
                f"the proxy of {proxy.variable} ({proxy.host}:{proxy.port}) cannot be reached: {reason_of(error)}"
            )
            raise DialFailed(Answer.UNREACHABLE, host=self._shown(), reason=reason) from error
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = self._origin.hostname if self._origin.tls else None
        _, protocol = await asyncio.get_running_loop().create_connection(
            factory, sock=opened, ssl=self._tls(), server_hostname=name
        )
        return protocol

    def _tls(self) -> ssl.SSLContext | None:
        if not self._origin.tls:
            return None
        if self._context is None:
            self._context = client_context(self._environ)
        return self._context

    def _shown(self) -> str:
        return self._origin.host_field.decode()


def client_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The system's CAs and those of the files that Codex reads too; raises DialFailed(CA_FILE)."""
    import truststore  # noqa: PLC0415  only an https upstream needs it

    context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # HTTP/2 delays the events of concurrent streams and saves nothing here.
    context.set_alpn_protocols(["http/1.1"])
    for variable in _CA_VARIABLES:
        path = environ.get(variable)
        if path:
            try:
                context.load_verify_locations(cafile=path)
            except OSError as error:  # ssl.SSLError is one
                reason = "it is not a PEM file" if isinstance(error, ssl.SSLError) else reason_of(error)
                raise DialFailed(Answer.CA_FILE, variable=variable, reason=reason) from error
    return context


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
