"""A client connection in each of its phases, under each event that can happen there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.config import Limits
from cfp.proxy.exchange.admission import Admission
from cfp.proxy.exchange.client_connection import ClientConnection
from cfp.proxy.exchange.phases import (
    CLOSED,
    CLOSING,
    HEAD_READ,
    IDLE,
    OPAQUE,
    RECEIVING,
    RESPONDING,
    ConnectionPhase,
)
from cfp.proxy.exchange.routing import Router
from cfp.proxy.http.head_cache import HeadCache
from cfp.proxy.http.messages import END, Fault, Headers, Malformed, Piece, RequestHead, Trailers
from cfp.proxy.http.socket_io import ReadBuffer
from cfp.proxy.upstream.origin import parse_origin
from cfp.proxy.worker.event_loop import run as run_in_loop
from tests.proxy.checked import Transition, checked, transitions


class Conversation:
    """A conversation that records its request, and ends when the test says so."""

    idle = False

    def __init__(
        self, services: Any, client: Any, head: RequestHead, plan: Any, body: Piece = b"", *, complete: bool
    ) -> None:
        self.head = head
        self.body = bytes(body)
        self.complete = complete
        services.begun.append(self)

    def begin(self) -> None: ...

    def on_data(self, piece: bytes) -> None:
        self.body += piece

    def on_trailers(self, headers: Headers) -> None: ...

    def on_end(self) -> None:
        self.complete = True

    def on_malformed(self, malformed: Malformed) -> None: ...

    def on_lost(self) -> None: ...

    def check_time_limits(self, now: float) -> None: ...

    def pause_download(self) -> None: ...

    def resume_download(self) -> None: ...

    def close_if_idle(self) -> None: ...


class Transport:
    """A transport that records whether it reads and whether it is closing."""

    def __init__(self) -> None:
        self.reading = True
        self.closing = False

    def write(self, data: Piece) -> None:
        assert not self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None: ...

    def close(self) -> None:
        self.closing = True

    abort = close

    def get_extra_info(self, name: str) -> Any:
        return SimpleNamespace(setsockopt=lambda *option: option, fileno=lambda: socket.SOCK_STREAM)


class Registry:
    def add(self, connection: ClientConnection) -> bool:
        return True

    def remove(self, connection: ClientConnection) -> None: ...

    def trusts(self, transport: asyncio.Transport) -> bool:
        return True


class Stage:
    """One connection on a fake transport."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.performed: list[Transition] = []
        self.begun: list[Conversation] = []
        origin = parse_origin("http://provider.example")
        services = SimpleNamespace(
            head_cache=HeadCache(),
            read_buffer=ReadBuffer(),
            admission=Admission(80, "127.0.0.1"),
            router=Router("/v1", origin),
            loop_id=b"loop",
            leaving=False,
            begun=self.begun,
            new_record=lambda *_: SimpleNamespace(),
            log=lambda _: None,
        )
        self.connection: Any = self._class()(services, Registry(), Limits())
        self.transport = Transport()
        self.connection.connection_made(self.transport)

    def _class(self) -> Any:
        class Connection(checked(ClientConnection, self.violations, self.performed)):  # type: ignore[misc]  # made here
            exchange_class = Conversation

        return Connection

    def feed(self, data: bytes) -> None:
        self.connection.get_buffer(-1)[: len(data)] = data
        self.connection.buffer_updated(len(data))


def head(*, length: int | None = None) -> RequestHead:
    fields = {b"host": b"127.0.0.1:80"}
    return RequestHead(b"POST", b"/v1/x", [], fields, 1, keep_alive=True, length=length, chunked=False, upgrade=False)


Act = Callable[[Any], None]


def _event(event: Any) -> Act:
    return lambda connection: connection._deliver([event])


def _switch(connection: Any) -> None:
    connection.switch_protocol()


ACTS: dict[str, Act] = {
    "head without a body": _event(head()),
    "head with a body": _event(head(length=3)),
    "whole request": lambda connection: connection._take_whole_request(head(length=3), memoryview(b"abc")),
    "data": _event(b"abc"),
    "trailers": _event(Trailers([])),
    "end": _event(END),
    "malformed": _event(Malformed(Fault.FRAMING, "")),
    "response ends": lambda connection: connection.end_conversation(close=False),
    "last response ends": lambda connection: connection.end_conversation(close=True),
    "break": lambda connection: connection.break_off(reset=False),
    "reset": lambda connection: connection.break_off(reset=True),
    "switch": _switch,
    "close": lambda connection: connection.close(),
    "lost": lambda connection: connection.connection_lost(None),
}
WAYS: dict[ConnectionPhase, Sequence[str]] = {
    IDLE: (),
    HEAD_READ: ("head without a body",),
    RECEIVING: ("head with a body",),
    RESPONDING: ("head without a body", "end"),
    OPAQUE: ("head without a body", "end", "switch"),
    CLOSING: ("malformed",),
    CLOSED: ("lost",),
}
STAYS = object()
# The phase after each event. Events that are not listed cannot happen: no parser or conversation produces them.
# fmt: off
EXPECTED: dict[ConnectionPhase, dict[str, Any]] = {
    IDLE: {
        "head without a body": HEAD_READ, "head with a body": RECEIVING, "whole request": RESPONDING,
        "data": STAYS, "trailers": STAYS, "end": STAYS, "malformed": CLOSING, "close": CLOSING, "lost": CLOSED,
    },
    HEAD_READ: {"end": RESPONDING, "malformed": CLOSING, "lost": CLOSED},
    RECEIVING: {
        "data": STAYS, "trailers": STAYS, "end": RESPONDING, "malformed": STAYS, "close": STAYS,
        "last response ends": CLOSING, "break": CLOSING, "reset": CLOSING, "lost": CLOSED,
    },
    RESPONDING: {
        "head without a body": STAYS, "head with a body": STAYS, "whole request": STAYS, "data": STAYS,
        "trailers": STAYS, "end": STAYS, "malformed": STAYS, "close": STAYS, "response ends": IDLE,
        "last response ends": CLOSING, "break": CLOSING, "reset": CLOSING, "switch": OPAQUE, "lost": CLOSED,
    },
    OPAQUE: {
        "data": STAYS, "close": STAYS, "last response ends": CLOSING, "break": CLOSING, "reset": CLOSING,
        "lost": CLOSED,
    },
    CLOSING: {
        "head without a body": STAYS, "head with a body": STAYS, "data": STAYS, "trailers": STAYS, "end": STAYS,
        "malformed": STAYS, "lost": CLOSED,
    },
    CLOSED: {},
}
# fmt: on


@pytest.mark.parametrize("phase", ConnectionPhase)
def test_every_event_in_every_phase(phase: ConnectionPhase) -> None:
    """Each event leads to the expected phase, and only along the table in the docstring."""

    async def play(act: str) -> ConnectionPhase:
        stage = Stage()
        for name in WAYS[phase]:
            ACTS[name](stage.connection)
        assert phase is stage.connection.phase
        ACTS[act](stage.connection)
        assert [] == stage.violations
        reached: ConnectionPhase = stage.connection.phase
        return reached

    expected = {act: phase if after is STAYS else after for act, after in EXPECTED[phase].items()}
    assert expected == {act: run_in_loop(play(act)) for act in expected}


def test_the_table_allows_no_more_than_happens() -> None:
    """The table has exactly the transitions of these events."""
    happening = {
        (phase, after) for phase, acts in EXPECTED.items() for after in acts.values() if after not in {phase, STAYS}
    }
    assert transitions(ConnectionPhase) == happening


REQUESTS = (
    b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n",
    b"POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: 4\r\n\r\nabcd",
    b"POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:80\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\nA: b\r\n\r\n",
)
BODIES = (b"", b"abcd", b"abcd")


@given(data=st.data(), kinds=st.lists(st.sampled_from(range(3)), min_size=1, max_size=5))
def test_requests_are_served_in_turn(data: st.DataObject, kinds: list[int]) -> None:
    """Pipelined requests are served one at a time, whole and in order, however reads cut them."""

    async def play() -> None:
        stage = Stage()
        connection, text = stage.connection, b"".join(REQUESTS[kind] for kind in kinds)
        while text or connection.phase is not IDLE:
            running = connection.phase is RESPONDING
            assert stage.transport.reading == (not connection._backlog)
            if running and (not text or not stage.transport.reading or data.draw(st.booleans())):
                assert stage.begun[-1].complete
                connection.end_conversation(close=False)
            else:
                size = data.draw(st.integers(1, len(text)))
                stage.feed(text[:size])
                text = text[size:]
            assert stage.begun[-1:] == [] or all(one.complete for one in stage.begun[:-1])
        assert [BODIES[kind] for kind in kinds] == [one.body for one in stage.begun]
        assert [] == stage.violations
        assert stage.transport.reading

    run_in_loop(play())
