"""A handover between two workers: no connection is refused or reset and no stream cut, whichever worker ends."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cfp.core.settings import Settings
from cfp.errors import Busy, Failed
from cfp.host.worker.control import channel
from cfp.layout import Layout
from cfp.proxy.config import Limits, WorkerConfig
from cfp.proxy.worker.handover import Handover, Loan, borrow
from cfp.proxy.worker.peer_check import PeerGuard
from cfp.proxy.worker.single_instance import SingleInstance
from cfp.proxy.worker.worker import Worker
from tests.ports import free_port
from tests.proxy.support import Call, Client, Upstream, asynchronous, upstream

FIRST, NEXT = "aa", "bb"


@dataclass(slots=True, kw_only=True)
class Life:
    """The steps of `cfp.proxy.worker.process`, in the test's own event loop."""

    config: WorkerConfig
    lifetime: SingleInstance
    worker: Worker
    handover: Handover
    over: asyncio.Task[None]

    async def client(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.worker.port)
        return Client(self.worker.port, reader, writer)

    async def served_by(self) -> str:
        """Return the nonce of the worker that answers at the port."""
        client = await self.client()
        client.get(b"/__codex_fast_proxy/health", b"Connection: close")
        head = await client.response()
        await client.close()
        return head.body.partition(b'"nonce": "')[2][:2].decode()


@asynccontextmanager
async def life(config: WorkerConfig, loan: Loan | None = None) -> AsyncIterator[Life]:
    with SingleInstance(config.layout, None if loan is None else loan.lent.lock) as lifetime:
        worker = Worker(config, guard=PeerGuard((), 0))  # tests of its own; Wine needs 50 ms for each look
        handover = Handover(worker, lifetime, loan)
        await worker.start(() if loan is None else loan.lent.sockets)
        handover.open()
        lifetime.write_pid()

        async def live() -> None:
            await worker.wait_closed()
            handover.close()

        over = asyncio.create_task(live())
        try:
            yield Life(config=config, lifetime=lifetime, worker=worker, handover=handover, over=over)
        finally:
            worker.cut()
            await over


@asynccontextmanager
async def successor(former: Life, **changes: object) -> AsyncIterator[Life]:
    settings = replace(former.config.settings, **changes)  # type: ignore[arg-type]  # a table of fields
    settings = settings if "port" in changes else replace(settings, port=former.worker.port)
    config = replace(former.config, settings=settings, nonce=NEXT, take_over=FIRST)
    loan = await asyncio.to_thread(borrow, config)
    assert loan is not None
    async with life(config, loan) as following:
        yield following


@asynccontextmanager
async def first(home: Path, double: Upstream, *, limits: Limits | None = None) -> AsyncIterator[Life]:
    """Start a worker at a free port."""
    settings = Settings(provider="relay", upstream_base=double.base, port=free_port())
    config = WorkerConfig(settings=settings, layout=Layout(home), environ={}, nonce=FIRST, limits=limits or Limits())
    async with life(config) as made:
        yield made


@asynchronous
async def test_the_next_worker_accepts_and_the_former_leaves(tmp_path: Path) -> None:
    """During the loan and after it only the next worker accepts; one of the two always holds the lock."""
    async with upstream() as double, first(tmp_path, double) as former:
        assert FIRST == await former.served_by()
        async with successor(former) as following:
            assert (True, False) == (former.worker.standing_by, former.worker.draining)
            assert following.worker.taking_over
            assert [NEXT] * 3 == [await following.served_by() for _ in range(3)]
            former.handover.end()
            await former.over
            assert [NEXT] * 3 == [await following.served_by() for _ in range(3)]
            assert not following.worker.taking_over
            with pytest.raises(Busy), SingleInstance(Layout(tmp_path)):
                pass
            assert [Layout(tmp_path).control(NEXT)] == list(Layout(tmp_path).worker.glob("*.sock"))
        with SingleInstance(Layout(tmp_path)):
            pass


@asynchronous
async def test_a_stream_survives_and_the_next_request_is_the_new_workers(tmp_path: Path) -> None:
    """The former worker finishes its stream event by event, and ends only then."""
    more: asyncio.Queue[bytes] = asyncio.Queue()

    async def stream(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        while event := await more.get():
            await call.send(b"%x\r\n%b\r\n" % (len(event), event))
        await call.send(b"0\r\n\r\n")

    async with upstream(stream) as double, first(tmp_path, double) as former:
        running = await former.client()
        running.post()
        await running.head()
        async with upstream() as other, successor(former, upstream_base=other.base) as following:
            former.handover.end()
            for event in (b"one", b"two"):
                more.put_nowait(event)
                assert event == (await running.reader.readuntil(b"\r\n" + event + b"\r\n"))[-5:-2]
            assert not former.over.done()
            assert 1 == (control_health := await asyncio.to_thread(former_health, former))["requests_in_flight"]
            assert control_health["draining"] is True
            new = await following.client()
            new.post()
            assert b"HTTP/1.1 200 OK" == (await new.response()).start
            assert (1, 1) == (len(double.requests), len(other.requests))
            more.put_nowait(b"")
            assert b"0\r\n\r\n" == await running.reader.readuntil(b"0\r\n\r\n")
            running.post()  # the response before had no Connection: close
            assert b"close" == (await running.head()).get(b"connection")
            more.put_nowait(b"")
            assert b"0\r\n\r\n" == await running.closed()
            await former.over
            await new.close()
        await running.close()


def former_health(life: Life) -> dict[str, Any]:
    health = channel.read_health(life.config.layout.control(FIRST), 5)
    assert health is not None
    return health


@asynchronous
async def test_when_the_next_worker_ends_the_former_accepts_again(tmp_path: Path) -> None:
    """SIGTERM or death of the borrower returns port and pid file to the former worker; a second handover works."""
    async with upstream() as double, first(tmp_path, double) as former:
        for ending in ("sigterm", "death"):
            async with successor(former) as following:
                assert NEXT == await following.served_by()
                Layout(tmp_path).pid_file.write_text("0\n")  # both workers are this process; real ones have two pids
                if ending == "sigterm":
                    following.handover.end()
                    await following.over
                else:
                    assert following.handover._loan is not None
                    following.handover._loan.shutdown(socket.SHUT_RDWR)  # as the kernel does when a process dies
                    following.worker.stand_by(pausing=True)
                assert FIRST == await former.served_by()
                assert not former.worker.standing_by
                assert Layout(tmp_path).pid_file.read_text() == f"{os.getpid()}\n"
        with pytest.raises(Busy), SingleInstance(Layout(tmp_path)):
            pass


@asynchronous
async def test_connections_wait_while_no_worker_accepts(tmp_path: Path) -> None:
    """Connections that come while no worker accepts wait in the queue; none is refused or reset."""
    async with upstream() as double, first(tmp_path, double) as former:
        config = replace(former.config, nonce=NEXT, take_over=FIRST)
        for returned in (False, True):
            loan = await asyncio.to_thread(borrow, config)
            assert loan is not None
            waiting = [await former.client() for _ in range(50)]
            for client in waiting:
                client.post()
            if returned:
                async with life(config, loan):
                    former.handover.end()
                    starts = [(await client.response()).start for client in waiting]
            else:
                channel.close_lent(loan.lent)
                loan.connection.close()
                starts = [(await client.response()).start for client in waiting]
            assert [b"HTTP/1.1 200 OK"] * 50 == starts
            for client in waiting:
                await client.close()


@asynchronous
async def test_an_idle_connection_may_send_its_last_request(tmp_path: Path) -> None:
    """A request on its way while the former worker drains is answered, with Connection: close."""
    async with upstream() as double, first(tmp_path, double, limits=Limits(last_request_seconds=0.3)) as former:
        reused, unused = await former.client(), await former.client()
        reused.post()
        await reused.response()
        async with successor(former):
            former.handover.end()
            reused.post()
            last = await reused.response()
            assert (b"HTTP/1.1 200 OK", b"close") == (last.start, last.get(b"connection"))
            assert (b"", b"") == (await reused.closed(), await unused.closed())
            await former.over
        for client in (reused, unused):
            await client.close()


def test_the_drain_limit_cuts_requests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the drain limit running requests are cut, and the event log has their number."""

    @asynchronous
    async def drain() -> None:
        async def stall(call: Call) -> None:
            await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            await call.reader.read()

        async with upstream(stall) as double, first(tmp_path, double, limits=Limits(drain_seconds=0.1)) as former:
            client = await former.client()
            client.post()
            await client.head()
            former.handover.end()
            await former.over
            with suppress(ConnectionResetError):
                await client.closed()
            await client.close()

    drain()
    assert '"cut_streams": 1' in capsys.readouterr().err


@asynchronous
async def test_another_address_is_served_beside(tmp_path: Path) -> None:
    """If the next worker has another port, the former one accepts at its own until it ends."""
    async with upstream() as double, first(tmp_path, double) as former:
        port = free_port()
        async with successor(former, port=port) as following:
            assert port == following.worker.port
            assert (FIRST, NEXT) == (await former.served_by(), await following.served_by())
            former.handover.end()
            await former.over
            assert NEXT == await following.served_by()


@asynchronous
async def test_some_requests_for_a_loan_are_refused(tmp_path: Path) -> None:
    """Another nonce, a second borrower, and a worker that is itself borrowing: each request is refused."""
    async with upstream() as double, first(tmp_path, double) as former:
        config = replace(former.config, nonce=NEXT, take_over=FIRST)

        async def refused(borrower: WorkerConfig) -> str:
            with pytest.raises(Failed) as caught:
                await asyncio.to_thread(borrow, borrower)
            return str(caught.value.details["reason"])

        stolen = replace(config, take_over="cc")
        Layout(tmp_path).control("cc").hardlink_to(Layout(tmp_path).control(FIRST))
        assert "it is another worker" == await refused(stolen)
        async with successor(former):
            assert "it stands by for another one" == await refused(config)
            third = replace(config, nonce="dd", take_over=NEXT)
            assert "the one before it still stands by" == await refused(third)
        running = await former.client()
        running.post()
        former.handover.end()
        if not former.over.done():
            await running.response()
        await former.over
        assert await asyncio.to_thread(borrow, config) is None
        await running.close()


@asynchronous
async def test_nonsense_on_the_control_socket_does_nothing(tmp_path: Path) -> None:
    """Any garbage on the control socket is ignored, and its connection closed."""
    async with upstream() as double, first(tmp_path, double) as former:
        path = Layout(tmp_path).control(FIRST)
        for line in (b"", b"\n", b"{", b"[]\n", b'{"ask": "sing"}\n', b"\xff\n", b"x" * 9999, b"[" * 4000 + b"\n"):
            with await asyncio.to_thread(channel.connect, path, 5) as connection:
                await asyncio.to_thread(connection.sendall, line)
                connection.shutdown(socket.SHUT_WR)
                with suppress(ConnectionResetError):  # the worker does not read it to the end
                    assert b"" == await asyncio.to_thread(connection.recv, 100)
        assert FIRST == await former.served_by()
        assert not former.worker.standing_by


@asynchronous
async def test_start_follows_stop_at_the_same_port(tmp_path: Path) -> None:
    """A hundred restarts with connections that the worker closed first: TIME_WAIT does not block the port."""
    async with upstream() as double, first(tmp_path, double) as made:
        config, port = replace(made.config, limits=Limits(outage_seconds=0)), made.worker.port
    for _ in range(100):
        async with life(replace(config, settings=replace(config.settings, port=port))) as again:
            client = await again.client()
            client.post(b"{}", b"Connection: close")
            assert b"HTTP/1.1 200 OK" != (await client.response()).start  # the upstream has ended
            assert b"" == await client.closed()
            await client.close()


def test_a_worker_that_is_gone_needs_no_taking_over(tmp_path: Path) -> None:
    """If the former worker has ended, the next one starts as a first one does."""
    Layout(tmp_path).worker.mkdir(parents=True)
    settings = Settings(provider="relay", upstream_base="https://relay.example/v1")
    config = WorkerConfig(settings=settings, layout=Layout(tmp_path), environ={}, nonce=NEXT, take_over=FIRST)
    assert borrow(config) is None
    channel.Server(Layout(tmp_path).control(FIRST)).socket.close()
    assert borrow(config) is None
