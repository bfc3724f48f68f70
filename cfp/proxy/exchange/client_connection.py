"""The connection to a client: one exchange at a time, in the order of the requests."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Protocol, cast

from cfp.proxy.config import Limits
from cfp.proxy.exchange.exchange import Exchange
from cfp.proxy.exchange.interfaces import Conversation, WorkerServices
from cfp.proxy.http.local_responses import LocalResponse, response, response_to
from cfp.proxy.http.messages import END, Malformed, OpaqueParser, Piece, RequestEvent, RequestHead, Trailers
from cfp.proxy.http.parsers import ALLOW, RequestParser
from cfp.proxy.http.socket_io import peer_has_closed, write


class ConnectionRegistry(Protocol):
    """Who keeps the list of connections."""

    def arrived(self, connection: ClientConnection) -> bool:
        """Take it in; False where there is no room."""

    def left(self, connection: ClientConnection) -> None: ...

    def trusts(self, transport: asyncio.Transport) -> bool:
        """Whether the process at the other end is one of our own user."""


class ClientConnection(asyncio.BufferedProtocol):
    """Parsed events wait in `_backlog` while an exchange whose request is complete still runs."""

    transport: asyncio.Transport

    def __init__(self, services: WorkerServices, registry: ConnectionRegistry, limits: Limits) -> None:
        self._services = services
        self._registry = registry
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._parser: RequestParser | OpaqueParser = RequestParser(limits.head, services.head_cache)
        self._buffer = services.read_buffer.view()
        self._backlog: deque[RequestEvent] = deque()
        self._head: RequestHead | None = None  # its exchange has not begun: it has no body, and END comes next
        self._exchange: Conversation | None = None
        self._complete = True  # the current request has arrived whole
        self._pumping = False
        self._held = False
        self._reading = True
        self._ending = False
        self._head_since: float | None = None
        self.trusted = False
        self.full = False
        self.touched = monotonic()

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are not of that class
        self.trusted = self._registry.trusts(self.transport)
        if not self._registry.arrived(self):
            body = LocalResponse.OVERLOADED.body()
            self.write([response(LocalResponse.OVERLOADED.status, body, close=True)])
            self._end(linger=True)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  asyncio's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._ending:
            return
        events = self._parser.feed(self._buffer[:nbytes])
        if len(events) == 3 and isinstance(body := events[1], memoryview):
            self._take_whole(events[0], body)
        elif self._backlog:
            self._backlog += events
        else:
            self._deliver(events)
        if not self._complete:
            self.touched = monotonic()
        if not self._parser.mid_head:
            self._head_since = None
        elif self._head_since is None:
            self._head_since = monotonic()

    def eof_received(self) -> None:
        """A client that closes its side has left: nobody half-closes and waits for a model."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._ending = True
        self._backlog.clear()
        self._parser.close()
        self._registry.left(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.on_lost()

    def pause_writing(self) -> None:
        self.full = True
        if self._exchange is not None:
            self._exchange.pause_download()

    def resume_writing(self) -> None:
        self.full = False
        if self._exchange is not None:
            self._exchange.resume_download()

    # -- for the exchange

    def write(self, parts: Sequence[Piece]) -> None:
        write(self.transport, parts)

    def finished(self, *, close: bool) -> None:
        self._exchange = None
        self._held = False
        self.touched = monotonic()
        if close or self._services.leaving:
            self._end(linger=not self._complete or bool(self._backlog))
        elif self._backlog or not self._reading:
            self._pump()

    def cut(self, *, reset: bool) -> None:
        self._exchange = None
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._ending = True
            self.transport.abort()
        else:
            self._end(linger=False)

    def hold_input(self, *, hold: bool) -> None:
        self._held = hold
        self._adjust_reading()

    def silent_for(self, now: float) -> float:
        """Seconds since it sent a part of its request; 0 while it is made to wait."""
        return now - self.touched if self._reading else 0.0

    def go_on_with(self, conversation: Conversation) -> None:
        self._exchange = conversation
        conversation.begin()

    def switch(self) -> None:
        assert isinstance(self._parser, RequestParser)  # noqa: S101  it has just read the request for it
        rest, self._parser = self._parser.rest, OpaqueParser()
        self._complete = False
        if rest:
            self._backlog.append(rest)
        self._pump()

    # -- for the registry

    @property
    def is_idle(self) -> bool:
        """Between two requests; the head of the next one may have begun to arrive."""
        exchange = self._exchange
        return (exchange is None or exchange.idle) and not self._backlog and not self._ending

    def close(self) -> None:
        """Close once everything is written."""
        if self._exchange is not None:
            self._exchange.retire()
        else:
            self._end(linger=False)

    def sweep(self, now: float) -> None:
        """Close what takes too long, a head that does not end or a connection that nobody uses, and who has left."""
        if not self._reading and peer_has_closed(self.transport.get_extra_info("socket").fileno()):
            self.transport.abort()
        elif self._exchange is not None:
            self._exchange.on_silence(now)
        elif (self._head_since is not None and now - self._head_since > self._limits.head_seconds) or (
            now - self.touched > self._limits.keep_alive_seconds
        ):
            self.transport.abort()

    # -- events

    def _take_whole(self, head: RequestEvent, body: memoryview) -> None:
        """Mostly one request is all that a read brings; the next read is going to overwrite it."""
        assert isinstance(head, RequestHead)  # noqa: S101  nothing else has such a body behind it
        if self._exchange is None and not self._backlog:
            self._start(head, body)
        else:
            self._backlog += (head, bytes(body), END)
            self._adjust_reading()

    def _deliver(self, events: Sequence[RequestEvent]) -> None:
        """Hand out what can be taken now; the rest waits."""
        self._pumping = True
        try:
            for event in events:
                if self._backlog or (self._complete and self._exchange is not None):
                    self._backlog.append(event)
                elif not self._ending:
                    self._take(event)
        finally:
            self._pumping = False
        if self._backlog:
            self._pump()
        elif self._held or not self._reading:
            self._adjust_reading()

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._backlog and not self._ending and (self._exchange is None or not self._complete):
                self._take(self._backlog.popleft())
        finally:
            self._pumping = False
        self._adjust_reading()

    def _take(self, event: RequestEvent) -> None:
        if event is END:
            self._complete = True
            head, self._head = self._head, None
            if head is not None:
                self._start(head)
            elif self._exchange is not None:
                self._exchange.on_end()
        elif isinstance(event, bytes):
            if self._exchange is not None:  # else it is the rest of a request that has been answered
                self._exchange.on_data(event)
        elif isinstance(event, RequestHead):
            self._complete = False
            if event.upgrade or not (event.chunked or event.length):
                self._head = event
            else:
                self._start(event)
        elif isinstance(event, Malformed):
            self._refuse(event)
        elif isinstance(event, Trailers) and self._exchange is not None:
            self._exchange.on_trailers(event.headers)

    def _start(self, head: RequestHead, body: bytes | memoryview = b"") -> None:
        exchange = self._exchange = Exchange(self._services, self, head, body, complete=self._complete)
        exchange.begin()

    def _refuse(self, malformed: Malformed) -> None:
        if self._exchange is not None:
            self._exchange.on_malformed(malformed)
            return
        answer = response_to(malformed.fault)
        body = answer.body(reason=malformed.reason, limit=self._limits.head)
        record = self._services.record(b"", b"")
        record.status, record.error_type = answer.status, answer.code
        self._services.log(record)
        self.write([response(answer.status, body, close=True, allow=ALLOW)])
        self._end(linger=True)

    def _adjust_reading(self) -> None:
        wanted = self._ending or not (self._held or self._backlog)
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self.touched = monotonic()
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def _end(self, *, linger: bool) -> None:
        """Close; with `linger` what still arrives is read and dropped, or a reset could overtake our answer."""
        self._ending = True
        self._backlog.clear()
        self._parser.close()
        if linger and self._says_end():
            self._adjust_reading()
            self._loop.call_later(self._limits.linger_seconds, self.transport.abort)
        else:
            self.transport.close()

    def _says_end(self) -> bool:
        """Tell the client that nothing more comes; False where that cannot be told, or nobody is there any more."""
        if self.transport.is_closing() or not self.transport.can_write_eof():
            return False
        try:
            self.transport.write_eof()
        except OSError:  # it left while it was not read from, which only the kernel knows
            return False
        return True
