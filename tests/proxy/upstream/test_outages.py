"""An upstream that is away: requests of Codex's turns wait for it, as Codex itself would, and reach it once."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cfp.proxy.config import Limits
from cfp.proxy.upstream.dial import Dialer, DialFailed
from cfp.proxy.upstream.origin import parse_origin
from tests.proxy.exchange.test_websocket_tunnel import REFUSED_426, connected, handshake, say_completed, serving
from tests.proxy.support import Call, Client, Running, asynchronous, say_ok, upstream, worker
from tests.proxy.worker.test_command_line import process, wait_for_pid_file

UNREACHABLE = (b"HTTP/1.1 502 Bad Gateway", "upstream_unreachable")


@asynccontextmanager
async def away(home: Path, limits: Limits | None = None) -> AsyncIterator[tuple[Running, socket.socket]]:
    """A worker, and the socket of its upstream, which refuses connections until it listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        async with worker(home, f"http://127.0.0.1:{sock.getsockname()[1]}/v1", limits=limits) as running:
            yield running, sock


def trouble(running: Running) -> Any:
    """Return the trouble of the last requests, as the worker reports it."""
    return json.loads(running.worker.health())["last_requests"]["trouble"]


async def first_refusal(running: Running) -> None:
    """Wait until the worker has the request, and some attempts to connect have failed."""
    while not running.worker.requests_in_flight:  # noqa: ASYNC110  the worker has no event for it
        await asyncio.sleep(0)
    await asyncio.sleep(0.3)  # longer than the first wait


@asynchronous
async def test_a_turn_waits_for_its_upstream(tmp_path: Path) -> None:
    """The upstream gets the request once and whole when it is back; meanwhile the health report says so."""
    async with away(tmp_path) as (running, sock):
        client = await running.client()
        client.post(b'{"model": "gpt"}')
        await first_refusal(running)
        assert trouble(running)["code"] == "provider_unreachable"
        sock.listen()
        async with upstream(sock=sock) as double:
            assert (await client.response()).start == b"HTTP/1.1 200 OK"
            assert trouble(running) is None
            assert [request.body for request in double.requests] == [b'{"service_tier":"priority","model": "gpt"}']
        await client.close()
    assert [line["error_type"] for line in running.log()] == [None]


@asynchronous
async def test_other_requests_do_not_wait(tmp_path: Path) -> None:
    """The list of models and an upload get their 502 at once: Codex has its own patience for them."""
    async with away(tmp_path) as (running, _):
        client = await running.client()
        for method, path in ((b"GET", b"/v1/models"), (b"POST", b"/v1/files")):
            client.post(method=method, path=path)
            assert await client.error() == UNREACHABLE
        await client.close()


@asynchronous
async def test_the_waiting_has_an_end(tmp_path: Path) -> None:
    """After the limit the client gets the reason."""
    async with away(tmp_path, Limits(outage_seconds=0.4)) as (running, _):
        client = await running.client()
        client.post()
        assert await client.error() == UNREACHABLE
        await client.close()


@asynchronous
async def test_a_client_that_leaves_ends_the_waiting(tmp_path: Path) -> None:
    """Nothing is sent for it when the upstream is back, and the log says that it has left."""
    async with away(tmp_path) as (running, sock):
        client = await running.client()
        client.post()
        await first_refusal(running)
        await client.close()
        while running.worker.requests_in_flight:  # noqa: ASYNC110  the worker has no event for it
            await asyncio.sleep(0)
        sock.listen()
        async with upstream(sock=sock) as double:
            await asyncio.sleep(0.6)  # longer than the next wait
            assert double.connections == 0
    assert [line["error_type"] for line in running.log()] == ["client_left"]


@asynchronous
async def test_a_worker_that_drains_does_not_wait(tmp_path: Path) -> None:
    """The next worker may have another upstream: Codex repeats the request there."""
    async with away(tmp_path) as (running, _):
        client = await running.client()
        client.post()
        await first_refusal(running)
        running.worker.drain()
        assert await client.error() == UNREACHABLE
        await client.close()


@asynchronous
async def test_a_request_that_was_sent_is_not_repeated(tmp_path: Path) -> None:
    """An upstream that closes without a response may have run the request: the client hears it at once."""

    async def script(call: Call) -> None:
        call.writer.close()

    async with upstream(script) as double, worker(tmp_path, double.base) as running:
        client = await running.client()
        client.post()
        assert await client.error() == (b"HTTP/1.1 502 Bad Gateway", "upstream_broke_off")
        await client.close()
        assert len(double.requests) == 1


@asynchronous
async def test_a_handshake_waits_for_a_moment(tmp_path: Path) -> None:
    """Codex keeps its WebSocket over a short outage."""
    async with away(tmp_path) as (running, sock):
        opening = asyncio.create_task(connected(running))
        await asyncio.sleep(0.3)
        sock.listen()
        async with upstream(serving(say_completed), sock=sock) as double:
            client, _ = await opening
            assert double.connections == 1
            await client.close()
            await double.gone.get()


@asynchronous
async def test_a_handshake_falls_back_in_a_longer_outage(tmp_path: Path) -> None:
    """426: Codex goes on over HTTP, where its request waits; WebSocket is tried again in the next session."""
    async with away(tmp_path, Limits(switch_seconds=0.5)) as (running, _):
        for _ in range(2):
            client = await running.client()
            handshake(client)
            assert await client.error() == REFUSED_426
            await client.close()
    assert [line["error_type"] for line in running.log()] == ["upstream_unreachable"] * 2


SOCKS_REFUSALS = {2: False, 5: True}  # not allowed by ruleset; connection refused


@pytest.mark.parametrize(
    ("proxy", "reply", "passing"),
    [
        ("http", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", False),
        ("http", b"HTTP/1.1 403 Forbidden\r\n\r\n", False),
        ("http", b"HTTP/1.1 503 Service Unavailable\r\n\r\n", True),
        ("http", b"", True),
        *(("socks5", b"\x05\x00\x05" + bytes([code, 0, 1]) + bytes(6), may) for code, may in SOCKS_REFUSALS.items()),
    ],
)
@asynchronous
async def test_an_outbound_proxy_says_what_may_pass(proxy: str, reply: bytes, *, passing: bool) -> None:
    """A proxy that wants a login is the user's to repair; one that does not reach the upstream is an outage."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(3)
        writer.write(reply)
        if proxy != "http":
            with suppress(ConnectionError):
                await reader.read(1)  # the request behind the greeting: a close before it could overtake the reply
        writer.close()
        refused.set()

    refused = asyncio.Event()
    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    base = "https://relay.invalid/v1"
    environ = {"HTTPS_PROXY": f"{proxy}://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    with pytest.raises(DialFailed) as failed:
        await Dialer(parse_origin(base), base, environ, Limits()).dial(asyncio.Protocol)
    assert failed.value.passing == passing
    await refused.wait()
    server.close()


@pytest.mark.posix("mount namespaces", needs="root")
@asynchronous
async def test_a_name_that_does_not_resolve_is_asked_for_again(tmp_path: Path) -> None:
    """A turn waits until the system knows the name, here by a hosts file that this worker alone sees."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    mounted = ("unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts))
    async with upstream(say_ok) as double:
        flags = ("--upstream-base", f"http://provider.invalid:{double.port}/v1")
        with process(tmp_path, *flags, under=mounted) as running:
            await asyncio.to_thread(wait_for_pid_file, running, tmp_path)
            client = await client_of(running.port)
            client.post(method=b"GET", path=b"/v1/models")
            assert await client.error() == UNREACHABLE
            client.post()
            await asyncio.sleep(0.3)
            assert double.requests == []
            hosts.write_text("127.0.0.1 localhost provider.invalid\n")
            assert (await client.response()).start == b"HTTP/1.1 200 OK"
            await client.close()
        assert len(double.requests) == 1


async def client_of(port: int) -> Client:
    return Client(port, *(await asyncio.open_connection("127.0.0.1", port)))
