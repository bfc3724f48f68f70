"""Sends one request and measures it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import anyio  # noqa: F401 - httpcore would load it while the clock runs
import httpcore
import httpx

from cfp.bench.socks import SocksTransport
from cfp.bench.timed_request import TimedRequest
from cfp.core.header_names import passing_fields
from cfp.host.provider.client import ProviderClient

_CONNECT_S: Final = 30.0


class StreamedResponse:
    """A response whose body is read piece by piece; a transport failure ends the pieces."""

    def __init__(self, response: httpx.Response, timed: TimedRequest) -> None:
        self._response = response
        self._timed = timed
        self.status = response.status_code
        self.headers = tuple(response.headers.items())

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the decoded body as it arrives, and record the time of each piece."""
        try:
            async for piece in self._response.aiter_bytes():
                self._timed.feed(piece, time.monotonic())
                yield piece
        except httpx.HTTPError as error:
            self._timed.failed(type(error).__name__, time.monotonic())
        else:
            self._timed.ended(time.monotonic())


def _transport(route: ProviderClient) -> httpx.AsyncBaseTransport:
    """Return a new transport, so that each request opens a connection of its own."""
    proxy = route.proxy
    if proxy is not None and proxy.startswith("socks"):
        return SocksTransport(proxy, route.context)
    through = None
    if proxy is not None:
        through = httpx.Proxy(proxy, ssl_context=route.context if proxy.startswith("https:") else None)
    return httpx.AsyncHTTPTransport(verify=route.context or False, proxy=through, trust_env=False)


def _post(route: ProviderClient, headers: Iterable[tuple[str, str]], body: bytes, trace: Any) -> httpx.Request:
    """Return the POST; in split mode it has the fields that the worker lets pass."""
    sent = route.fields(headers)
    if route.overrides:
        passing = passing_fields(name for name, _ in route.extras.headers) | (
            {"authorization"} if route.key else set()
        )
        sent = {name: value for name, value in sent.items() if name in passing}
    sent |= {"content-type": "application/json", "accept-encoding": "identity"}
    extensions = {"trace": trace, "timeout": {"connect": _CONNECT_S}}
    url = f"{route.upstream_base}/responses{route.query}"
    return httpx.Request("POST", url, headers=sent, content=body, extensions=extensions)


@asynccontextmanager
async def send(
    route: ProviderClient, headers: Iterable[tuple[str, str]], body: bytes, timed: TimedRequest
) -> AsyncIterator[StreamedResponse | None]:
    """Send the request and yield the response, None where there is none; `timed` records its times and errors."""
    connections: list[httpcore.AsyncNetworkStream] = []

    async def trace(event: str, details: Mapping[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            connections.append(details["return_value"])

    try:
        async with _transport(route) as transport:
            try:
                response = await transport.handle_async_request(_post(route, headers, body, trace))
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                timed.failed(type(error).__name__, time.monotonic())
                yield None
                return
            async with aclosing(response):
                timed.answered(response.status_code, response.headers.get("content-type"), time.monotonic())
                yield StreamedResponse(response, timed)
    finally:
        for connection in connections:  # httpcore leaves it open where the time runs out in a handshake
            await connection.aclose()
