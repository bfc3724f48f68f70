"""The pool: the choice of the next connection, and connections that are closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cfp.proxy.config import Limits
from cfp.proxy.http.messages import END, ResponseEvent
from cfp.proxy.http.socket_io import ReadBuffer
from cfp.proxy.upstream.dial import Dialer
from cfp.proxy.upstream.origin import parse_origin
from cfp.proxy.upstream.path import SocketAddress
from cfp.proxy.upstream.pool import Pool, UpstreamConnection
from tests.proxy.support import asynchronous
from tests.systems import WINDOWS


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
async def bench(limits: Limits | None = None, **services: Any) -> AsyncIterator[Bench]:
    limits = limits or Limits()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        pool = Pool(Dialer(parse_origin(base), base, {}, limits), ReadBuffer(), limits, **services)
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
    now = 1000.0
    async with bench(Limits(upstream_keep_alive_seconds=75), clock=lambda: now) as here:
        (idle, far_1), (forgotten, far_2), (used, far_3) = [await here.connect() for _ in range(3)]
        idle.release()
        used.call(Listening(), bodiless=False)
        now += 70
        here.pool.sweep()
        assert not idle.transport.is_closing()
        now += 6
        here.pool.sweep()
        closing = [connection.transport.is_closing() for connection in (idle, forgotten, used)]
        assert closing == [True, True, False]
        assert here.pool.take() is None
        for far in (far_1, far_2, far_3):
            far.close()


@asynchronous
async def test_a_machine_that_has_slept_uses_no_connection_of_before() -> None:
    """The time of sleep counts, although no sweep came in it."""
    now = 1000.0
    async with bench(clock=lambda: now) as here:
        connection, far = await here.connect()
        connection.release()
        now += 3600
        assert here.pool.take() is None
        assert connection.transport.is_closing()
        far.close()


@asynchronous
async def test_the_kernel_is_asked_for_the_path_after_a_rest() -> None:
    """Requests that follow each other cost no question; after two seconds there is one for each connection taken."""
    now = 1000.0
    questions: list[str] = []

    def source(peer: SocketAddress) -> str | None:
        questions.append(peer[0])
        return answers.pop()

    async with bench(clock=lambda: now, source=source) as here:
        connection, far = await here.connect()
        answers: list[str | None] = []
        for rest in (1.9, 1.9):
            connection.release()
            now += rest
            assert here.pool.take() is connection
        assert questions == []
        answers = ["127.0.0.1"]
        connection.release()
        now += 2
        assert here.pool.take() is connection
        answers = [None]
        connection.release()
        now += 2
        assert here.pool.take() is None
        assert questions == ["127.0.0.1"] * 2
        far.close()


@asynchronous
async def test_a_sweep_looks_at_the_path() -> None:
    """An idle connection that is not on it closes; one in use stays, for the machine has its address still."""
    source = "127.0.0.1"
    async with bench(source=lambda _: source) as here:
        (idle, far_1), (used, far_2) = await here.connect(), await here.connect()
        idle.release()
        used.call(Listening())
        here.pool.sweep()
        assert not idle.transport.is_closing()
        source = "127.0.0.2"
        here.pool.sweep()
        here.pool.sweep()
        assert (idle.transport.is_closing(), used.transport.is_closing()) == (True, False)
        for far in (far_1, far_2):
            far.close()


@asynchronous
async def test_the_kernel_ends_what_is_unreachable() -> None:
    """Keep-alive is on, and bytes are acknowledged in time, where there is such a limit."""
    async with bench() as here:
        connection, far = await here.connect()
        sock = connection.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = {
            "TCP_KEEPIDLE": 15,
            "TCP_KEEPALIVE": 15,
            "TCP_KEEPINTVL": 5,
            "TCP_KEEPCNT": 3,
            "TCP_USER_TIMEOUT": 30_000,
        }
        for name, value in options.items():
            if hasattr(socket, name) and not WINDOWS:
                assert (name, sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))) == (name, value)
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
