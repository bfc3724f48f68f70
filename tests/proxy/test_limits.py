"""The limits of one client or upstream: connections, the time for a head, silence; and the responses at a limit."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cfp.proxy.config import Limits
from cfp.proxy.http.local_responses import LocalResponse, response_to
from cfp.proxy.http.messages import Fault
from tests.proxy.support import Call, answer, asynchronous, upstream, worker


@asynchronous
async def test_idle_connections_make_room(tmp_path: Path) -> None:
    """At the limit the connection that was idle for longest closes; without an idle one the new client gets 503."""
    hold = asyncio.Event()

    async def script(call: Call) -> None:
        await hold.wait()
        await call.send(answer())

    async with upstream(script) as up, worker(tmp_path, up.base, limits=Limits(connections=2)) as running:
        first, second = await running.client(), await running.client()
        for client in (first, second):
            client.get(b"/__codex_fast_proxy/health")
            await client.response()
        third = await running.client()
        assert await first.closed() == b""
        for client in (second, third):
            client.get(b"/v1/x")
        for _ in range(2):
            await up.arrived.get()
        fourth = await running.client()
        assert await fourth.error() == (b"HTTP/1.1 503 Service Unavailable", "too_many_connections")
        hold.set()
        for client in (second, third):
            assert (await client.response()).start == b"HTTP/1.1 200 OK"
        for client in (first, second, third, fourth):
            await client.close()


@asynchronous
async def test_a_head_must_end_in_time(tmp_path: Path) -> None:
    """A connection whose head does not end is closed; an idle one lives longer, and is closed then."""
    limits = Limits(head_seconds=30, keep_alive_seconds=300)
    async with upstream() as up, worker(tmp_path, up.base, limits=limits) as running:
        now = asyncio.get_running_loop().time()
        slow, idle = await running.client(), await running.client()
        slow.send(b"GET / HTTP/1.1\r\n")
        idle.get(b"/__codex_fast_proxy/health")
        await idle.response()
        slow.send(b"Host: x\r\n")
        await asyncio.sleep(0.01)
        running.worker.sweep(now + 20)
        running.worker.sweep(now + 31)
        assert await slow.closed() == b""
        idle.get(b"/__codex_fast_proxy/health")
        assert (await idle.response()).start == b"HTTP/1.1 200 OK"
        running.worker.sweep(now + 301)
        assert await idle.closed() == b""
        await slow.close()
        await idle.close()


@asynchronous
async def test_an_upstream_may_be_silent(tmp_path: Path) -> None:
    """Before the response's head and within its body, for hours: only Codex knows for how long it wants to wait."""
    go_on = asyncio.Semaphore(0)
    begun: asyncio.Queue[None] = asyncio.Queue()

    async def script(call: Call) -> None:
        begun.put_nowait(None)
        await go_on.acquire()
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        await go_on.acquire()
        await call.send(b"the whole")

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post()
        await begun.get()
        hours = asyncio.get_running_loop().time() + 20_000
        running.worker.sweep(hours)
        go_on.release()
        head = await client.head()
        running.worker.sweep(2 * hours)
        go_on.release()
        assert (head.start, await client.reader.readexactly(9)) == (b"HTTP/1.1 200 OK", b"the whole")
        await client.close()


@asynchronous
async def test_a_refused_request_is_told_before_the_connection_ends(tmp_path: Path) -> None:
    """The response arrives although the client still sends bytes that are not read."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        host = b"Host: 127.0.0.1:%d\r\n" % client.port
        client.send(b"POST /nowhere HTTP/1.1\r\n" + host + b"Content-Length: 10000000\r\n\r\n")
        client.send(bytes(5_000_000))
        assert await client.error() == (b"HTTP/1.1 404 Not Found", "not_found")
        client.send(bytes(4_000_000))
        await client.writer.drain()
        client.writer.write_eof()
        assert await client.closed() == b""
        await client.close()
        client = await running.client()
        client.send(b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000)
        assert (await client.error())[0] == b"HTTP/1.1 431 Request Header Fields Too Large"
        await client.close()


@asynchronous
async def test_a_body_that_goes_bad_is_never_completed_upstream(tmp_path: Path) -> None:
    """A malformed chunk: the upstream gets the part before it and a cut, the client a 400."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        host = b"Host: 127.0.0.1:%d\r\n" % client.port
        client.send(b"POST /v1/files HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await up.arrived.get()
        client.send(b"zz\r\n")
        assert await client.error() == (b"HTTP/1.1 400 Bad Request", "malformed_request")
        gone = await up.gone.get()
        assert gone is not None
        assert gone.body == b""
        await client.close()


def test_every_fault_has_its_answer() -> None:
    """The client gets the status of the parser's fault."""
    assert {fault: response_to(fault).status for fault in Fault} == {fault: fault.value for fault in Fault}


def test_answers_are_told_apart() -> None:
    """Codes are unique, no status is 500 (Codex hides its body), and every sentence can be formatted."""
    assert len({answer.code for answer in LocalResponse}) == len(LocalResponse)
    assert 500 not in {answer.status for answer in LocalResponse}
    details = dict.fromkeys(("reason", "source", "base", "limit", "host", "seconds", "url"), "x")
    assert all(b'"code"' in answer.body(**details) for answer in LocalResponse)
