"""httpx over a SOCKS proxy, by python-socks, the library that the worker uses, too."""
# ruff: noqa: ARG002, ASYNC109 - httpcore's signatures

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx
import python_socks
from python_socks.async_.asyncio import Proxy

_SCHEMES = {"socks": "socks5", "socks4a": "socks4", "socks5h": "socks5"}


class SocksTransport(httpx.AsyncHTTPTransport):
    """An httpx transport whose connections are opened through `proxy`, a `socks…://` URL."""

    def __init__(self, proxy: str, context: ssl.SSLContext | None) -> None:
        super().__init__(verify=context or False, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=_Backend(proxy))


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, proxy: str) -> None:
        scheme, _, rest = proxy.partition("://")
        self._proxy = Proxy.from_url(f"{_SCHEMES.get(scheme, scheme)}://{rest}", rdns=True)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            connected = await self._proxy.connect(host, port, timeout=timeout)
            reader, writer = await asyncio.open_connection(sock=connected)
        except python_socks.ProxyTimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except python_socks.ProxyError as error:
            raise httpcore.ProxyError from error
        except OSError as error:
            raise httpcore.ConnectError from error
        return _Stream(reader, writer)


class _Stream(httpcore.AsyncNetworkStream):
    """An httpcore stream on asyncio's streams; the caller limits the time of the request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._reader.read(max_bytes)
        except OSError as error:
            raise httpcore.ReadError from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as error:
            raise httpcore.WriteError from error

    async def aclose(self) -> None:
        self._writer.transport.abort()  # a verification needs no orderly close

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except OSError as error:
            await self.aclose()
            raise httpcore.ConnectError from error
        except BaseException:
            await self.aclose()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._writer.get_extra_info({"ssl_object": "ssl_object", "socket": "socket"}.get(info, info))
