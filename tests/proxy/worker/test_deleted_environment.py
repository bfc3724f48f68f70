"""A worker whose environment is deleted while it runs: it imports nothing more, and serves every kind of request."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import signal
import sys
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cfp.host.system.isolation import DEPENDENCIES
from cfp.layout import API_PATH, DASHBOARD_PATH, HEALTH_PATH, Layout
from tests.ports import free_port
from tests.proxy.exchange.test_websocket_tunnel import CREATE, Socket, handshake, say_completed, serving
from tests.proxy.support import Call, Client, answer, asynchronous, upstream
from tests.proxy.upstream.test_dial import Outlet, tls_upstream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.posix("deleting the files of a running program")

# Runs the program from the folder alone, and writes the name of each module that is looked for into a descriptor.
PROGRAM = """
import os, sys
folder, descriptor = sys.argv[1:3]
sys.path.insert(0, folder)
sys.addaudithook(lambda event, words: event == "import" and os.write(int(descriptor), words[0].encode() + b"\\n"))
del sys.argv[1:3]
from codex_fast_proxy import main
sys.exit(main())
"""
OURS = ("cfp", "journal", "codex_fast_proxy")
BODY = json.dumps({"model": "of-http", "stream": True, "input": "x" * 5000}).encode()
EVENTS = b'data: {"type":"response.completed","response":{"id":"r","model":"m","service_tier":"priority"}}\n\n'


def install(folder: Path) -> Path:
    """Copy the program and its dependencies into a folder."""
    for name in (*OURS, *DEPENDENCIES):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        target = folder / name.replace(".", "/")
        if spec.submodule_search_locations is None:
            shutil.copy(spec.origin, target.with_suffix(Path(spec.origin).suffix))
        else:
            shutil.copytree(Path(spec.origin).parent, target, ignore=shutil.ignore_patterns("tests"))
    return folder


@dataclass(slots=True, kw_only=True)
class Deletable:
    """A worker's process, its environment, and the file with the names of the modules that it looks for."""

    process: asyncio.subprocess.Process
    folder: Path
    layout: Layout
    port: int
    imports: Path

    async def client(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return Client(self.port, reader, writer)

    async def get(self, path: str) -> tuple[bytes, bytes]:
        """Return (start line, body)."""
        client = await self.client()
        client.get(path.encode())
        response = await client.response()
        await client.close()
        return response.start, response.body

    async def until(self, field: str) -> None:
        """Wait until a field of the health report is set."""
        while not json.loads((await self.get(HEALTH_PATH))[1])[field]:  # noqa: ASYNC110  another process has no event
            await asyncio.sleep(0.05)

    async def delete(self) -> None:
        """Delete the environment once the worker can do without, and forget what it has imported until then."""
        await self.until("self_contained")
        shutil.rmtree(self.folder)
        self.imports.write_text("")

    async def end(self) -> tuple[int, str, list[str]]:
        """End it as `stop` does; return its exit code, its messages, and the modules that it has looked for."""
        self.process.send_signal(signal.SIGTERM)
        _, messages = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, messages.decode(), self.imports.read_text().split()


@asynccontextmanager
async def deletable(
    folder: Path, base: str, environ: Mapping[str, str] | None = None, *more: str
) -> AsyncIterator[Deletable]:
    """A worker that is ready, from an environment of its own."""
    environment, layout = install(folder / "environment"), Layout(folder / "home")
    layout.worker.mkdir(parents=True)
    layout.config.write_text('model = "m"\n')
    imports = folder / "imports"
    flags = ["--host", "127.0.0.1", "--upstream-base", base, "--proxy-base", "/v1", "--codex-home", str(layout.home)]
    flags += ["--service-tier-policy", "inject_missing", *more]
    port = free_port()
    with imports.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", PROGRAM, str(environment), str(log.fileno())),
            *("serve", *flags, "--port", str(port)),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environ or {}),
            pass_fds=(log.fileno(),),
        )
    running = Deletable(process=process, folder=environment, layout=layout, port=port, imports=imports)
    try:
        await answering(running)
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def answering(running: Deletable) -> None:
    while True:
        try:
            await running.get(HEALTH_PATH)
        except ConnectionRefusedError:
            assert running.process.returncode is None
            await asyncio.sleep(0.05)
        else:
            return


async def turn(running: Deletable, body: bytes = BODY, *fields: bytes) -> bytes:
    """One request; return the start line of the response."""
    client = await running.client()
    client.post(body, *fields)
    response = await client.response()
    await client.close()
    return response.start


def zlib_of(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(body) + packer.flush()


@asynchronous
async def test_it_serves_on_without_its_files(tmp_path: Path) -> None:
    """Tier, refusals, codings, redirects, limits, errors, WebSocket, health, log, drain: no module is looked for."""
    streams = answer(EVENTS, b"200 OK", b"Content-Type: text/event-stream")
    packed = answer(zlib_of(EVENTS), b"200 OK", b"Content-Type: text/event-stream", b"Content-Encoding: gzip")
    refused = answer(zlib_of(b'{"error":"unknown service_tier"}'), b"400 Bad Request", b"Content-Encoding: gzip")
    there = answer(b"", b"307 Temporary Redirect", b"Location: /api/v1/other")
    away = answer(b"", b"307 Temporary Redirect", b"Location: https://elsewhere.invalid/")
    limited = answer(zlib_of(b'"rate limit"'), b"429 Too Many Requests", b"Content-Encoding: gzip")
    missing = answer(b"no", b"404 Not Found")
    answers = iter([streams, packed, refused, streams, there, away, limited, missing, streams])

    async def script(call: Call) -> None:
        if call.request.get(b"upgrade"):
            await serving(say_completed)(call)
        else:
            await call.send(next(answers))

    split = ("--provider", "relay", "--upstream-api-key-env", "RELAY_KEY")
    async with upstream(script) as up, deletable(tmp_path, up.base, {"RELAY_KEY": "k"}, *split) as running:
        await running.delete()
        assert b"HTTP/1.1 200 OK" == await turn(running)
        assert b"HTTP/1.1 200 OK" == await turn(running, zstd.compress(BODY), b"Content-Encoding: zstd")
        assert [b"priority" in request.body for request in up.requests] == [True, False]
        assert b"HTTP/1.1 200 OK" == await turn(running, zlib_of(BODY), b"Content-Encoding: gzip")
        assert b"HTTP/1.1 307 Temporary Redirect" == await turn(running)
        assert b"HTTP/1.1 400 Bad Request" == await turn(running)
        assert b"HTTP/1.1 429 Too Many Requests" == await turn(running)
        assert b"HTTP/1.1 404 Not Found" == await turn(running)
        assert b"priority" in await websocket_turn(running)
        running.layout.config.write_bytes(
            b'\xef\xbb\xbfservice_tier = "flex"\n[model_providers.relay.http_headers]\nA = "b"\n'
        )
        running.layout.dotenv.write_text("RELAY_KEY='k'\n")
        assert b"HTTP/1.1 200 OK" == await turn(running)
        assert b"HTTP/1.1 404 Not Found" == (await running.get("/elsewhere"))[0]
        assert b"HTTP/1.1 200 OK" == (await running.get(HEALTH_PATH))[0]
        code, messages, looked_for = await running.end()
    lines = running.layout.request_log.read_text().splitlines()
    assert (0, "", []) == (code, messages, looked_for)
    assert 8 < len(lines)


async def websocket_turn(running: Deletable) -> bytes:
    """One turn over a WebSocket; return what the provider got."""
    client = await running.client()
    handshake(client)
    assert (await client.head()).start.startswith(b"HTTP/1.1 101")
    socket = Socket.of(client.reader, client.writer, client=True)
    await socket.send(CREATE)
    while (event := await socket.receive())["type"] == "response.created":
        pass
    await client.close()
    return json.dumps(event["asked"]).encode()


@pytest.mark.parametrize("kind", ["none", "http", "socks"])
@asynchronous
async def test_tls_and_outbound_proxies_need_no_files(
    tmp_path: Path, certificate: tuple[Path, Path], kind: str
) -> None:
    """A TLS upstream, by itself and through each kind of outbound proxy."""
    async with tls_upstream(certificate) as up:
        proxy = Outlet(up, to=up.port)
        server = await asyncio.start_server(proxy.socks if kind == "socks" else proxy.serve, "127.0.0.1", 0)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        environ = {"CODEX_CA_CERTIFICATE": str(certificate[0])}
        base = up.base.replace("http:", "https:")
        if kind != "none":
            environ["ALL_PROXY"] = f"socks5h://user:pw@{address}" if kind == "socks" else f"http://{address}"
            base = f"https://relay.test:{up.port}/v1"
        async with deletable(tmp_path, base, environ) as running:
            await running.delete()
            assert b"HTTP/1.1 200 OK" == await turn(running)
            assert (0, "", []) == await running.end()
        await up.gone.get()
        server.close()


@asynchronous
async def test_a_failed_connection_needs_no_files(tmp_path: Path) -> None:
    """A name that does not resolve is a 502, at the latest when the worker ends."""
    async with deletable(tmp_path, "http://relay.invalid/v1") as running:
        await running.delete()
        request = asyncio.create_task(turn(running))
        await running.until("requests_in_flight")
        assert (0, "", []) == await running.end()
        assert b"HTTP/1.1 502 Bad Gateway" == await request


@asynchronous
async def test_an_event_is_logged_without_structlog(tmp_path: Path) -> None:
    """The first event after the deletion has the form of all others, whether structlog can be imported or not."""
    async with upstream() as up, deletable(tmp_path, up.base) as running:
        running.layout.request_log.mkdir()
        await running.delete()
        assert b"HTTP/1.1 200 OK" == await turn(running)
        code, messages, _ = await running.end()
    event = json.loads(messages)
    assert (0, ["errno", "event", "level", "ts"]) == (code, sorted(event))
    assert ("request_log_not_written", "warning") == (event["event"], event["level"])


@asynchronous
async def test_an_open_dashboard_stays_and_another_one_is_refused(tmp_path: Path) -> None:
    """A page that was opened in time is shown on, with its state; else there is a 503 that says what to do."""
    async with upstream() as up, deletable(tmp_path / "opened", up.base) as running:
        assert b"HTTP/1.1 200 OK" == (await running.get(DASHBOARD_PATH))[0]
        assert b"HTTP/1.1 200 OK" == (await running.get(f"{API_PATH}/state"))[0]
        await running.delete()
        running.layout.config.write_text('model = "another"\n')
        assert b"HTTP/1.1 200 OK" == (await running.get(DASHBOARD_PATH))[0]
        assert b"HTTP/1.1 200 OK" == (await running.get(f"{API_PATH}/state"))[0]
        code, messages, _ = await running.end()
        assert (0, "") == (code, messages)
    async with upstream() as up, deletable(tmp_path / "not opened", up.base) as running:
        await running.delete()
        for path in (DASHBOARD_PATH, f"{API_PATH}/state", f"{API_PATH}/events"):
            start, body = await running.get(path)
            assert (b"HTTP/1.1 503 Service Unavailable", True) == (start, b"codex-fast-proxy start" in body)
        code, messages, _ = await running.end()
        assert (0, "") == (code, messages)
