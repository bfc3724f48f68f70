"""The pool: the choice of the next connection, and connections that are closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cfp.proxy.config import Limits
from cfp.proxy.http.messages import END, ResponseEvent
from cfp.proxy.http.socket_io import ReadBuffer
from cfp.proxy.upstream.dial import Dialer
from cfp.proxy.upstream.origin import parse_origin
from cfp.proxy.upstream.pool import Pool, UpstreamConnection
from tests.proxy.support import asynchronous


class Listening:
    """A caller that records its events."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[list[ResponseEvent]] = asyncio.Queue()

    def on_response(self, events: list[ResponseEvent]) -> None:
        self.received.put_nowait(events)

    def pause_upload(self) -> None: ...

    def resume_upload(self) -> None: ...


@dataclass
class Bench:
    """A pool, and the plain sockets at the other end: they act at once, without the loop."""

    pool: Pool
    listener: socket.socket

    async def connect(self) -> tuple[UpstreamConnection, socket.socket]:
        connection = await self.pool.dial()
        return connection, self.listener.accept()[0]


@asynccontextmanager
async def bench(limits: Limits | None = None) -> AsyncIterator[Bench]:
    limits = limits or Limits()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        pool = Pool(Dialer(parse_origin(base), base, {}, limits), ReadBuffer(), limits)
        yield Bench(pool, listener)
        pool.close()
        await asyncio.sleep(0)


@asynchronous
async def test_a_close_that_the_loop_has_not_read_is_noticed() -> None:
    """A connection that has just been closed is not used; nor is one with unexpected bytes."""
    async with bench() as here:
        for spoil in (lambda far: far.close(), lambda far: far.sendall(b"HTTP/1.1 408 Too Late\r\n\r\n")):
            connection, far = await here.connect()
            connection.release()
            spoil(far)
            assert here.pool.take() is None
            far.close()


@asynchronous
async def test_the_last_one_used_is_used_next() -> None:
    """The connection used last is used next, so that spare ones grow old."""
    async with bench() as here:
        (first, far_1), (second, far_2) = await here.connect(), await here.connect()
        first.release()
        second.release()
        assert here.pool.take() is second
        assert here.pool.take() is first
        assert here.pool.take() is None
        far_1.close()
        far_2.close()


@asynchronous
async def test_old_connections_are_closed() -> None:
    """Idle and forgotten connections are closed after a while, never one in use."""
    async with bench(Limits(upstream_keep_alive_seconds=75)) as here:
        (idle, far_1), (forgotten, far_2), (used, far_3) = [await here.connect() for _ in range(3)]
        idle.release()
        used.call(Listening(), bodiless=False)
        here.pool.sweep(idle.last_active + 70)
        assert not idle.transport.is_closing()
        here.pool.sweep(used.last_active + 76)
        closing = [connection.transport.is_closing() for connection in (idle, forgotten, used)]
        assert closing == [True, True, False]
        assert here.pool.take() is None
        for far in (far_1, far_2, far_3):
            far.close()


@asynchronous
async def test_the_pool_is_bounded() -> None:
    """The oldest connection is closed first."""
    async with bench(Limits(upstream_pool=1)) as here:
        (first, far_1), (second, far_2) = await here.connect(), await here.connect()
        first.release()
        second.release()
        assert first.transport.is_closing()
        assert here.pool.take() is second
        far_1.close()
        far_2.close()


@asynchronous
async def test_a_paused_connection_is_resumed() -> None:
    """A response that ended while its client was slow leaves a connection that reads."""
    async with bench() as here:
        connection, far = await here.connect()
        caller = Listening()
        connection.call(caller, bodiless=False)
        far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert (await caller.received.get())[-1] is END
        connection.transport.pause_reading()
        connection.release()
        assert connection.transport.is_reading()
        far.close()
