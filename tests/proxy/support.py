"""A worker between a scripted upstream and a plain client, all in one event loop."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import h11

from cfp.core.settings import Policy, Settings
from cfp.layout import Layout
from cfp.proxy.config import Limits, WorkerConfig
from cfp.proxy.worker.event_loop import run as run_in_loop
from cfp.proxy.worker.worker import Worker
from tests.proxy.checked import Transition, checked_worker

P = ParamSpec("P")
Event = TypeVar("Event")
KEY_ENV = "RELAY_KEY"
SECONDS = 20.0


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]], *, seconds: float = SECONDS) -> Callable[P, None]:
    """Run a coroutine test in a worker's loop of its own, with a time limit."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(seconds):
                await test(*args, **kwargs)

        run_in_loop(limited())

    return run


@dataclass(slots=True)
class Request:
    """A request as it reached the upstream."""

    start: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def get(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(slots=True)
class Call:
    """A connection and its current request, which the script answers."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


async def read_head(reader: asyncio.StreamReader) -> Request:
    start, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    return Request(start, headers)


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    size = int((await reader.readuntil(b"\r\n"))[:-2], 16)
    return (await reader.readexactly(size + 2))[:-2]


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    pieces = []
    while piece := await read_chunk(reader):
        pieces.append(piece)
    return b"".join(pieces)


async def read_body(reader: asyncio.StreamReader, head: Request) -> bytes:
    if (head.get(b"transfer-encoding") or b"").lower() == b"chunked":
        return await read_chunks(reader)
    return await reader.readexactly(int(head.get(b"content-length") or 0))


def merged(events: Sequence[Event]) -> list[Event]:
    """Join adjacent pieces of data: tests do not depend on how reads cut them."""
    out: list[Any] = []
    for event in events:
        if isinstance(event, bytes) and out and isinstance(out[-1], bytes):
            out[-1] += event
        else:
            out.append(event)
    return out


def read_by_h11(text: bytes, count: int) -> list[tuple[bytes, bytes, bytes]]:
    """Return (method, target, body) of the first requests in the text, as h11 parses them.

    Line ends before a request are removed (RFC 9112 2.2 has a server ignore empty lines there), and so are further
    spaces around its target (section 3 allows it): h11 refuses them, llhttp skips them, and they are never passed on.
    """
    requests = []
    while len(requests) < count:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(re.sub(rb"\A([A-Z]+) +([^ ]+) +HTTP", rb"\1 \2 HTTP", text.lstrip(b"\r\n")))
        request = connection.next_event()
        assert isinstance(request, h11.Request)
        body = b""
        while isinstance(event := connection.next_event(), h11.Data):
            body += bytes(event.data)
        assert isinstance(event, h11.EndOfMessage)
        requests.append((request.method, request.target, body))
        text = connection.trailing_data[0]
    return requests


def answer(body: bytes = b"{}", status: bytes = b"200 OK", *fields: bytes) -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *fields, b"", b""]
    return b"\r\n".join(lines) + body


Script = Callable[[Call], Awaitable[None]]


async def say_ok(call: Call) -> None:
    await call.send(answer())


@dataclass(slots=True)
class Upstream:
    """A provider on loopback that reads whole requests, records them, and lets the script answer."""

    script: Script = say_ok
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    gone: asyncio.Queue[Request | None] = field(default_factory=asyncio.Queue)
    arrived: asyncio.Queue[Request] = field(default_factory=asyncio.Queue)
    whole: bool = True
    host: str = "127.0.0.1"
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        request = None
        try:
            while True:
                request = await read_head(reader)
                self.requests.append(request)
                self.arrived.put_nowait(request)
                if self.whole:
                    request.body = await read_body(reader, request)
                await self.script(Call(request, reader, writer))
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.put_nowait(request)
        except asyncio.CancelledError:
            return  # the test is over; asyncio would log it
        finally:
            writer.close()

    @property
    def base(self) -> str:
        return f"http://{self.host}:{self.port}/api/v1"


@asynccontextmanager
async def upstream(
    script: Script = say_ok, *, whole: bool = True, sock: socket.socket | None = None
) -> AsyncIterator[Upstream]:
    """A running upstream, on a listening socket where there is one."""
    double = Upstream(script, whole=whole)
    sock = sock or socket.create_server(("127.0.0.1", 0))
    server = await asyncio.start_server(double.serve, sock=sock, limit=1 << 20)
    double.host, double.port = sock.getsockname()
    try:
        yield double
    finally:
        # An accepted connection reaches `serve` some turns later; before that, nothing would close it.
        for _ in range(10):
            await asyncio.sleep(0)
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)


@dataclass(slots=True)
class Client:
    """One connection to the worker."""

    port: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def post(
        self,
        body: bytes = b"{}",
        *fields: bytes,
        path: bytes = b"/v1/responses",
        method: bytes = b"POST",
        content_type: bytes = b"application/json",
    ) -> None:
        lines = [
            b"%s %s HTTP/1.1" % (method, path),
            b"Host: 127.0.0.1:%d" % self.port,
            b"Content-Type: " + content_type,
            b"Content-Length: %d" % len(body),
            *fields,
        ]
        self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    def get(self, path: bytes, *fields: bytes, host: bytes | None = None) -> None:
        host = host or b"127.0.0.1:%d" % self.port
        self.send(b"\r\n".join([b"GET %s HTTP/1.1" % path, b"Host: " + host, *fields, b"", b""]))

    async def head(self) -> Request:
        return await read_head(self.reader)

    async def response(self) -> Request:
        head = await self.head()
        head.body = await read_body(self.reader, head)
        return head

    async def error(self) -> tuple[bytes, str]:
        """Return (start line, error code) of a response of the worker's own."""
        head = await self.response()
        return head.start, json.loads(head.body)["error"]["code"]

    async def closed(self) -> bytes:
        """Return the bytes that arrive until the worker closes."""
        return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@dataclass(slots=True)
class Running:
    """A running worker, the layout of its files, and the transitions of its phases."""

    worker: Worker
    layout: Layout
    performed: list[Transition] = field(default_factory=list)

    async def client(self, limit: int = 1 << 20, port: int | None = None) -> Client:
        port = port or self.worker.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
        return Client(port, reader, writer)

    def log(self) -> list[dict[str, Any]]:
        """Return the request log, which is complete once the worker has stopped."""
        return [json.loads(line) for line in self.layout.request_log.read_text().splitlines()]


@asynccontextmanager
async def worker(
    home: Path,
    base: str,
    *,
    policy: Policy = Policy.INJECT_MISSING,
    environ: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """A running worker on a free port, its phases checked; everything that it opened is closed again."""
    layout = Layout(home)
    layout.worker.mkdir(parents=True, exist_ok=True)
    chosen = Settings(provider="relay", upstream_base=base, port=0, service_tier_policy=policy, **settings)
    config = WorkerConfig(
        settings=chosen, layout=layout, environ=environ or {}, limits=limits or Limits(), nonce="ab12"
    )
    violations: list[str] = []
    performed: list[Transition] = []
    running = checked_worker(violations, performed)(config)
    await running.start()
    try:
        yield Running(running, layout, performed)
    finally:
        await running.stop()
    assert [] == violations
