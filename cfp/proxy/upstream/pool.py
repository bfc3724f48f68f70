"""The pool of connections to the upstream: one response at a time on each, kept alive between requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from cfp.proxy.config import Limits
from cfp.proxy.http.messages import Fault, Malformed, OpaqueParser, Piece, ResponseEvent
from cfp.proxy.http.response_parser import ResponseParser
from cfp.proxy.http.socket_io import ReadBuffer, readiness_check, write
from cfp.proxy.upstream.dial import Dialer, reason_of
from cfp.proxy.upstream.path import (
    Clock,
    SocketAddress,
    boot_clock,
    end_when_unreachable,
    is_own_address,
    source_address,
)

if TYPE_CHECKING:
    import ssl


class Caller(Protocol):
    """The sender of a request: receives the response's events in order, and pauses its upload on demand."""

    def on_response(self, events: Sequence[ResponseEvent]) -> None:
        """Receive events; none follow END or Malformed, unless END was that of a 101."""

    def pause_upload(self) -> None: ...

    def resume_upload(self) -> None: ...


class UpstreamConnection(asyncio.BufferedProtocol):
    """One connection. Without a caller it is idle, and any byte or close makes it unusable.

    reused      it has had a response before: a close without a response may only mean that it was idle too long
    idle_since  the pool's time when it was opened or last released
    peer        the address at the other end
    local       our own address
    strayed     a new connection would have another local address
    descriptor  of its socket; -1 before it is made
    """

    transport: asyncio.Transport
    peer: SocketAddress
    local: SocketAddress

    def __init__(self, pool: Pool, buffer: memoryview, limits: Limits) -> None:
        self._pool = pool
        self._buffer = buffer
        self._parser: ResponseParser | OpaqueParser = ResponseParser(limits.upstream_head)
        self._caller: Caller | None = None
        self._unreachable_seconds = limits.unreachable_seconds
        self.descriptor = -1
        self._loss: str | None = None
        self.reused = False
        self.strayed = False
        self.idle_since = pool.clock()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are not of that class
        sock = self.transport.get_extra_info("socket")
        self.descriptor = sock.fileno()
        self._is_readable = readiness_check(self.descriptor)
        self.local = self.transport.get_extra_info("sockname")
        self.peer = self.transport.get_extra_info("peername") or self.local  # none where it has closed already
        end_when_unreachable(sock, self._unreachable_seconds)
        self._pool.connection_opened(self)

    @property
    def busy(self) -> bool:
        return self._caller is not None

    def call(self, caller: Caller, *, bodiless: bool = False, switch: bool = False) -> None:
        """Expect one response for this caller."""
        assert isinstance(self._parser, ResponseParser)  # noqa: S101  a switched connection gets no other call
        self._caller = caller
        self._parser.expect(bodiless=bodiless, switch=switch)

    def switch(self) -> bytes:
        """Pass all further bytes to the caller as they are; return those that came behind the 101."""
        assert isinstance(self._parser, ResponseParser)  # noqa: S101  it has just parsed the 101
        rest, self._parser = self._parser.rest, OpaqueParser()
        return rest

    def send(self, parts: list[Piece]) -> None:
        write(self.transport, parts)

    def release(self) -> None:
        """Return the connection to the pool: request and response are complete."""
        self._caller = None
        self.reused = True
        self.idle_since = self._pool.clock()
        self.transport.resume_reading()
        self._pool.put_back(self)

    def close(self) -> None:
        """Close when everything is written; the caller gets no more events."""
        self._caller = None
        self._parser.close()
        self.transport.close()

    def abort(self) -> None:
        """Close at once; the caller gets no more events."""
        self._caller = None
        self._parser.close()
        self.transport.abort()

    def lose(self, reason: str) -> None:
        """End a connection that cannot work any more, as if it had been reset; its caller gets the reason."""
        self._loss = reason
        self.transport.abort()

    def is_stale(self) -> bool:
        """Whether the peer has closed it or sent unexpected bytes, even if the event loop has not read them yet."""
        return self.transport.is_closing() or bool(self._is_readable())

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  asyncio's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._caller is None:
            self.abort()
            return
        self._caller.on_response(self._parser.feed(self._buffer[:nbytes]))

    def eof_received(self) -> None:
        if self._caller is not None and self._is_clean_close():
            self._end_call(self._parser.eof())

    def _is_clean_close(self) -> bool:
        """Whether the peer itself closed it: with TLS, anybody on the path can end the TCP stream (RFC 8446 6.1)."""
        tls: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            return tls.read(1) == b""  # asyncio has read all data, and does not report why it stopped
        except OSError:
            return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.connection_lost(self)
        if self._caller is not None:
            reason = self._loss or (reason_of(exc) if isinstance(exc, OSError) else "the connection was closed")
            self._end_call([Malformed(Fault.CLOSED, reason)])
        self._parser.close()

    def pause_writing(self) -> None:
        if self._caller is not None:
            self._caller.pause_upload()

    def resume_writing(self) -> None:
        if self._caller is not None:
            self._caller.resume_upload()

    def _end_call(self, events: Sequence[ResponseEvent]) -> None:
        caller = self._caller
        if events and caller is not None:
            self._caller = None
            caller.on_response(events)


class Pool:
    """The connections to one origin. The one used last is used next, so that spare ones become old and close.

    clock   seconds; it also runs while the machine sleeps, or a connection of before would look fresh
    source  the local address of a new connection to a peer, None without a route
    """

    def __init__(
        self,
        dialer: Dialer,
        read_buffer: ReadBuffer,
        limits: Limits,
        *,
        clock: Clock = boot_clock,
        source: Callable[[SocketAddress], str | None] = source_address,
    ) -> None:
        self._dialer = dialer
        self._read_buffer = read_buffer
        self._limits = limits
        self._source = source
        self.clock = clock
        self.forward_proxy = dialer.forward_proxy
        self._idle: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()
        # Running responses come before new connections; another loop than the worker's own has no such order.
        self._urgent: set[int] = getattr(asyncio.get_event_loop(), "urgent", set())

    def take(self) -> UpstreamConnection | None:
        """Return a live idle connection, None without one; closes the stale ones that it meets."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_stale() and not self._is_old(connection) and self.is_on_path(connection):
                return connection
            connection.abort()
        return None

    async def dial(self, *, tunnel: bool = False, patience: float = 0.0) -> UpstreamConnection:
        """Open one more connection, with the arguments of `Dialer.dial`; raises DialFailed."""
        return await self._dialer.dial(
            lambda: UpstreamConnection(self, self._read_buffer.view(), self._limits), tunnel=tunnel, patience=patience
        )

    def put_back(self, connection: UpstreamConnection) -> None:
        self._idle.append(connection)
        if len(self._idle) > self._limits.upstream_pool:
            self._idle.pop(0).abort()

    def connection_opened(self, connection: UpstreamConnection) -> None:
        self._all.add(connection)
        self._urgent.add(connection.descriptor)

    def connection_lost(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        self._urgent.discard(connection.descriptor)
        if connection in self._idle:
            self._idle.remove(connection)

    def is_on_path(self, connection: UpstreamConnection) -> bool:
        """Whether a connection that owes nothing has the local address that a new one would have.

        The kernel is asked only where it has rested for a while: requests that follow each other cost nothing.
        """
        rested = self.clock() - connection.idle_since
        return rested < self._limits.path_check_seconds or self._source(connection.peer) == connection.local[0]

    def sweep(self) -> None:
        """Close connections that rest and are old or not on the path, and lose those whose address has gone.

        One in use is kept as long as the machine has its address, even where new ones would get another: with a
        second network beside the first, both work. An address may be away for a moment, hence the two sweeps.
        """
        sources: dict[SocketAddress, str | None] = {}
        for connection in list(self._all):
            peer = connection.peer
            if peer not in sources:
                sources[peer] = self._source(peer)
            strayed_before, connection.strayed = connection.strayed, sources[peer] != connection.local[0]
            if not connection.busy:
                if connection.strayed or self._is_old(connection):
                    connection.abort()
            elif connection.strayed and strayed_before and not is_own_address(connection.local):
                connection.lose("this machine has another network address now")

    def _is_old(self, connection: UpstreamConnection) -> bool:
        return self.clock() - connection.idle_since > self._limits.upstream_keep_alive_seconds

    def close(self) -> None:
        """Abort every connection."""
        for connection in list(self._all):
            connection.abort()
        self._idle.clear()
