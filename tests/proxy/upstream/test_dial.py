"""Connections to the upstream: TLS with the user's authorities, outbound proxies, and a reason for every failure."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cfp.proxy.config import Limits
from cfp.proxy.http.local_responses import LocalResponse
from cfp.proxy.upstream.dial import Dialer, DialFailed
from cfp.proxy.upstream.origin import parse_origin
from tests.certificates import expired
from tests.proxy.support import (
    Call,
    Request,
    Running,
    Upstream,
    asynchronous,
    read_chunk,
    read_head,
    upstream,
    worker,
)


def server_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@asynccontextmanager
async def tls_upstream(certificate: tuple[Path, Path]) -> AsyncIterator[Upstream]:
    double = Upstream()
    server = await asyncio.start_server(double.serve, "127.0.0.1", 0, ssl=server_context(certificate))
    double.port = server.sockets[0].getsockname()[1]
    yield double
    server.close()


async def ask(running: Running) -> tuple[bytes, str]:
    """Return (start line, error message or "")."""
    client = await running.client()
    client.post()
    response = await client.response()
    await client.close()
    return response.start, json.loads(response.body).get("error", {}).get("message", "")


async def closing(double: Upstream) -> None:
    """Wait until the upstream has read the end of its connection, so that no socket outlives the loop."""
    await double.gone.get()
    await asyncio.sleep(0)


@asynchronous
async def test_the_users_authority_is_trusted_and_connections_are_kept(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    """With CODEX_CA_CERTIFICATE two requests share one TLS connection."""
    async with tls_upstream(certificate) as up:
        base = up.base.replace("http:", "https:")
        async with worker(tmp_path, base, environ={"CODEX_CA_CERTIFICATE": str(certificate[0])}) as running:
            for _ in range(2):
                assert await ask(running) == (b"HTTP/1.1 200 OK", "")
            assert up.connections == 1
        await closing(up)


@pytest.mark.parametrize("cut", [False, True])
@asynchronous
async def test_only_tls_itself_ends_a_body_without_length(
    tmp_path: Path, certificate: tuple[Path, Path], *, cut: bool
) -> None:
    """A close without TLS's close_notify is a cut, and the client gets no END."""

    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        call.writer.transport.abort() if cut else call.writer.close()

    async with tls_upstream(certificate) as up:
        up.script = script
        base = up.base.replace("http:", "https:")
        async with worker(tmp_path, base, environ={"CODEX_CA_CERTIFICATE": str(certificate[0])}) as running:
            client = await running.client()
            client.post()
            assert (await client.head()).get(b"transfer-encoding") == b"chunked"
            assert await read_chunk(client.reader) == b"hello"
            if cut:
                assert await client.closed() == b""
            else:
                assert await read_chunk(client.reader) == b""
            await client.close()
    assert [line["error_type"] for line in running.log()] == ["upstream_cut" if cut else None]


@pytest.mark.parametrize(
    ("kind", "host", "words"),
    [
        ("unknown", "127.0.0.1", "(self-signed certificate)"),
        ("expired", "127.0.0.1", "(certificate has expired)"),
        ("for another", "localhost", "(Hostname mismatch, certificate is not valid for 'localhost'.)"),
    ],
)
@asynchronous
async def test_a_certificate_that_is_not_good_is_refused(
    tmp_path: Path, certificate: tuple[Path, Path], kind: str, host: str, words: str
) -> None:
    """A 502 with the reason, also where the user trusts its authority; no byte of the request is sent."""
    made = expired(tmp_path) if kind == "expired" else certificate
    environ = {} if kind == "unknown" else {"CODEX_CA_CERTIFICATE": str(made[0])}
    async with tls_upstream(made) as up, worker(tmp_path, f"https://{host}:{up.port}/v1", environ=environ) as running:
        start, message = await ask(running)
        assert start == b"HTTP/1.1 502 Bad Gateway"
        assert message.endswith(f"its certificate is not trusted {words}")
        assert up.requests == []


@asynchronous
async def test_an_upstream_that_speaks_no_tls_is_named(tmp_path: Path) -> None:
    """It is not reported as a fault of the certificate."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with worker(tmp_path, f"https://127.0.0.1:{port}/v1") as running:
        start, message = await ask(running)
    assert start == b"HTTP/1.1 502 Bad Gateway"
    assert "TLS failed" in message
    server.close()


@asynchronous
async def test_a_broken_authority_file_is_the_users_to_repair(tmp_path: Path) -> None:
    """A 400 that names the variable and not its value."""
    environ = {"CODEX_CA_CERTIFICATE": str(tmp_path / "canary.pem")}
    async with worker(tmp_path, "https://127.0.0.1:9/v1", environ=environ) as running:
        start, message = await ask(running)
    assert start == b"HTTP/1.1 400 Bad Request"
    assert "CODEX_CA_CERTIFICATE" in message
    assert "canary" not in message


TUNNELLED = b"HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n\r\n"  # RFC 9110 9.3.6: it has no body all the same


@dataclass(slots=True)
class Outlet:
    """An outbound proxy on loopback: it records its requests, and leads every tunnel to the upstream."""

    double: Upstream
    to: int = 0
    requests: list[Request] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.to:  # absolute-form: be the upstream
            await self.double.serve(reader, writer)
            return
        self.requests.append(await read_head(reader))
        writer.write(TUNNELLED)
        await self.join(reader, writer)

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)

        async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await source.read(1 << 16):
                    target.write(data)
            target.close()

        await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))

    async def socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """SOCKS5 with a user and a password (RFC 1928, RFC 1929)."""
        assert await reader.readexactly(1) == b"\x05"
        assert 2 in await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x02")
        _, size = await reader.readexactly(2)
        user = await reader.readexactly(size)
        password = await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x01\x00")
        assert (await reader.readexactly(4))[3] == 3  # a name, and not an address that was looked up here
        name = await reader.readexactly((await reader.readexactly(1))[0])
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.requests.append(Request(b"%s:%d %s %s" % (name, port, user, password), []))
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await self.join(reader, writer)


@asynccontextmanager
async def outlet(double: Upstream, certificate: tuple[Path, Path] | None = None, **how: Any) -> AsyncIterator[Any]:
    """Yield (the proxy, its address); it speaks TLS where it has a certificate."""
    proxy = Outlet(double, **how)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=certificate and server_context(certificate))
    yield proxy, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
@asynchronous
async def test_a_plain_upstream_is_requested_in_absolute_form(
    tmp_path: Path, certificate: tuple[Path, Path], scheme: str
) -> None:
    """An HTTP proxy gets the absolute URL, its own password, and several requests on one connection; over TLS too."""
    double = Upstream()
    async with outlet(double, certificate if scheme == "https" else None) as (_, address):
        ca = {"CODEX_CA_CERTIFICATE": str(certificate[0])}
        environ = {"HTTP_PROXY": f"{scheme}://user:pass%21@{address}", **ca}
        async with worker(tmp_path, "http://relay.invalid:8080/v1", environ=environ) as running:
            for _ in range(2):
                assert await ask(running) == (b"HTTP/1.1 200 OK", "")
        await closing(double)
    first, _ = double.requests
    assert first.start == b"POST http://relay.invalid:8080/v1/responses HTTP/1.1"
    assert first.get(b"host") == b"relay.invalid:8080"
    assert first.get(b"proxy-authorization") == b"Basic dXNlcjpwYXNzIQ=="
    assert double.connections == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@asynchronous
async def test_a_tls_upstream_is_reached_through_a_tunnel(
    tmp_path: Path, certificate: tuple[Path, Path], scheme: str
) -> None:
    """CONNECT with the upstream's name and the proxy's password; then TLS, in TLS where the proxy has it."""
    async with (
        tls_upstream(certificate) as up,
        outlet(up, certificate if scheme == "https" else None, to=up.port) as (proxy, address),
    ):
        ca = {"CODEX_CA_CERTIFICATE": str(certificate[0])}
        environ = {"HTTPS_PROXY": f"{scheme}://user:pass%21@{address}", **ca}
        async with worker(tmp_path, "https://relay.test:444/v1", environ=environ) as running:
            for _ in range(2):
                assert await ask(running) == (b"HTTP/1.1 200 OK", "")
        await closing(up)
    (connect,) = proxy.requests
    assert connect.start == b"CONNECT relay.test:444 HTTP/1.1"
    assert connect.get(b"proxy-authorization") == b"Basic dXNlcjpwYXNzIQ=="
    assert [request.get(b"proxy-authorization") for request in up.requests] == [None, None]
    assert up.requests[0].start == b"POST /v1/responses HTTP/1.1"


@asynchronous
async def test_socks_gets_the_host_name(tmp_path: Path) -> None:
    """The proxy gets user and password and resolves the name; requests follow."""
    async with upstream() as up:
        proxy = Outlet(up, to=up.port)
        server = await asyncio.start_server(proxy.socks, "127.0.0.1", 0)
        address = f"user:pw@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        environ = {"ALL_PROXY": f"socks5h://{address}"}
        async with worker(tmp_path, "http://relay.invalid:8080/v1", environ=environ) as running:
            assert await ask(running) == (b"HTTP/1.1 200 OK", "")
        await closing(up)
        server.close()
    assert [connect.start for connect in proxy.requests] == [b"relay.invalid:8080 user pw"]
    assert up.requests[0].start == b"POST /v1/responses HTTP/1.1"


@asynchronous
async def test_a_websocket_needs_a_tunnel(tmp_path: Path) -> None:
    """A WebSocket goes through a tunnel even to a plain-http upstream: a proxy would answer the upgrade itself."""
    async with upstream() as up, outlet(up, to=up.port) as (proxy, address):
        environ = {"HTTP_PROXY": f"http://{address}"}
        async with worker(tmp_path, "http://relay.invalid:8080/v1", environ=environ) as running:
            client = await running.client()
            fields = (b"Sec-WebSocket-Key: eA==", b"Sec-WebSocket-Version: 13")
            client.get(b"/v1/responses", b"Connection: Upgrade", b"Upgrade: websocket", *fields)
            assert (await client.response()).start == b"HTTP/1.1 426 Upgrade Required"
            await client.close()
        await closing(up)
    assert proxy.requests[0].start == b"CONNECT relay.invalid:8080 HTTP/1.1"
    assert up.requests[0].start == b"GET /v1/responses HTTP/1.1"


@asynchronous
async def test_the_other_family_is_tried_beside_the_first(tmp_path: Path) -> None:
    """A name with addresses of both families is reached at the one that accepts (RFC 8305)."""
    families = {info[0] for info in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)}
    double = Upstream()
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        if family not in families:
            continue
        server = await asyncio.start_server(double.serve, host, 0)
        port = server.sockets[0].getsockname()[1]
        async with worker(tmp_path, f"http://localhost:{port}/v1") as running:
            assert await ask(running) == (b"HTTP/1.1 200 OK", "")
        await closing(double)
        server.close()


@asynchronous
async def test_an_ipv6_literal_is_reached(tmp_path: Path) -> None:
    """Host has the brackets; the dialled address does not."""
    double = Upstream()
    try:
        server = await asyncio.start_server(double.serve, "::1", 0)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    port = server.sockets[0].getsockname()[1]
    async with worker(tmp_path, f"http://[::1]:{port}/v1") as running:
        assert await ask(running) == (b"HTTP/1.1 200 OK", "")
    await closing(double)
    server.close()
    assert double.requests[0].get(b"host") == b"[::1]:%d" % port


async def failure(base: str, environ: Mapping[str, str] | None = None, limits: Limits | None = None) -> DialFailed:
    dialer = Dialer(parse_origin(base), base, environ or {}, limits or Limits())
    with pytest.raises(DialFailed) as caught:
        await dialer.dial(asyncio.Protocol)
    return caught.value


@asynchronous
async def test_a_proxy_that_refuses_is_named_without_its_password() -> None:
    """Proxies that refuse, are silent or absent; the message never has the URL's user information."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://user:canary@127.0.0.1:{port}"
    refused = await failure("https://relay.invalid/v1", {"https_proxy": url})
    server.close()
    await server.wait_closed()
    absent = await failure("https://relay.invalid/v1", {"https_proxy": url})
    for error in (refused, absent):
        assert error.response is LocalResponse.UNREACHABLE
        assert f"127.0.0.1:{port}" in error.details["reason"]
        assert "canary" not in str(error.details)


@asynchronous
async def test_proxy_urls_that_cannot_be_used() -> None:
    """The user must change them: 400."""
    for url in ("ftp://p:1", "http://", "http://p:port"):
        assert (await failure("http://relay.invalid/v1", {"http_proxy": url})).response is LocalResponse.PROXY_SETTING


@asynchronous
async def test_an_invalid_host_name() -> None:
    """A label too long for a host name gets its own reason and is no bug."""
    assert (await failure(f"http://{'a' * 70}.invalid/v1")).details["reason"] == "its name is not a host name"


@asynchronous
async def test_a_silent_handshake_is_given_up(tmp_path: Path) -> None:
    """One time limit covers everything up to a usable connection."""
    hold = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await failure(f"https://127.0.0.1:{port}/v1", limits=Limits(connect_seconds=0.1))
    assert error.details["reason"] == "no connection within 0.1 seconds"
    hold.set()
    server.close()
