"""One client's connection: parse its requests and serve them one at a time, in their order.

`phases.ConnectionPhase` draws the life of a connection. While a response runs, further events wait in a backlog.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import ClassVar, Protocol, cast

from cfp.proxy.config import Limits
from cfp.proxy.exchange.exchange import Exchange
from cfp.proxy.exchange.interfaces import Conversation, WorkerServices
from cfp.proxy.exchange.local_exchange import LocalExchange
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
from cfp.proxy.exchange.request_plan import RequestPlan, plan_request
from cfp.proxy.http.local_responses import LocalResponse, response, response_to
from cfp.proxy.http.messages import END, Malformed, OpaqueParser, Piece, RequestEvent, RequestHead, Trailers
from cfp.proxy.http.parsers import ALLOW, RequestParser
from cfp.proxy.http.socket_io import peer_has_closed, write


class ConnectionRegistry(Protocol):
    """The list of open connections."""

    def add(self, connection: ClientConnection) -> bool:
        """Add a connection; False where the limit is reached, and the connection must be closed."""

    def remove(self, connection: ClientConnection) -> None: ...

    def trusts(self, transport: asyncio.Transport) -> bool | None:
        """Whether the peer's process belongs to our own user; None where the peer has left."""


class ClientConnection(asyncio.BufferedProtocol):
    """One connection of a client.

    phase         the current phase
    trusted       the peer's process belongs to our own user
    write_paused  the client reads more slowly than we write
    last_active   time of the last byte of a request, or of the end of a response

    A conversation is present in RECEIVING, RESPONDING and OPAQUE, except while a `LocalExchange` runs.
    """

    exchange_class: ClassVar[type[Exchange]] = Exchange
    local_exchange_class: ClassVar[type[LocalExchange]] = LocalExchange

    transport: asyncio.Transport

    def __init__(self, services: WorkerServices, registry: ConnectionRegistry, limits: Limits) -> None:
        self._services = services
        self._registry = registry
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._parser: RequestParser | OpaqueParser = RequestParser(limits.head, services.head_cache)
        self._buffer = services.read_buffer.view()
        self._backlog: deque[RequestEvent] = deque()
        self._head: RequestHead | None = None  # in HEAD_READ: the head
        self._head_since: float | None = None  # when a head began that is not complete
        self._conversation: Conversation | None = None
        self._delivering = False  # an event is being handled: events behind it go to the backlog, not into recursion
        self._input_paused = False  # by the conversation, whose upstream takes no more
        self._reading = True  # the transport reads
        self.phase: ConnectionPhase = IDLE
        self._deserted = False  # the client had left when the connection was made
        self.trusted = False
        self.write_paused = False
        self.last_active = monotonic()

    # -- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are not of that class
        trusted = self._registry.trusts(self.transport)
        self.trusted = bool(trusted)
        self._deserted = trusted is None
        if not self._registry.add(self):
            body = LocalResponse.OVERLOADED.body()
            self.write([response(LocalResponse.OVERLOADED.status, body, close=True)])
            self._close(linger=True)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  asyncio's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.phase is CLOSING:
            return
        events = self._parser.feed(self._buffer[:nbytes])
        if len(events) == 3 and isinstance(body := events[1], memoryview):
            self._take_whole_request(events[0], body)
        elif self._backlog:
            self._backlog += events
        else:
            self._deliver(events)
        phase = self.phase
        if phase is RECEIVING or phase is OPAQUE:
            self.last_active = monotonic()
        if not self._parser.mid_head:
            self._head_since = None
        elif self._head_since is None:
            self._head_since = monotonic()

    def eof_received(self) -> None:
        """Let the transport close: no client half-closes its connection and waits for a response."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self.phase = CLOSED
        self._backlog.clear()
        self._parser.close()
        self._registry.remove(self)
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            conversation.on_lost()

    def pause_writing(self) -> None:
        self.write_paused = True
        if self._conversation is not None:
            self._conversation.pause_download()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._conversation is not None:
            self._conversation.resume_download()

    # -- called by the conversation

    def write(self, parts: Sequence[Piece]) -> None:
        write(self.transport, parts)

    def end_conversation(self, *, close: bool) -> None:
        self._conversation = None
        self._input_paused = False
        self.last_active = monotonic()
        if close or self._services.leaving:
            self._close(linger=self.phase is not RESPONDING or bool(self._backlog))
            return
        self.phase = IDLE
        if self._backlog or not self._reading:
            self._deliver_backlog()

    def break_off(self, *, reset: bool) -> None:
        self._conversation = None
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._drop_input()
            self.transport.abort()
        else:
            self._close(linger=False)

    def pause_input(self) -> None:
        self._input_paused = True
        self._adjust_reading()

    def resume_input(self) -> None:
        self._input_paused = False
        self._adjust_reading()

    def silent_for(self, now: float) -> float:
        return now - self.last_active if self._reading else 0.0

    def hand_to(self, conversation: Conversation) -> None:
        self._conversation = conversation
        conversation.begin()

    def switch_protocol(self) -> None:
        assert isinstance(self._parser, RequestParser)  # noqa: S101  it has just parsed the request for the switch
        rest, self._parser = self._parser.rest, OpaqueParser()
        self.phase = OPAQUE
        if rest:
            self._backlog.append(rest)
        self._deliver_backlog()

    # -- called by the registry

    @property
    def is_idle(self) -> bool:
        """Whether a close cuts nothing: between two requests, also where the head of the next one has begun."""
        conversation = self._conversation
        return not self._backlog and (self.phase is IDLE or (conversation is not None and conversation.idle))

    def close(self) -> None:
        """Close an idle connection once everything is written."""
        if self._conversation is not None:
            self._conversation.close_if_idle()
        else:
            self._close(linger=False)

    def sweep(self, now: float) -> None:
        """Check the time limits, and abort where the client has closed its end while it was not read from."""
        if not self._reading and peer_has_closed(self.transport.get_extra_info("socket").fileno()):
            self.transport.abort()
        elif self._conversation is not None:
            self._conversation.check_time_limits(now)
        elif (self._head_since is not None and now - self._head_since > self._limits.head_seconds) or (
            now - self.last_active > self._limits.keep_alive_seconds
        ):
            self.transport.abort()

    # -- events

    def _take_whole_request(self, head: RequestEvent, body: memoryview) -> None:
        """Serve a request that one read has brought whole; the next read overwrites its body."""
        assert isinstance(head, RequestHead)  # noqa: S101  only a head comes before such a body
        if self.phase is IDLE and not self._backlog:
            self.phase = RESPONDING
            self._serve(head, body)
        else:
            self._backlog += (head, bytes(body), END)
            self._adjust_reading()

    def _deliver(self, events: Sequence[RequestEvent]) -> None:
        """Handle the events that the phase allows; append the others to the backlog."""
        self._delivering = True
        try:
            for event in events:
                if self._backlog or self.phase is RESPONDING:
                    self._backlog.append(event)
                elif self.phase is not CLOSING:
                    self._take(event)
        finally:
            self._delivering = False
        if self._backlog:
            self._deliver_backlog()
        elif self._input_paused or not self._reading:
            self._adjust_reading()

    def _deliver_backlog(self) -> None:
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._backlog and self.phase is not RESPONDING:
                self._take(self._backlog.popleft())
        finally:
            self._delivering = False
        self._adjust_reading()

    def _take(self, event: RequestEvent) -> None:
        """Handle one event; a body's rest behind its response is dropped."""
        if event is END:
            self._take_end()
        elif isinstance(event, bytes):
            if self._conversation is not None:
                self._conversation.on_data(event)
        elif isinstance(event, RequestHead):
            if event.upgrade or not (event.chunked or event.length):
                self.phase = HEAD_READ
                self._head = event
            else:
                self.phase = RECEIVING
                self._serve(event)
        elif isinstance(event, Malformed):
            if self._conversation is not None:
                self._conversation.on_malformed(event)
            else:
                self._refuse(event)
        elif isinstance(event, Trailers) and self._conversation is not None:
            self._conversation.on_trailers(event.headers)

    def _take_end(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self.phase = RESPONDING
            self._serve(head)
        elif self._conversation is not None:
            self.phase = RESPONDING
            self._conversation.on_end()

    def _serve(self, head: RequestHead, body: bytes | memoryview = b"") -> None:
        plan = plan_request(self._services, head)
        complete = self.phase is RESPONDING
        if self._deserted:
            self._log_deserted(head, plan)
        elif plan.forwarded and self.trusted:
            exchange_class = self.exchange_class
            if plan.lists_models:
                from cfp.proxy.exchange.models_exchange import ModelsExchange  # noqa: PLC0415  not needed to listen

                exchange_class = ModelsExchange
            exchange = self._conversation = exchange_class(self._services, self, head, plan, body, complete=complete)
            exchange.begin()
        else:
            self.local_exchange_class(self._services, self, head, plan, complete=complete).run()

    def _log_deserted(self, head: RequestHead, plan: RequestPlan) -> None:
        """Log a request whose client had left before the kernel could say whose it was; it gets no response."""
        record = self._services.new_record(head.method, plan.target)
        record.error_type = "client_left"
        self._services.log(record)
        self._drop_input()
        self.transport.abort()

    def _refuse(self, malformed: Malformed) -> None:
        """Answer a request whose head cannot be parsed."""
        local_response = response_to(malformed.fault)
        body = local_response.body(reason=malformed.reason, limit=self._limits.head)
        record = self._services.new_record(b"", b"")
        record.status, record.error_type = local_response.status, local_response.code
        self._services.log(record)
        self.write([response(local_response.status, body, close=True, allow=ALLOW)])
        self._close(linger=True)

    def _adjust_reading(self) -> None:
        """Pause the transport while the conversation or the backlog takes no more, and resume it afterwards."""
        reading = self.phase is CLOSING or not (self._input_paused or self._backlog)
        if reading != self._reading:
            self._reading = reading
            if reading:
                self.last_active = monotonic()
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    # -- the end

    def _close(self, *, linger: bool) -> None:
        """Close once everything is written.

        linger  read and drop what still arrives for some seconds, or a reset could overtake our response
        """
        self._drop_input()
        if linger and self._write_eof():
            self._adjust_reading()
            self._loop.call_later(self._limits.linger_seconds, self.transport.abort)
        else:
            self.transport.close()

    def _drop_input(self) -> None:
        self.phase = CLOSING
        self._backlog.clear()
        self._parser.close()

    def _write_eof(self) -> bool:
        """Half-close the connection; False where the transport cannot, or the client has left."""
        if self.transport.is_closing() or not self.transport.can_write_eof():
            return False
        try:
            self.transport.write_eof()
        except OSError:  # the client left while it was not read from, and only the kernel has noticed
            return False
        return True
