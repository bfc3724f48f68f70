"""How the upstream is reached: TLS with the user's authorities, outbound proxies, and words for every failure."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cfp.proxy.answers import Answer
from cfp.proxy.config import Limits
from cfp.proxy.dial import Dialer, DialFailed
from cfp.proxy.routing import origin_of
from tests.proxy.support import Running, Upstream, asynchronous, worker


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    made = (folder / "cert.pem", folder / "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=relay"
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-out", made[0], "-keyout", made[1])
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return made


@asynccontextmanager
async def tls_upstream(certificate: tuple[Path, Path]) -> AsyncIterator[Upstream]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    double = Upstream()
    server = await asyncio.start_server(double.serve, "127.0.0.1", 0, ssl=context)
    double.port = server.sockets[0].getsockname()[1]
    yield double
    server.close()


async def ask(running: Running) -> tuple[bytes, str]:
    """(start line, error message or "")."""
    client = await running.client()
    client.post()
    response = await client.response()
    await client.close()
    return response.start, json.loads(response.body).get("error", {}).get("message", "")


async def closing(double: Upstream) -> None:
    """Wait until the upstream has seen the end of its connection, so that no socket outlives the loop."""
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


@asynchronous
async def test_an_unknown_authority_is_refused(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """502 that says so; no byte of the request was sent."""
    async with tls_upstream(certificate) as up, worker(tmp_path, up.base.replace("http:", "https:")) as running:
        start, message = await ask(running)
        assert start == b"HTTP/1.1 502 Bad Gateway"
        assert message.endswith("its certificate is not trusted (self-signed certificate)")
        assert up.requests == []


@asynchronous
async def test_an_upstream_that_speaks_no_tls_is_named(tmp_path: Path) -> None:
    """Not a certificate's fault, and told as what it is."""

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
    """400, naming the variable and not its value."""
    environ = {"CODEX_CA_CERTIFICATE": str(tmp_path / "canary.pem")}
    async with worker(tmp_path, "https://127.0.0.1:9/v1", environ=environ) as running:
        start, message = await ask(running)
    assert start == b"HTTP/1.1 400 Bad Request"
    assert "CODEX_CA_CERTIFICATE" in message
    assert "canary" not in message


@asynchronous
async def test_connections_go_through_a_tunnel(tmp_path: Path) -> None:
    """HTTP_PROXY leads to a CONNECT with the upstream's name and the proxy's password; requests flow behind."""
    asked: list[bytes] = []
    double = Upstream()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await double.serve(reader, writer)

    server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    environ = {"HTTP_PROXY": f"http://user:pass%21@127.0.0.1:{port}"}
    async with worker(tmp_path, "http://relay.invalid:8080/v1", environ=environ) as running:
        assert await ask(running) == (b"HTTP/1.1 200 OK", "")
    await closing(double)
    assert asked[0].startswith(b"CONNECT relay.invalid:8080 HTTP/1.1\r\n")
    assert b"Basic dXNlcjpwYXNzIQ==" in asked[0]
    assert double.requests[0].get(b"host") == b"relay.invalid:8080"
    server.close()


async def failure(base: str, environ: Mapping[str, str] | None = None, limits: Limits | None = None) -> DialFailed:
    dialer = Dialer(origin_of(base), base, environ or {}, limits or Limits())
    with pytest.raises(DialFailed) as caught:
        await dialer.dial(asyncio.Protocol)
    return caught.value


@asynchronous
async def test_a_proxy_that_refuses_is_named_without_its_password() -> None:
    """Refusing, silent and absent proxies; never the user's part of the URL."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://user:canary@127.0.0.1:{port}"
    refused = await failure("http://relay.invalid/v1", {"http_proxy": url})
    server.close()
    await server.wait_closed()
    absent = await failure("http://relay.invalid/v1", {"http_proxy": url})
    for error in (refused, absent):
        assert error.answer is Answer.UNREACHABLE
        assert f"127.0.0.1:{port}" in error.details["reason"]
        assert "canary" not in str(error.details)


@asynchronous
async def test_proxy_urls_that_cannot_be_used() -> None:
    """The user must change them: 400."""
    for url in ("https://p:1", "ftp://p:1", "http://", "http://p:port"):
        assert (await failure("http://relay.invalid/v1", {"http_proxy": url})).answer is Answer.PROXY_SETTING


@asynchronous
async def test_a_name_that_is_none() -> None:
    """A label too long for a host name is told, not a bug."""
    assert (await failure(f"http://{'a' * 70}.invalid/v1")).details["reason"] == "its name is not a host name"


@asynchronous
async def test_a_silent_handshake_is_given_up(tmp_path: Path) -> None:
    """The whole way to a usable connection has one limit."""
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
