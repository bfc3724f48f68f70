"""A small Responses provider on loopback that records every request.

It is the other side of `demo`, of `doctor --probe` and of the end-to-end tests. It follows the requests and the
responses that Codex 0.169 sends and accepts, not a provider's documentation. Standard library only; one thread a
connection.

    script    the replies to the next turns, in order; then the default reply again
    received  a request, kept whole in memory, with the key in it: nobody prints one
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from cfp.codex.event_stream import format_event
from cfp.demo.scripted_turns import (
    ByTier,
    Cut,
    Event,
    NotSse,
    Reject,
    Reply,
    ScriptedTurn,
    Stall,
    ToolCall,
    call_events,
    events,
    model,
)
from cfp.host.worker.probe import BIND_OPTION

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BASE_PATH = "/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it arrived. `headers` keeps order and spelling; `body` is still encoded."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float  # time.monotonic()

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        """Return the body parsed, unpacked first where Codex compressed it (zstd)."""
        body = self.body
        if self.header("content-encoding") == "zstd":
            body = zstd.decompress(body)
        return json.loads(body)


class DemoProvider:
    """A provider that runs while the `with` block does; `base_url` is its URL for a config.toml.

    key      the bearer key that it demands; None accepts every request
    models   the models of its catalogue; without any it has none (404)
    catalog  status and JSON that GET /models has instead; may be set later
    default  the reply to a turn when the script is empty
    port     the port to listen at; 0 takes a free one
    switch   serves a WebSocket from its handshake on; None: 426, as most providers
    """

    def __init__(
        self,
        *,
        key: str | None = None,
        models: Sequence[str] = ("embedded-model",),
        default: Reply | None = None,
        port: int = 0,
        switch: Callable[[Connection, Received], None] | None = None,
    ) -> None:
        self.key = key
        self.models = models
        self.catalog: tuple[int, Any] | None = None
        self.switch = switch
        self.default: Reply = default or ScriptedTurn()
        self._script: deque[Reply] = deque()
        self._received: list[Received] = []
        self._arrival = threading.Condition()
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="embedded-upstream")

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{BASE_PATH}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._thread.join()

    def script(self, *answers: Reply) -> None:
        """Reply to the next turns with these, in order."""
        with self._arrival:
            self._script.extend(answers)

    @property
    def received(self) -> tuple[Received, ...]:
        """Every request so far, in order of arrival."""
        with self._arrival:
            return tuple(self._received)

    @property
    def turns(self) -> tuple[Received, ...]:
        """The requests among them that are turns."""
        return tuple(request for request in self.received if _is_turn(request))

    def wait_for_turns(self, count: int, timeout: float) -> tuple[Received, ...]:
        """Return the turns once there are `count`; raises TimeoutError after `timeout` seconds."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: sum(map(_is_turn, self._received)) >= count, timeout):
                raise TimeoutError(f"{len(self.turns)} of {count} turns arrived within {timeout} s")
        return self.turns

    def record(self, request: Received) -> None:
        """Record a request (called by the server's threads)."""
        with self._arrival:
            self._received.append(request)
            self._arrival.notify_all()

    def next_reply(self) -> Reply:
        """Take the next reply of the script (called by the server's threads)."""
        with self._arrival:
            return self._script.popleft() if self._script else self.default


def hang_up(connection: socket.socket) -> None:
    """End a connection on which another thread may be waiting, and with it that wait."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    if sys.platform == "win32":  # where the wait ends only when the socket is closed
        with contextlib.suppress(OSError):
            socket.close(connection.detach())


class _Server(ThreadingHTTPServer):
    """An HTTP server that keeps its open connections, so that `stop` closes all of them."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128
    allow_reuse_address = False  # on Windows it would mean: beside another program's listener

    def __init__(self, upstream: DemoProvider, port: int) -> None:
        self.upstream = upstream
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), Connection)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, BIND_OPTION, 1)
        super().server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: tests close connections in the middle on purpose."""

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        with self._guard:
            for connection in self._open:
                hang_up(connection)
        self.server_close()


class Connection(BaseHTTPRequestHandler):
    """One client's connection, in a thread of its own."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = None

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the base class's)
        """Log nothing; `received` is the log."""

    def _receive(self) -> Received:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if "chunked" in (self.headers.get("transfer-encoding") or "").lower():
            body = b"".join(self._chunks())
        headers = tuple(self.headers.items())
        request = Received(method=self.command, path=self.path, headers=headers, body=body, at=time.monotonic())
        self.server.upstream.record(request)
        return request

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _respond(self) -> None:
        request = self._receive()
        key = self.server.upstream.key
        path = urlsplit(request.path).path
        if key is not None and request.header("authorization") != f"Bearer {key}":
            self._answer(Reject(status=401, message="Incorrect API key provided."), request)
        elif _is_turn(request):
            parsable = _is_object(request)
            bad = Reject(status=400, message="The body is not a JSON object.")
            self._answer(self.server.upstream.next_reply() if parsable else bad, request)
        elif request.method == "GET" and path == f"{BASE_PATH}/models" and self.server.upstream.catalog is not None:
            self._send_json(*self.server.upstream.catalog)
        elif request.method == "GET" and path == f"{BASE_PATH}/models" and self.server.upstream.models:
            self._send_json(200, {"models": list(map(model, self.server.upstream.models))})
        elif "websocket" in (request.header("upgrade") or "").lower():
            self._switch(request)
        else:
            self._answer(Reject(status=404, message="No such path."), request)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _respond  # noqa: N815 (the names are the base class's)

    def _switch(self, request: Received) -> None:
        switch = self.server.upstream.switch
        if switch is None:
            self._answer(Reject(status=426, message="Use HTTP."), request)
        else:
            switch(self, request)
            self.close_connection = True

    def _answer(self, answer: Reply, request: Received) -> None:
        number = len(self.server.upstream.received)
        if isinstance(answer, ByTier):
            answer = answer.priority if request.json().get("service_tier") == "priority" else answer.rest
        match answer:
            case ScriptedTurn():
                self._begin_stream()
                self.server.stopping.wait(answer.first_after)
                self._send_events(events(request.json(), answer, number), answer.between)
                self.wfile.write(b"0\r\n\r\n")
            case ToolCall():
                self._begin_stream()
                self._send_events(call_events(request.json(), answer, number))
                self.wfile.write(b"0\r\n\r\n")
            case Cut():
                self._begin_stream()
                self._send_events(events(request.json(), ScriptedTurn(), number)[: answer.events])
                self.close_connection = True
            case Stall():
                if answer.after_first_event:
                    self._begin_stream()
                    self._send_events(events(request.json(), ScriptedTurn(), number)[:1])
                self.rfile.read(1)  # until the client closes, or `stop` does
                self.close_connection = True
            case NotSse():
                self._send_json(200, events(request.json(), ScriptedTurn(), number)[-1]["response"])
            case Reject():
                kind = "invalid_request_error" if answer.status < 500 else "server_error"
                error = {"message": answer.message, "type": kind, "code": None, "param": None}
                self._send_json(answer.status, {"error": error}, answer.headers)

    def _send_json(self, status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (*headers, ("content-type", "application/json"), ("content-length", str(len(body)))):
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _send_events(self, story: list[Event], between: float = 0.0) -> None:
        for event in story:
            if between:
                self.server.stopping.wait(between)
            data = format_event(event["type"], json.dumps(event).encode())
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


def _is_turn(request: Received) -> bool:
    return request.method == "POST" and urlsplit(request.path).path == f"{BASE_PATH}/responses"


def _is_object(request: Received) -> bool:
    try:
        return isinstance(request.json(), dict)
    except (ValueError, zstd.ZstdError):
        return False
