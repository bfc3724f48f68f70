"""The less usual features of HTTP/1.1 between real sockets: each is passed on, or ends with a clear error."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from backports import zstd

from cfp.core.settings import Policy
from cfp.proxy.config import Limits
from cfp.proxy.http.request_body import RequestBody
from tests.proxy.support import (
    Call,
    Client,
    answer,
    asynchronous,
    read_body,
    read_chunk,
    read_head,
    upstream,
    worker,
)

CHUNKED = b"Transfer-Encoding: chunked"


def begin(client: Client, *fields: bytes, path: bytes = b"/v1/files") -> None:
    """Send the head of a POST whose body is streamed."""
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: 127.0.0.1:%d" % client.port, *fields, b"", b""]
    client.send(b"\r\n".join(lines))


@asynchronous
async def test_trailers_pass_in_both_directions(tmp_path: Path) -> None:
    """Trailer fields pass behind a chunked body, except those that only mean something in a head (RFC 9110 6.5.1)."""
    forbidden = b"Host: evil.example\r\nAuthorization: x\r\nSet-Cookie: x\r\nContent-Encoding: gzip\r\n"

    async def script(call: Call) -> None:
        body = await read_chunk(call.reader)
        trailers = await call.reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
        echo = body + b"|" + trailers
        await call.send(head + b"%x\r\n%s\r\n0\r\n" % (len(echo), echo) + forbidden + b"X-Sum: down\r\n\r\n")

    async with upstream(script, whole=False) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        begin(client, CHUNKED, b"Trailer: X-Sum", b"TE: trailers, deflate", b"Connection: TE")
        client.send(b"3\r\nabc\r\n0\r\n" + forbidden + b"X-Sum: up\r\n\r\n")
        head = await client.head()
        assert head.get(b"trailer") == b"X-Sum"
        assert await read_chunk(client.reader) == b"abc|0\r\nX-Sum: up\r\n\r\n"
        assert await client.reader.readuntil(b"\r\n\r\n") == b"0\r\nX-Sum: down\r\n\r\n"
        assert (up.requests[0].get(b"te"), up.requests[0].get(b"connection")) == (b"trailers", b"TE")
        await client.close()


@asynchronous
async def test_early_hints_pass(tmp_path: Path) -> None:
    """1xx heads reach HTTP/1.1 clients at once, HTTP/1.0 clients never; an unexpected 100 is dropped."""
    go_on = asyncio.Event()

    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        if b"hints" in call.request.start:
            await go_on.wait()
        await call.send(answer(b"done"))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.get(b"/v1/hints")
        hints = await client.head()
        assert (hints.start, hints.get(b"link")) == (b"HTTP/1.1 103 Early Hints", b"</a>")
        go_on.set()
        assert (await client.response()).body == b"done"
        await client.close()
        client = await running.client()
        client.send(b"GET /v1/old HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n" % client.port)
        assert (await client.response()).start == b"HTTP/1.1 200 OK"
        await client.close()


@asynchronous
async def test_expect_reaches_the_upstream_of_a_streamed_body(tmp_path: Path) -> None:
    """The client sends its body after the upstream's 100, and never where the upstream refuses before."""

    async def script(call: Call) -> None:
        assert call.request.get(b"expect") == b"100-continue"
        if b"refuse" in call.request.start:
            await call.send(answer(b"no", b"417 Expectation Failed"))
            return
        await call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await call.send(answer(await read_body(call.reader, call.request)))

    async with upstream(script, whole=False) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        begin(client, b"Content-Length: 3", b"Expect: 100-continue")
        assert (await client.head()).start == b"HTTP/1.1 100 Continue"
        client.send(b"abc")
        assert (await client.response()).body == b"abc"
        begin(client, b"Content-Length: 3", b"Expect: 100-continue", path=b"/v1/refuse")
        refused = await client.response()
        assert (refused.start, refused.get(b"connection")) == (b"HTTP/1.1 417 Expectation Failed", b"close")
        client.writer.write_eof()
        assert await client.closed() == b""
        await client.close()


@asynchronous
async def test_http_1_0_expects_nothing(tmp_path: Path) -> None:
    """HTTP/1.0 has no interim responses: the Expect of such a client is ignored (RFC 9110 10.1.1)."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        for path in (b"/v1/responses", b"/v1/files"):
            client = await running.client()
            fields = b"Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
            client.send(b"POST %b HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n%b\r\n{}" % (path, client.port, fields))
            assert (await client.response()).start == b"HTTP/1.1 200 OK"
            assert up.requests[-1].get(b"expect") is None
            await client.close()


@asynchronous
async def test_an_answer_may_come_before_the_body(tmp_path: Path) -> None:
    """A response before the end of the request is passed on at once; neither connection is used again."""

    async def script(call: Call) -> None:
        await call.send(answer(b"enough", b"401 Unauthorized"))

    async with upstream(script, whole=False) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        begin(client, CHUNKED)
        client.send(b"3\r\nabc\r\n")
        early = await client.response()
        assert (early.start, early.body, early.get(b"connection")) == (
            b"HTTP/1.1 401 Unauthorized",
            b"enough",
            b"close",
        )
        client.writer.write_eof()
        assert await client.closed() == b""
        await client.close()


@asynchronous
async def test_pipelined_bodies_are_told_apart(tmp_path: Path) -> None:
    """Requests in one write, with bodies of every framing, are forwarded one by one and answered in order."""

    async def script(call: Call) -> None:
        await call.send(answer(call.request.start.split()[1][-1:] + b":" + call.request.body))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        host = b"Host: 127.0.0.1:%d\r\n" % client.port
        client.send(
            b"POST /v1/1 HTTP/1.1\r\n" + host + b"Content-Length: 3\r\n\r\nGET"
            b"POST /v1/2 HTTP/1.1\r\n" + host + CHUNKED + b"\r\n\r\n4\r\n / H\r\n0\r\n\r\n"
            b"GET /v1/3 HTTP/1.1\r\n" + host + b"\r\n"
            b"POST /v1/4 HTTP/1.1\r\n" + host + b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            b"GET /v1/5 HTTP/1.1\r\n" + host + b"\r\n"
        )
        assert [(await client.response()).body for _ in range(4)] == [b"1:GET", b"2: / H", b"3:", b"4:"]
        assert await client.closed() == b""
        await client.close()
        assert len(up.requests) == 4


@pytest.mark.parametrize("leave", [lambda client: client.writer.write_eof(), lambda client: client.writer.close()])
@asynchronous
async def test_a_client_that_closes_its_side_has_left(tmp_path: Path, leave: Callable[[Client], None]) -> None:
    """A client's FIN frees the upstream connection at once: no client half-closes and waits for a response."""
    hold = asyncio.Event()

    async def script(call: Call) -> None:
        if await call.reader.read(1) == b"":
            raise ConnectionError

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post()
        await up.arrived.get()
        leave(client)
        assert await up.gone.get() is up.requests[0]
        hold.set()
        await client.close()
    assert [line["error_type"] for line in running.log()] == ["client_left"]


@asynchronous
async def test_an_upstream_that_closes_its_side_has_answered(tmp_path: Path) -> None:
    """Bytes before the upstream's FIN are the response if its framing is complete; the request's rest is dropped."""

    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        call.writer.write_eof()
        await call.reader.read(1)

    async with upstream(script, whole=False) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.get(b"/v1/x")
        assert (await client.response()).body == b"until the end"
        await client.close()


@asynchronous
async def test_closed_connections_are_replaced_without_error(tmp_path: Path) -> None:
    """An upstream that closes after each response is dialled again for each request, POST or GET."""

    async def script(call: Call) -> None:
        await call.send(answer(b"fine"))
        call.writer.close()

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for number in range(20):
            client.post() if number % 2 else client.get(b"/v1/x")
            assert (await client.response()).body == b"fine"
        await client.close()
        assert up.connections == 20


@asynchronous
async def test_a_close_that_crosses_a_request(tmp_path: Path) -> None:
    """A GET is sent once more where a reused connection closes under it; a POST is never repeated."""

    async def script(call: Call) -> None:
        if len(up.requests) in {1, 3, 4}:
            await call.send(answer(b"fine"))
        call.writer.close() if len(up.requests) in {2, 5} else None

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for _ in range(2):
            client.get(b"/v1/x")
            assert (await client.response()).body == b"fine"
        client.post()
        assert (await client.response()).body == b"fine"
        client.post()
        assert await client.error() == (b"HTTP/1.1 502 Bad Gateway", "upstream_broke_off")
        await client.close()
        assert [request.start.split()[0] for request in up.requests] == [b"GET", b"GET", b"GET", b"POST", b"POST"]


@asynchronous
async def test_a_connection_goes_on_after_a_streamed_body(tmp_path: Path) -> None:
    """The client is read again after a streamed body that had arrived before the upstream was dialled."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        for _ in range(3):
            client = await running.client()
            for _ in range(3):
                client.post(b"body", content_type=b"text/plain")
                assert (await client.response()).start == b"HTTP/1.1 200 OK"
                running.worker.pool.close()
            await client.close()
        assert len(up.requests) == 9


@asynchronous
async def test_a_body_that_stalls_is_given_up(tmp_path: Path) -> None:
    """A client that sends nothing of its body for 300 s is cut, unless the worker does not read from it."""
    async with upstream() as up, worker(tmp_path, up.base, limits=Limits(keep_alive_seconds=300)) as running:
        client = await running.client()
        begin(client, b"Content-Length: 10", b"Content-Type: application/json", path=b"/v1/responses")
        client.send(b"abc")
        while not running.worker.requests_in_flight:  # noqa: ASYNC110  the worker has no event for it
            await asyncio.sleep(0)
        now = asyncio.get_running_loop().time()
        running.worker.sweep(now + 290)
        assert running.worker.requests_in_flight == 1
        running.worker.sweep(now + 310)
        assert await client.closed() == b""
        await client.close()
        assert up.requests == []
    assert [line["error_type"] for line in running.log()] == ["client_silent"]


@asynchronous
async def test_a_body_is_held_until_its_answer_begins(tmp_path: Path) -> None:
    """An inspected body is kept until the response begins, since it may be sent again, and freed then."""
    requested, go_on, end = (asyncio.Event() for _ in range(3))

    async def script(call: Call) -> None:
        requested.set()
        await go_on.wait()
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1")
        await end.wait()
        await call.send(b"2")

    def body_sizes() -> list[int]:
        gc.collect()  # bodies of earlier tests
        return [len(one.body or b"") + len(one.whole) for one in gc.get_objects() if type(one) is RequestBody]

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post(b'{"model":"m"}')
        await requested.wait()
        assert any(body_sizes())
        go_on.set()
        assert (await client.head()).start == b"HTTP/1.1 200 OK"
        assert body_sizes() == [0]
        end.set()
        await client.close()


class Watching(set[str | None]):
    """A set of models that is empty, and records the threads that read it."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def __contains__(self, model: object) -> bool:
        self.threads.append(threading.get_ident())
        return False


@asynchronous
async def test_a_large_body_does_not_hold_up_others(tmp_path: Path) -> None:
    """Bodies are decoded and coded in a thread from 1 MiB on, also where a smaller one decodes to much more."""
    noise = base64.b64encode(random.Random(7).randbytes(2_000_000))
    async with upstream() as up, worker(tmp_path, up.base) as running:
        watching = running.worker.tier_refusals.models = Watching()
        for text in (b"small", noise, bytes(8_000_000).hex().encode()):
            client = await running.client()
            client.post(zstd.compress(b'{"model":"%s"}' % text), b"Content-Encoding: zstd")
            assert (await client.response()).start == b"HTTP/1.1 200 OK"
            await client.close()
            sent = zstd.decompress(up.requests[-1].body)
            assert sent == b'{"service_tier":"priority","model":"%s"}' % text
    here = threading.get_ident()
    assert [thread == here for thread in watching.threads] == [True, False, False]


@asynchronous
async def test_requests_wait_in_the_socket_for_those_before_them(tmp_path: Path) -> None:
    """Requests behind a running one are not read into the worker's memory without limit, however reads cut them."""
    requested, go_on = asyncio.Event(), asyncio.Event()

    async def script(call: Call) -> None:
        requested.set()
        await go_on.wait()
        await call.send(answer(call.request.body))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        (connection,) = running.worker._connections
        for turn in range(2):  # from the second turn on the head is in the cache
            requested.clear()
            go_on.clear()
            client.post(b'{"service_tier":"flex"}')
            await requested.wait()
            assert connection.transport.is_reading()
            client.post(b'{"service_tier":"%d"}' % turn)
            async with asyncio.timeout(5):
                while connection.transport.is_reading():  # noqa: ASYNC110  the worker has no event for it
                    await asyncio.sleep(0)
            go_on.set()
            for body in (b'{"service_tier":"flex"}', b'{"service_tier":"%d"}' % turn):
                assert (await client.response()).body == body
            assert connection.transport.is_reading()
        await client.close()


@asynchronous
async def test_a_slow_writer_is_read_as_it_writes(tmp_path: Path) -> None:
    """A request that arrives byte by byte is the same request, and is forwarded once it is complete."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        text = (
            b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n" % client.port
        )
        for byte in text + b"Content-Length: 11\r\n\r\n" + b'{"model":1}':
            assert up.requests == []
            client.send(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.response()).start == b"HTTP/1.1 200 OK"
        assert up.requests[0].body == b'{"service_tier":"priority","model":1}'
        await client.close()


@asynchronous
async def test_an_upload_is_paused_by_a_slow_upstream(tmp_path: Path) -> None:
    """The streamed body for a slow upstream waits in the client's socket, not in the worker's memory."""
    total = 32 * 1024 * 1024
    go_on = asyncio.Event()

    async def script(call: Call) -> None:
        await go_on.wait()
        assert len(await call.reader.readexactly(total)) == total
        await call.send(answer(b"all"))

    async with upstream(script, whole=False) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        begin(client, b"Content-Length: %d" % total)
        sent = 0
        stalled = False
        while sent < total:
            client.send(bytes(1 << 20))
            sent += 1 << 20
            try:
                async with asyncio.timeout(None if stalled else 0.5):
                    await client.writer.drain()
            except TimeoutError:
                stalled = True
                go_on.set()
                await client.writer.drain()
        assert stalled
        assert (await client.response()).body == b"all"
        await client.close()


@pytest.mark.posix("a poll that says which end a hang-up is of", needs="linux")
@asynchronous
async def test_a_client_that_leaves_unread_is_noticed(tmp_path: Path) -> None:
    """A client that leaves while it is not read from is noticed at the next sweep, by a question to the kernel."""

    async def script(call: Call) -> None:
        if await call.reader.read(1) == b"":
            raise ConnectionError

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        clients = [await running.client() for _ in range(2)]
        for client in clients:
            client.get(b"/v1/first")
            client.get(b"/v1/second")
            await up.arrived.get()
        await clients[0].close()
        running.worker.sweep(asyncio.get_running_loop().time())
        assert await up.gone.get() is up.requests[0]
        running.worker.sweep(asyncio.get_running_loop().time())
        assert running.worker.requests_in_flight == 1
        await clients[1].close()
    assert [line["error_type"] for line in running.log()] == ["client_left"] * 2


@asynchronous
async def test_a_response_to_a_client_that_left_does_not_keep_the_worker(tmp_path: Path) -> None:
    """A response to a client that has left while it was not read from does not keep a drained worker alive."""
    total = 64 * 1024 * 1024
    break_off = asyncio.Event()

    async def script(call: Call) -> None:
        await break_off.wait()
        call.writer.transport.abort()

    async with upstream(script, whole=False) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        begin(client, b"Content-Length: %d" % total)
        client.send(bytes(total))
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await client.writer.drain()
        client.writer.transport.abort()
        break_off.set()
        running.worker.drain()
        await running.worker.wait_closed()
    assert [line["error_type"] for line in running.log()] == ["upstream_broke_off"]


@asynchronous
async def test_a_length_that_connection_names_stays(tmp_path: Path) -> None:
    """Content-Length is passed on even where the upstream lists it in Connection: the body's end must not move."""

    async def script(call: Call) -> None:
        await call.send(answer(b"five!", b"200 OK", b"Connection: content-length"))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for _ in range(2):
            client.get(b"/v1/x")
            assert (await client.response()).body == b"five!"
        await client.close()


@asynchronous
async def test_an_ipv6_client_is_served(tmp_path: Path) -> None:
    """A client on ::1 is served, and the owner of its process is found."""
    async with upstream() as up:
        try:
            async with worker(tmp_path, up.base, host="::1") as running:
                reader, writer = await asyncio.open_connection("::1", running.worker.port)
                writer.write(b"GET /v1/x HTTP/1.1\r\nHost: [::1]:%d\r\n\r\n" % running.worker.port)
                assert (await read_head(reader)).start == b"HTTP/1.1 200 OK"
                writer.close()
        except OSError:
            pytest.skip("no IPv6 loopback here")


@pytest.mark.parametrize("hints", [(), (b"x-codex-routing-hint: model=m",)], ids=["plain", "hint"])
@asynchronous
async def test_a_cached_head_uses_the_current_key_and_tier(tmp_path: Path, hints: tuple[bytes, ...]) -> None:
    """Requests with equal heads get the key, tier, hint and length of their own moment."""
    home = tmp_path / "home"
    settings = {"upstream_api_key_file": True, "policy": Policy.AUTO}
    async with upstream() as up, worker(home, up.base, **settings) as running:
        layout = running.layout
        keys, bodies = (b"first", b"first", b"second", b"second"), (b'{"a":1}', b"{}", b'{"b":[]}', b'{"a":1}')
        logins = (
            '{"OPENAI_API_KEY": "k"}',
            '{"OPENAI_API_KEY": "k"}',
            '{"OPENAI_API_KEY": "k"}',
            '{"tokens": {"access_token": "t"}}',
        )
        for key, body, login in zip(keys, bodies, logins, strict=True):
            saved = {"version": 1, "providers": {"relay": {"api_key": key.decode()}}}
            layout.provider_auth.write_text(json.dumps(saved))
            layout.auth.write_text(login)
            client = await running.client()
            client.post(body, b"Authorization: Bearer own", *hints)
            assert (await client.response()).start == b"HTTP/1.1 200 OK"
            await client.close()
        sent = [(one.get(b"authorization"), one.get(b"x-codex-routing-hint"), one.body) for one in up.requests]
    tier = b'"service_tier":"priority"'
    plain, hint = (b"model=m", b"model=m;tier=priority") if hints else (None, None)
    assert sent == [
        (b"Bearer first", hint, b"{" + tier + b',"a":1}'),
        (b"Bearer first", hint, b"{" + tier + b"}"),
        (b"Bearer second", hint, b"{" + tier + b',"b":[]}'),
        (b"Bearer second", plain, b'{"a":1}'),
    ]
