"""Sends one request and measures it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import anyio  # noqa: F401 - httpcore would load it while the clock runs
import httpcore
import httpx

from cfp.bench.timed_request import TimedRequest
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
        async with route.transport() as transport:
            try:
                response = await transport.handle_async_request(
                    route.request(headers, body, trace=trace, connect_seconds=_CONNECT_S)
                )
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
