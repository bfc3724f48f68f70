"""Attempts of others to use the proxy, over real sockets; none may reach the provider."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.support import KEY_ENV, Call, Client, answer, asynchronous, read_by_h11, upstream, worker
from tests.systems import as_root

REFUSED = Path(__file__).parents[2] / "fixtures" / "wire" / "refused"
EVIL = b"Origin: https://evil.example"
CROSS = b"Sec-Fetch-Site: cross-site"
FORM = b"Content-Type: application/x-www-form-urlencoded"
JSON_BODY = b'{"model":"m","stream":true}'
KEY = "sk-canary"

# Requests that a page of another site can make a browser send to a port of this machine.
BROWSERS = {
    "DNS rebinding, GET": (b"GET /v1/models", b"Host: evil.example:%d"),
    "DNS rebinding, POST of JSON": (
        b"POST /v1/responses",
        b"Host: evil.example:%d",
        b"Content-Type: application/json",
    ),
    "DNS rebinding, health": (b"GET /__codex_fast_proxy/health", b"Host: evil.example:%d"),
    "DNS rebinding, catalogue": (b"GET /__codex_fast_proxy/catalog/v1/models", b"Host: evil.example:%d"),
    "DNS rebinding to another loopback name": (b"GET /v1/models", b"Host: a.localhost:%d"),
    "a form of another site": (b"POST /v1/responses", EVIL, CROSS, FORM),
    "a form of a page without an origin": (b"POST /v1/responses", b"Origin: null", FORM),
    "a form of another port": (
        b"POST /v1/responses",
        b"Origin: http://127.0.0.1:3000",
        b"Sec-Fetch-Site: same-site",
        FORM,
    ),
    "fetch without CORS": (
        b"POST /v1/responses",
        EVIL,
        CROSS,
        b"Sec-Fetch-Mode: no-cors",
        b"Content-Type: text/plain",
    ),
    "fetch with CORS": (b"POST /v1/responses", EVIL, b"Sec-Fetch-Mode: cors", b"Content-Type: application/json"),
    "an image of another site": (b"GET /v1/models", CROSS, b"Sec-Fetch-Dest: image"),
    "a picture from the catalogue's path": (b"GET /__codex_fast_proxy/catalog/x", CROSS, b"Sec-Fetch-Dest: image"),
    "a frame of another site": (b"GET /v1/models", CROSS, b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Dest: iframe"),
    "a link to what is no page": (b"GET /v1/models", CROSS, b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Dest: document"),
    "a word of a later standard": (b"GET /v1/models", b"Sec-Fetch-Site: cross-site;x"),
    "two words": (b"GET /v1/models", b"Sec-Fetch-Site: none", b"Sec-Fetch-Site: cross-site"),
    "a preflight": (b"OPTIONS /v1/responses", EVIL, b"Access-Control-Request-Method: POST"),
    "a preflight to the private network": (
        b"OPTIONS /v1/responses",
        EVIL,
        b"Access-Control-Request-Private-Network: true",
    ),
    "a beacon": (b"POST /v1/responses", EVIL, CROSS, b"Content-Type: text/plain;charset=UTF-8"),
    "server-sent events": (b"GET /v1/responses", EVIL, b"Accept: text/event-stream"),
    "a WebSocket": (
        *(b"GET /v1/responses", EVIL, b"Connection: Upgrade", b"Upgrade: websocket"),
        *(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: eA=="),
    ),
    "a browser that takes us for a proxy": (b"GET http://evil.example/v1/models", b"Host: 127.0.0.1:%d"),
    "another host in the target": (b"POST http://evil.example/v1/responses", b"Content-Type: application/json"),
}


@asynchronous
async def test_no_page_of_another_site_gets_in(tmp_path: Path) -> None:
    """Another site's page gets 403 without a CORS header, and nothing reaches the provider."""
    environ = {KEY_ENV: KEY}
    async with upstream() as up, worker(tmp_path, up.base, environ=environ, upstream_api_key_env=KEY_ENV) as running:
        port = running.worker.port
        for way, (start, *fields) in BROWSERS.items():
            client = await running.client()
            if not fields[0].startswith(b"Host"):
                fields.insert(0, b"Host: 127.0.0.1:%d")
            host, *rest = fields
            body = JSON_BODY if start.startswith(b"POST") else b""
            lines = [start + b" HTTP/1.1", host % port, *rest, b"Content-Length: %d" % len(body), b"", body]
            client.send(b"\r\n".join(lines))
            response = await client.response()
            assert (way, response.start) == (way, b"HTTP/1.1 403 Forbidden")
            assert (way, [name for name, _ in response.headers if name.lower().startswith(b"access-control")]) == (
                way,
                [],
            )
            await client.close()
        assert up.requests == []


@pytest.mark.parametrize(("name", "text"), [(path.stem, path.read_bytes()) for path in sorted(REFUSED.iterdir())])
@asynchronous
async def test_nothing_is_smuggled(tmp_path: Path, name: str, text: bytes) -> None:
    """An ambiguous request ends its connection; bytes behind it are not served."""
    hidden = b"GET /v1/hidden HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"
    async with upstream() as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        host = b"Host: 127.0.0.1:%d" % client.port
        sound = text.replace(b"Host: localhost", host).replace(b" / HTTP", b" /v1/x HTTP")
        client.send(sound + b"\r\n\r\n" + hidden % client.port)
        received = await client.closed()
        await client.close()
        assert re.findall(rb"HTTP/1\.1 (\d{3}) ", received)[-1] in {b"400", b"405", b"431", b"505"}
        completed = {"second_request_hidden_behind_body": [b"abc"]}.get(name, [])
        assert [request.body for request in up.requests] == completed


FRAMINGS = (
    *(b"Content-Length: 4", b"Content-Length: 0", b"Content-Length: 4, 4", b"Content-Length: +4"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: x, chunked"),
    *(b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: chunked\r\n x"),
    *(b"Connection: transfer-encoding", b"Connection: content-length"),
)


@settings(max_examples=20)
@given(st.lists(st.sampled_from(FRAMINGS), max_size=3))
def test_no_mix_of_lengths_makes_two_requests_of_one(fields: list[bytes]) -> None:
    """With any mix of lengths and codings the provider gets the requests that h11 parses, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        _send_mixed(Path(folder), fields)


@asynchronous
async def _send_mixed(home: Path, fields: list[bytes]) -> None:
    async with upstream() as up, worker(home, up.base) as running:
        client = await running.client()
        name = b"Host: 127.0.0.1:%d" % client.port
        start = b"POST /v1/outer HTTP/1.1"
        inner = b"GET /v1/inner HTTP/1.1\r\n" + name + b"\r\nConnection: close\r\n\r\n"
        text = b"\r\n".join([start, name, *fields]) + b"\r\n\r\n0\r\n\r\n" + inner
        client.send(text)
        await client.closed()
        await client.close()
        forwarded = [(request.start.split()[1].removeprefix(b"/api"), request.body) for request in up.requests]
    assert forwarded == [(target, body) for _, target, body in read_by_h11(text, len(forwarded))]
    named = [field.partition(b":")[0].strip().lower() for field in fields]
    if named.count(b"content-length") + named.count(b"transfer-encoding") > 1:
        assert forwarded == []


@asynchronous
async def test_a_loop_of_two_is_broken(tmp_path: Path) -> None:
    """A request that returns through another proxy is answered 508; foreign names in Via have no effect."""
    async with (
        upstream() as up,
        worker(tmp_path / "a", up.base) as second,
        worker(tmp_path / "b", f"http://127.0.0.1:{second.worker.port}/v1") as first,
    ):

        async def back_to_the_first(call: Call) -> None:
            again = await first.client()
            again.get(b"/v1/models", *[b": ".join(pair) for pair in call.request.headers if pair[0] == b"Via"])
            await call.send(answer((await again.response()).start))
            await again.close()

        up.script = back_to_the_first
        client = await first.client()
        client.get(b"/v1/models")
        assert (await client.response()).body == b"HTTP/1.1 508 Loop Detected"
        await client.close()
        (request,) = up.requests
        assert re.fullmatch(rb"1\.1 [0-9a-f]{16}, 1\.1 [0-9a-f]{16}", request.get(b"via") or b"")


@asynchronous
async def test_a_loop_by_another_name_is_called_one(tmp_path: Path) -> None:
    """If the upstream's name leads back here, the response is 508, not the 403 for its Host."""
    async with upstream() as up, worker(tmp_path, up.base) as running:

        async def back_under_its_name(call: Call) -> None:
            again = await running.client()
            again.get(b"/v1/models", b"Via: " + (call.request.get(b"via") or b""), host=b"provider.example")
            await call.send(answer((await again.response()).start))
            await again.close()

        up.script = back_under_its_name
        client = await running.client()
        client.get(b"/v1/models")
        assert (await client.response()).body == b"HTTP/1.1 508 Loop Detected"
        await client.close()


@as_root
@asynchronous
async def test_another_user_of_the_machine_spends_nothing(tmp_path: Path) -> None:
    """A process of another uid gets 403 on every path from a worker that serves our own user."""
    program = (
        "import encodings.idna, os, socket, sys; os.setuid(12345)\n"
        "port, path = int(sys.argv[1]), sys.argv[2].encode(); s = socket.create_connection(('127.0.0.1', port))\n"
        "s.sendall(b'GET %s HTTP/1.1\\r\\nHost: 127.0.0.1:%d\\r\\n\\r\\n' % (path, port))\n"
        "print(s.makefile('rb').readline().decode())"
    )
    async with upstream() as up, worker(tmp_path, up.base) as running:
        for path in ("/v1/models", "/__codex_fast_proxy/health"):
            command = [sys.executable, "-c", program, str(running.worker.port), path]
            process = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
            assert process.stdout.split() == ["HTTP/1.1", "403", "Forbidden"]
        client: Client = await running.client()
        client.get(b"/v1/models")
        assert (await client.response()).start == b"HTTP/1.1 200 OK"
        await client.close()
        assert len(up.requests) == 1
