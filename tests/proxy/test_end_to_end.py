"""A worker between a real client socket and a real upstream socket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from backports import zstd

from cfp.core.served_settings import serves
from cfp.core.settings import Policy
from cfp.proxy.config import Limits
from cfp.proxy.telemetry.health import report
from tests.proxy.support import KEY_ENV, Call, answer, asynchronous, read_chunk, read_chunks, upstream, worker

SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@asynchronous
async def test_events_arrive_one_by_one(tmp_path: Path) -> None:
    """The client has each event before the upstream writes the next one."""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(call: Call) -> None:
        await call.send(SSE_HEAD)
        for number in range(5):
            event = b"data: %d\n\n" % number
            await call.send(chunk(event))
            assert event == await received.get()
        await call.send(b"0\r\n\r\n")

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post(b'{"stream":true}')
        assert (await client.head()).start == b"HTTP/1.1 200 OK"
        for _ in range(5):
            received.put_nowait(await read_chunk(client.reader))
        assert await read_chunk(client.reader) == b""
        await client.close()


@asynchronous
async def test_the_tier_is_added_and_nothing_else_changes(tmp_path: Path) -> None:
    """The body gets one member, every other byte and end-to-end header stays; path and host are the upstream's."""
    body = b'{ "input":"1e400 \xc3\xa9", "n":1e400,"model":"m" }'
    async with upstream() as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post(body, b"X-Custom: A  b", b"Authorization: Bearer user", path=b"/v1/responses?x=%2F")
        assert (await client.response()).start == b"HTTP/1.1 200 OK"
        await client.close()
        (request,) = up.requests
        assert request.start == b"POST /api/v1/responses?x=%2F HTTP/1.1"
        assert request.body == b'{"service_tier":"priority",' + body[1:]
        assert request.headers[:5] == [
            (b"Host", b"127.0.0.1:%d" % up.port),
            (b"Content-Type", b"application/json"),
            (b"X-Custom", b"A  b"),
            (b"Authorization", b"Bearer user"),
            (b"Content-Length", b"%d" % len(request.body)),
        ]


@asynchronous
async def test_a_compressed_body_keeps_its_coding(tmp_path: Path) -> None:
    """A zstd body gets the member and is sent as zstd; one with a tier is sent byte for byte."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        unchanged = zstd.compress(b'{"service_tier":"flex"}')
        for body in (zstd.compress(b'{"model":"m"}'), unchanged):
            client.post(body, b"Content-Encoding: zstd")
            await client.response()
        await client.close()
        first, second = up.requests
        assert zstd.decompress(first.body) == b'{"service_tier":"priority","model":"m"}'
        assert first.get(b"content-encoding") == b"zstd"
        assert second.body == unchanged


@asynchronous
async def test_a_body_beyond_the_cap_is_refused(tmp_path: Path) -> None:
    """413 for a body that is too large as sent or decoded, with or without a length; nothing reaches the upstream."""
    plain = b'{"input":"%s"}' % (b"x" * 5000)
    async with upstream() as up, worker(tmp_path, up.base, limits=Limits(body=1000)) as running:
        for fields, body in (((), plain), ((b"Content-Encoding: zstd",), zstd.compress(plain))):
            client = await running.client()
            client.post(body, *fields)
            assert await client.error() == (b"HTTP/1.1 413 Content Too Large", "body_too_large")
            await client.close()
        client = await running.client()
        host = b"Host: 127.0.0.1:%d\r\n" % client.port
        client.send(b"POST /v1/responses HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n")
        client.send(b"Transfer-Encoding: chunked\r\n\r\n" + chunk(plain))
        assert (await client.error())[1] == "body_too_large"
        await client.close()
        assert up.requests == []


@asynchronous
async def test_other_requests_stream_through(tmp_path: Path) -> None:
    """A body that is not inspected reaches the upstream piece by piece, in its own framing."""
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(call: Call) -> None:
        while piece := await read_chunk(call.reader):
            pieces.put_nowait(piece)
        await call.send(answer(b"done"))

    async with upstream(script, whole=False) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        host = b"Host: 127.0.0.1:%d\r\n" % client.port
        client.send(b"POST /v1/files HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n")
        for piece in (b"one", b"two", b"three"):
            client.send(chunk(piece))
            assert await pieces.get() == piece
        client.send(b"0\r\n\r\n")
        assert (await client.response()).body == b"done"
        await client.close()
        assert up.requests[0].get(b"transfer-encoding") == b"chunked"


@asynchronous
async def test_a_slow_reader_pauses_the_upstream(tmp_path: Path) -> None:
    """A client that does not read pauses the upstream, and gets every byte once it reads."""
    total = 64 * 1024 * 1024
    sent = 0
    stalled = asyncio.Event()

    async def script(call: Call) -> None:
        nonlocal sent
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        piece = bytes(1 << 20)
        while sent < total:
            call.writer.write(piece)
            sent += len(piece)
            try:
                async with asyncio.timeout(None if stalled.is_set() else 0.5):
                    await call.writer.drain()
            except TimeoutError:
                stalled.set()
                await call.writer.drain()

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client(limit=1 << 16)
        client.post()
        await client.head()
        await stalled.wait()
        assert sent < total
        assert len(await client.reader.readexactly(total)) == total
        await client.close()


@asynchronous
async def test_a_cut_stream_is_cut(tmp_path: Path) -> None:
    """An upstream that closes within a stream ends the client's connection without a last chunk."""

    async def script(call: Call) -> None:
        await call.send(SSE_HEAD + chunk(b"data: 1\n\n"))
        call.writer.transport.abort() if call.request.get(b"x-abort") else call.writer.close()

    for fields in ((), (b"X-Abort: 1",)):
        async with upstream(script) as up, worker(tmp_path, up.base) as running:
            client = await running.client()
            client.post(b"{}", *fields)
            await client.head()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await read_chunks(client.reader)
            await client.close()
        assert running.log()[-1]["error_type"] == "upstream_cut"


@asynchronous
async def test_a_client_that_leaves_frees_its_upstream_connection(tmp_path: Path) -> None:
    """The upstream's connection closes while it still streams."""

    async def script(call: Call) -> None:
        await call.send(SSE_HEAD + chunk(b"data: 1\n\n"))
        await call.reader.readexactly(1)

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post()
        await client.head()
        await read_chunk(client.reader)
        client.writer.transport.abort()
        gone = await up.gone.get()
        assert gone is not None
        assert gone.start == b"POST /api/v1/responses HTTP/1.1"
    assert running.log()[-1]["error_type"] == "client_left"


@asynchronous
async def test_connections_are_reused_and_stale_ones_replaced(tmp_path: Path) -> None:
    """Requests share one upstream connection; after the upstream closes it, the next request has no error."""
    close_now = asyncio.Event()

    async def script(call: Call) -> None:
        await call.send(answer())
        if len(up.requests) == 2:
            close_now.set()
            call.writer.close()

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for _ in range(2):
            client.post()
            await client.response()
        assert up.connections == 1
        await close_now.wait()
        client.post()
        assert (await client.response()).start == b"HTTP/1.1 200 OK"
        assert up.connections == 2
        await client.close()


@asynchronous
async def test_an_unreachable_upstream_is_named(tmp_path: Path) -> None:
    """502 with host and reason, and the client's connection stays usable."""
    async with upstream() as up:
        base = up.base
    async with worker(tmp_path, base, limits=Limits(outage_seconds=0)) as running:
        client = await running.client()
        for _ in range(2):
            client.post()
            response = await client.response()
            error = json.loads(response.body)["error"]
            assert response.start == b"HTTP/1.1 502 Bad Gateway"
            assert error["message"] == f"codex-fast-proxy: cannot reach 127.0.0.1:{up.port}: connection refused"
        await client.close()


@asynchronous
async def test_an_upstream_without_an_answer_is_a_502(tmp_path: Path) -> None:
    """A close before the response head, and bytes that are not HTTP, are reported as the upstream's fault."""

    async def script(call: Call) -> None:
        if call.request.get(b"x-garbage"):
            await call.send(b"SMTP ready\r\n\r\n")
        call.writer.close()

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post()
        assert await client.error() == (b"HTTP/1.1 502 Bad Gateway", "upstream_broke_off")
        client.post(b"{}", b"X-Garbage: 1")
        assert await client.error() == (b"HTTP/1.1 502 Bad Gateway", "upstream_bad_response")
        await client.close()


@asynchronous
async def test_foreign_hosts_and_origins_are_refused(tmp_path: Path) -> None:
    """403 on every path, health too; nothing reaches the upstream, and there is never a CORS header."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        for path in (b"/__codex_fast_proxy/health", b"/v1/models", b"/"):
            for host, fields in (
                (b"evil.example", ()),
                (b"127.0.0.1", ()),
                (None, (b"Origin: http://evil.example",)),
                (None, (b"Origin: null",)),
                (None, (b"Sec-Fetch-Site: cross-site",)),
            ):
                client = await running.client()
                client.get(path, *fields, host=host)
                response = await client.response()
                assert response.start == b"HTTP/1.1 403 Forbidden"
                assert response.get(b"access-control-allow-origin") is None
                await client.close()
        assert up.requests == []


@asynchronous
async def test_identity_stays_here_when_the_key_is_replaced(tmp_path: Path) -> None:
    """In override mode the upstream gets the provider's key and no header that identifies the user at OpenAI."""
    identity = [
        b"Authorization: Bearer user-token",
        b"Cookie: session=1",
        b"ChatGPT-Account-ID: acct",
        b"OpenAI-Organization: org",
        b"openai-project: proj",
        b"Proxy-Authorization: Basic x",
    ]
    environ = {KEY_ENV: "sk-canary-provider"}
    async with upstream() as up, worker(tmp_path, up.base, environ=environ, upstream_api_key_env=KEY_ENV) as running:
        client = await running.client()
        for path in (b"/v1/responses", b"/v1/models"):
            client.post(b"{}", *identity, b"OpenAI-Beta: kept", path=path)
            await client.response()
        await client.close()
        for request in up.requests:
            assert request.get(b"authorization") == b"Bearer sk-canary-provider"
            assert request.get(b"openai-beta") == b"kept"
            names = {name.lower() for name, _ in request.headers}
            assert not names & {
                b"cookie",
                b"chatgpt-account-id",
                b"openai-organization",
                b"openai-project",
                b"proxy-authorization",
            }


@asynchronous
async def test_the_model_catalogue_is_read_with_the_providers_key(tmp_path: Path) -> None:
    """Any path of the upstream's origin, only to read; for another method the path does not exist."""
    environ = {KEY_ENV: "sk-canary-provider"}
    async with upstream() as up, worker(tmp_path, up.base, environ=environ, upstream_api_key_env=KEY_ENV) as running:
        client = await running.client()
        path = b"/__codex_fast_proxy/catalog/elsewhere.json?client_version=1"
        client.get(path, b"Authorization: Bearer token", b"ChatGPT-Account-Id: account")
        assert b"HTTP/1.1 200 OK" == (await client.response()).start
        await client.close()
        for method in (b"POST", b"PUT", b"DELETE", b"PATCH"):
            client = await running.client()
            client.post(b"{}", path=path, method=method)
            assert b"HTTP/1.1 404 Not Found" == (await client.response()).start
            await client.close()
        (request,) = up.requests
        assert b"GET /elsewhere.json?client_version=1 HTTP/1.1" == request.start
        assert (b"Bearer sk-canary-provider", None) == (
            request.get(b"authorization"),
            request.get(b"chatgpt-account-id"),
        )


@asynchronous
async def test_no_secret_is_logged_or_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No key, token, body or query reaches the log, health or stderr."""
    canaries = ("canary-key", "canary-token", "canary-body", "canary-query")
    environ = {KEY_ENV: "canary-key"}
    async with upstream() as up, worker(tmp_path, up.base, environ=environ, upstream_api_key_env=KEY_ENV) as running:
        client = await running.client()
        client.post(
            b'{"input":"canary-body"}', b"Authorization: Bearer canary-token", path=b"/v1/responses?key=canary-query"
        )
        await client.response()
        client.get(b"/__codex_fast_proxy/health")
        health = (await client.response()).body.decode()
        client.get(b"/\x01canary-query")
        refused = (await client.response()).body.decode()
        await client.close()
    captured = capfd.readouterr()
    output = running.layout.request_log.read_text() + health + refused + captured.out + captured.err
    assert [canary for canary in canaries if canary in output] == []
    assert len(running.log()) == 2


@asynchronous
async def test_a_missing_key_is_the_users_to_set(tmp_path: Path) -> None:
    """400, which Codex shows at once, names the variable; nothing reaches the upstream."""
    async with upstream() as up, worker(tmp_path, up.base, upstream_api_key_env=KEY_ENV) as running:
        client = await running.client()
        client.get(b"/v1/models")
        response = await client.response()
        assert response.start == b"HTTP/1.1 400 Bad Request"
        assert KEY_ENV in json.loads(response.body)["error"]["message"]
        await client.close()
        assert up.requests == []


@asynchronous
async def test_draining_finishes_what_runs(tmp_path: Path) -> None:
    """A running stream ends whole, idle connections close at once, and no new connection is accepted."""
    go_on = asyncio.Event()

    async def script(call: Call) -> None:
        await call.send(SSE_HEAD + chunk(b"data: 1\n\n"))
        await go_on.wait()
        await call.send(chunk(b"data: 2\n\n") + b"0\r\n\r\n")

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        idle, busy = await running.client(), await running.client()
        busy.post()
        await busy.head()
        assert await read_chunk(busy.reader) == b"data: 1\n\n"
        running.worker.drain()
        assert await idle.closed() == b""
        with pytest.raises(ConnectionRefusedError):
            await running.client()
        go_on.set()
        assert await read_chunk(busy.reader) == b"data: 2\n\n"
        assert await read_chunk(busy.reader) == b""
        assert await busy.closed() == b""
        await running.worker.wait_closed()
        await idle.close()
        await busy.close()


@asynchronous
async def test_websockets_are_answered_426(tmp_path: Path) -> None:
    """Codex falls back to HTTP silently on 426, and on no other status."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.get(b"/v1/responses", b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
        assert await client.error() == (b"HTTP/1.1 426 Upgrade Required", "upgrade_not_served")
        assert await client.closed() == b""
        await client.close()
        assert up.requests == []


@asynchronous
async def test_a_loop_is_broken(tmp_path: Path) -> None:
    """A request that returns to its worker is answered 508."""

    async def script(call: Call) -> None:
        hop = call.request.get(b"via")
        assert hop is not None
        again = await running.client()
        again.get(b"/v1/models", b"Via: 1.0 elsewhere, " + hop)
        await call.send(answer((await again.response()).start))
        await again.close()

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.get(b"/v1/models")
        assert (await client.response()).body == b"HTTP/1.1 508 Loop Detected"
        await client.close()


@asynchronous
async def test_the_report_is_the_same_in_the_process_and_over_the_socket(tmp_path: Path) -> None:
    """The dashboard reads it in the process, and compares it with the saved settings as commands do."""
    async with worker(tmp_path, "http://127.0.0.1:9/v1", service_tier_rules=("remove kind=subagent",)) as running:
        here = report(running.worker)
        assert here == json.loads(json.dumps(here))
        assert serves(here, running.worker.config.settings.to_json())


@asynchronous
async def test_a_refused_tier_is_learned(tmp_path: Path) -> None:
    """After a 4xx that names service_tier the request is sent without it; only this model stays without it."""

    async def script(call: Call) -> None:
        body = json.loads(call.request.body)
        if "service_tier" in body and body["model"] == "old":
            await call.send(answer(b'{"error":{"param":"service_tier"}}', b"400 Bad Request"))
        else:
            await call.send(answer(b"fine"))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for model in (b"old", b"old", b"new"):
            client.post(b'{"model":"%s"}' % model)
            assert (await client.response()).body == b"fine"
        client.get(b"/__codex_fast_proxy/health")
        assert json.loads((await client.response()).body)["service_tier_refused_by"] == ["old"]
        await client.close()
        assert [request.body for request in up.requests] == [
            b'{"service_tier":"priority","model":"old"}',
            b'{"model":"old"}',
            b'{"model":"old"}',
            b'{"service_tier":"priority","model":"new"}',
        ]
        assert up.connections == 1
    assert [line["service_tier_injected"] for line in running.log()] == [False, False, True]


@asynchronous
async def test_other_refusals_reach_the_client_unchanged(tmp_path: Path) -> None:
    """Any other 4xx is passed on, small or large, and the request is not sent again."""
    bodies = (b'{"error":"quota"}', b"x" * 200_000)

    async def script(call: Call) -> None:
        await call.send(answer(bodies[len(up.requests) - 1], b"429 Too Many", b"Retry-After: 7"))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for body in bodies:
            client.post()
            response = await client.response()
            assert (response.start, response.get(b"retry-after")) == (b"HTTP/1.1 429 Too Many", b"7")
            assert response.body == body
        await client.close()
        assert len(up.requests) == len(bodies)


@asynchronous
async def test_the_policy_follows_the_login(tmp_path: Path) -> None:
    """Under `auto` the tier is added with an API key login only, and a new login counts at once."""
    key, chatgpt = '{"OPENAI_API_KEY":"sk-x"}', '{"tokens":{"access_token":"t"}}'
    async with upstream() as up, worker(tmp_path, up.base, policy=Policy.AUTO) as running:
        client = await running.client()
        steps = [("auth.json", chatgpt), ("auth.json", key), ("config.toml", 'service_tier = "default"\n')]
        for name, text in steps:
            (tmp_path / name).write_text(text)
            client.post()
            await client.response()
        await client.close()
        assert [request.body for request in up.requests] == [b"{}", b'{"service_tier":"priority"}', b"{}"]


@asynchronous
async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    """Requests that arrive together get their responses one after the other."""

    async def script(call: Call) -> None:
        await call.send(answer(call.request.start))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for name in (b"a", b"b", b"c"):
            client.get(b"/v1/" + name)
        for name in (b"a", b"b", b"c"):
            assert (await client.response()).body == b"GET /api/v1/%s HTTP/1.1" % name
        await client.close()


@asynchronous
async def test_expect_is_answered_here(tmp_path: Path) -> None:
    """The worker sends 100 Continue at once, and the upstream gets no Expect."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        host = b"Host: 127.0.0.1:%d\r\n" % client.port
        client.send(b"POST /v1/responses HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n")
        client.send(b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.head()).start == b"HTTP/1.1 100 Continue"
        client.send(b"{}")
        assert (await client.response()).start == b"HTTP/1.1 200 OK"
        assert up.requests[0].get(b"expect") is None
        await client.close()


@asynchronous
async def test_bodies_without_length_end_by_closing(tmp_path: Path) -> None:
    """A response that ends with its connection is chunked for HTTP/1.1, and closed for HTTP/1.0."""

    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        call.writer.close()

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.get(b"/v1/x")
        assert (await client.response()).body == b"all of it"
        await client.close()
        client = await running.client()
        client.send(b"GET /v1/x HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n" % client.port)
        head = await client.head()
        assert head.get(b"transfer-encoding") is None
        assert await client.closed() == b"all of it"
        await client.close()


@asynchronous
async def test_head_and_empty_answers_have_no_body(tmp_path: Path) -> None:
    """Responses to HEAD keep their length without a body; 204 and 304 have none; the connection stays usable."""

    async def script(call: Call) -> None:
        if call.request.start.startswith(b"HEAD"):
            await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        elif b"204" in call.request.start:
            await call.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            await call.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n")

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post(b"", method=b"HEAD")
        head = await client.head()
        assert (head.start, head.get(b"content-length")) == (b"HTTP/1.1 200 OK", b"10")
        for path, start in ((b"204", b"HTTP/1.1 204 No Content"), (b"304", b"HTTP/1.1 304 Not Modified")):
            client.get(b"/v1/" + path)
            assert (await client.head()).start == start
        client.post(b"", method=b"HEAD", path=b"/__codex_fast_proxy/health")
        assert (await client.head()).start == b"HTTP/1.1 200 OK"
        client.writer.write_eof()
        assert await client.closed() == b""
        await client.close()


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        (b"TRACE", b"/v1/models", b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        (b"DELETE", b"/__codex_fast_proxy/health", b"GET, HEAD"),
        (b"POST", b"/__codex_fast_proxy/dashboard", b"GET, HEAD"),
        (b"HEAD", b"/__codex_fast_proxy/api/events", b"GET"),
    ],
)
def test_a_method_that_is_not_served_is_told_which_are(
    tmp_path: Path, method: bytes, path: bytes, allow: bytes
) -> None:
    """405 lists the methods that are served (RFC 9110 15.5.6)."""

    @asynchronous
    async def ask() -> None:
        async with worker(tmp_path, "https://relay.example/v1") as running:
            client = await running.client()
            client.send(b"%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (method, path, client.port))
            head = await client.head()
            assert (head.start, head.get(b"allow")) == (b"HTTP/1.1 405 Method Not Allowed", allow)
            await client.close()

    ask()


@asynchronous
async def test_health_tells_who_it_is(tmp_path: Path) -> None:
    """Health reports the nonce, the settings and the real port; it is not logged."""
    async with worker(tmp_path, "https://relay.example/v1") as running:
        client = await running.client()
        client.get(b"/__codex_fast_proxy/health")
        health = json.loads((await client.response()).body)
        await client.close()
        assert (
            health
            | {
                "ok": True,
                "nonce": "ab12",
                "provider": "relay",
                "port": running.worker.port,
                "upstream_base": "https://relay.example/v1",
                "codex_home": str(tmp_path),
                "requests_in_flight": 0,
                "draining": False,
                "upstream_auth": "preserved",
            }
            == health
        )
    assert not running.layout.request_log.exists()


@pytest.mark.parametrize(
    ("settings", "seen"),
    [({}, b"401 Unauthorized"), ({"upstream_api_key_env": "RELAY_KEY"}, b"403 Forbidden")],
    ids=["the client's key", "the proxy's key"],
)
def test_a_401_is_about_the_key_that_was_sent(tmp_path: Path, settings: dict[str, str], seen: bytes) -> None:
    """Codex renews its login after a 401; it gets a 403 for a key that is not its own, and the log has the 401."""

    @asynchronous
    async def ask() -> None:
        async def refuse(call: Call) -> None:
            await call.send(answer(b"no such key", b"401 Unauthorized"))

        environ = {"RELAY_KEY": "sk-relay"}
        async with upstream(refuse) as up, worker(tmp_path, up.base, environ=environ, **settings) as running:
            client = await running.client()
            client.post()
            response = await client.response()
            assert (b"HTTP/1.1 " + seen, b"no such key") == (response.start, response.body)
            await client.close()
        assert [401] == [line["status"] for line in running.log()]

    ask()
