"""A loopback proxy for one turn of Codex: sets the tier, inserts the provider's key, measures, streams through.

Codex gets a pass-phrase in place of the key. Only requests with the pass-phrase are served, so that no other program
of this machine can spend the user's quota here, and no process but ours ever holds the key.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import httptools

from cfp.bench.http_client import StreamedResponse, send
from cfp.bench.timed_request import Phase, TimedRequest
from cfp.bench.workload import with_tier
from cfp.host.provider.client import ProviderClient

BASE_PATH: Final = "/v1"
_LARGEST_BODY: Final = 64 * 1024 * 1024
_KEPT_HEADERS: Final = frozenset({"content-type", "retry-after", "x-codex-turn-state", "openai-model"})

_REFUSALS: Final = {
    400: ("Bad Request", "This request cannot be read."),
    401: ("Unauthorized", "The benchmark's capture serves its own Codex only."),
    404: ("Not Found", "The benchmark's capture serves POST /v1/responses only."),
    502: ("Bad Gateway", "The provider did not answer the benchmark."),
}


class Capture:
    """Serves while its `async with` block runs; `requests` has the requests so far, in order of arrival.

    tier  the service_tier of each request that is sent on; None for none
    """

    def __init__(
        self, route: ProviderClient, tier: str | None, requests: list[TimedRequest], report: Callable[[Phase], None]
    ) -> None:
        self.pass_phrase = secrets.token_urlsafe(32)
        self._route = route
        self._tier = tier
        self._requests = requests
        self._report = report
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def origin(self) -> str:
        assert self._server is not None  # noqa: S101 - used inside the block only
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}{BASE_PATH}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the one request of a connection; Codex (0.169) opens one for each."""
        try:
            with suppress(ConnectionError):
                request = await _read(reader)
                if request is not None:
                    await self._answer(request, writer)
                    await writer.drain()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, request: _Request, writer: asyncio.StreamWriter) -> None:
        authorization = dict(request.headers).get("authorization", "")
        if request.broken:
            _refuse(writer, 400)
        elif not hmac.compare_digest(authorization.encode(), f"Bearer {self.pass_phrase}".encode()):
            _refuse(writer, 401)
        elif (request.method, request.path) != ("POST", f"{BASE_PATH}/responses"):
            _refuse(writer, 404)
        else:
            await self._forward(request, writer)

    async def _forward(self, request: _Request, writer: asyncio.StreamWriter) -> None:
        try:
            body = json.loads(request.body)
            tier_requested = body.get("service_tier")
        except (ValueError, AttributeError, RecursionError):
            _refuse(writer, 400)
            return
        timed = TimedRequest(
            began=time.monotonic(),
            tier_requested=tier_requested,
            tier_sent=self._tier,
            report=self._report,
        )
        self._requests.append(timed)
        self._report(Phase.WAITING)
        sent = json.dumps(with_tier(body, self._tier)).encode()
        async with send(self._route, request.headers, sent, timed) as response:
            if response is None:
                _refuse(writer, 502)
            else:
                await _stream(response, timed, writer)


async def _stream(response: StreamedResponse, timed: TimedRequest, writer: asyncio.StreamWriter) -> None:
    """Forward the response piece by piece; where the provider breaks off, this response breaks off, too."""
    kept = [f"{name}: {value}\r\n" for name, value in response.headers if name.lower() in _KEPT_HEADERS]
    framing = "transfer-encoding: chunked\r\nconnection: close\r\n"
    head = f"HTTP/1.1 {response.status} Upstream\r\n{''.join(kept)}{framing}\r\n"
    writer.write(head.encode("latin-1"))
    async for piece in response.pieces():
        if piece:  # an empty chunk would be the end
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
    if timed.whole:
        writer.write(b"0\r\n\r\n")


def _refuse(writer: asyncio.StreamWriter, status: int) -> None:
    reason, text = _REFUSALS[status]
    body = json.dumps({"error": {"message": text, "type": "codex_fast_proxy_benchmark"}}).encode()
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    writer.write(head.encode() + b"connection: close\r\n\r\n" + body)


class _Request:
    """One request as httptools parses it."""

    def __init__(self) -> None:
        self.method = ""
        self.path = ""
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()
        self.complete = False
        self.broken = False

    def on_url(self, url: bytes) -> None:
        self.path += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        self.complete = True


async def _read(reader: asyncio.StreamReader) -> _Request | None:
    """Read one request; None where the client closes before its end. `broken` marks one that is not served."""
    request = _Request()
    parser: Any = httptools.HttpRequestParser(request)
    while not request.complete:
        data = await reader.read(65536)
        if not data:
            return None
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # CONNECT, or an upgrade to a WebSocket
            request.method = parser.get_method().decode("latin-1")
            return request
        except httptools.HttpParserError:
            request.broken = True
        if request.broken or len(request.body) > _LARGEST_BODY:
            request.broken = True
            return request
    request.method = parser.get_method().decode("latin-1")
    return request
