"""Redirects of the upstream between real sockets: a client stays inside the proxy, or gets a named error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cfp.proxy.exchange.admission import Admission
from cfp.proxy.exchange.routing import Router
from cfp.proxy.upstream.origin import parse_origin
from tests.proxy.support import Call, answer, asynchronous, upstream, worker

FOLLOWED = [
    b"301 Moved Permanently",
    b"302 Found",
    b"303 See Other",
    b"307 Temporary Redirect",
    b"308 Permanent Redirect",
]
ELSEWHERE = b"Location: https://user:secret@new.example/v1/responses?key=secret#f"


@pytest.mark.parametrize("status", FOLLOWED)
@pytest.mark.parametrize("split", [{}, {"upstream_api_key_env": "RELAY_KEY"}], ids=["preserve", "split"])
@asynchronous
async def test_no_redirect_leads_to_another_origin(tmp_path: Path, status: bytes, split: dict[str, str]) -> None:
    """On every path and method a 400 names the new URL without its secrets, and the command."""

    async def script(call: Call) -> None:
        body = b"" if call.request.start.startswith(b"HEAD") else b"x" * 200_000
        await call.send(answer(body, status, ELSEWHERE))

    async with upstream(script) as up, worker(tmp_path, up.base, environ={"RELAY_KEY": "k"}, **split) as running:
        for send in ("post", "models", "image", "head"):
            client = await running.client()
            match send:
                case "post":
                    client.post()
                case "models":
                    client.get(b"/v1/models?client_version=1")
                case "image":
                    client.post(path=b"/v1/images/generations")
                case "head":
                    client.post(b"", path=b"/v1/models", method=b"HEAD")
            head = await client.head()
            assert (b"HTTP/1.1 400 Bad Request", None) == (head.start, head.get(b"location"))
            if send != "head":
                text = await client.reader.readexactly(int(head.get(b"content-length") or 0))
                error = json.loads(text)["error"]
                assert ("upstream_redirect", False) == (error["code"], "secret" in text.decode())
                assert f"127.0.0.1:{up.port} redirects to https://new.example/v1/responses," in error["message"]
                base = "https://new.example/v1" if send == "post" else "URL"
                assert f"`codex-fast-proxy set-upstream --upstream-base {base}`" in error["message"]
            await client.close()
        assert 4 == len(up.requests)
    assert {(400, "upstream_redirect")} == {(line["status"], line["error_type"]) for line in running.log()}


@pytest.mark.parametrize("status", FOLLOWED)
@asynchronous
async def test_a_redirect_below_the_base_stays_inside(tmp_path: Path, status: bytes) -> None:
    """The client gets the proxy's own URL for it, and what it sends there reaches the new target."""
    location = b""

    async def script(call: Call) -> None:
        await call.send(answer(b"", status, b"Location: " + location, b"X-Kept: 1") if location else answer())

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for location in (  # noqa: B007  the script reads it
            b"/api/v1/other?q=1",
            b"other?q=1",
            b"//127.0.0.1:%d/api/v1/other?q=1#f" % up.port,
            b"HTTP://127.0.0.1:%d/api/v1/x/../other?q=1" % up.port,
        ):
            client.post()
            response = await client.response()
            new = b"http://127.0.0.1:%d/v1/other?q=1" % client.port
            assert (b"HTTP/1.1 " + status, new, b"1") == (
                response.start,
                response.get(b"location"),
                response.get(b"x-kept"),
            )
        location = b""
        client.post(path=b"/v1/other?q=1")
        assert b"HTTP/1.1 200 OK" == (await client.response()).start
        assert b"POST /api/v1/other?q=1 HTTP/1.1" == up.requests[-1].start
        await client.close()


@pytest.mark.parametrize(
    "fields",
    [
        [b"Location: /login"],
        [b"Location: /api/v1x/responses"],
        [b"Location: /api/v1/%2e%2e/responses"],
        [b"Location: //evil.example/api/v1/responses"],
        [b"Location: http:///evil.example/api/v1/responses"],
        [b"Location: /\\evil.example"],
        [b"Location: https://127.0.0.1/api/v1/responses"],
        [b"Location: /api/v1/a", b"Location: /api/v1/b"],
        [b"Location: \xff"],
    ],
)
@asynchronous
async def test_a_redirect_that_cannot_stay_is_refused(tmp_path: Path, fields: list[bytes]) -> None:
    """Also one that parsers read differently."""

    async def script(call: Call) -> None:
        await call.send(answer(b"", b"307 Temporary Redirect", *fields))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post()
        assert await client.error() == (b"HTTP/1.1 400 Bad Request", "upstream_redirect")
        await client.close()


@asynchronous
async def test_a_redirect_to_the_proxy_itself_names_no_base(tmp_path: Path) -> None:
    """The advice would make a loop of it."""

    async def script(call: Call) -> None:
        port = running.worker.port
        await call.send(answer(b"", b"308 Permanent Redirect", b"Location: http://localhost:%d/v1/responses" % port))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post()
        response = await client.response()
        assert b"--upstream-base URL`" in response.body
        await client.close()


@pytest.mark.parametrize("status", [b"200 OK", b"201 Created", b"202 Accepted", b"401 Unauthorized"])
@asynchronous
async def test_a_location_that_no_client_follows_passes(tmp_path: Path, status: bytes) -> None:
    """The Location of what was made is information."""

    async def script(call: Call) -> None:
        await call.send(answer(b"{}", status, b"Location: https://files.example/1"))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post(path=b"/v1/files")
        response = await client.response()
        assert (b"HTTP/1.1 " + status, b"https://files.example/1") == (response.start, response.get(b"location"))
        await client.close()


@asynchronous
async def test_a_not_modified_and_a_redirect_without_a_location_pass(tmp_path: Path) -> None:
    """No client follows them."""

    async def script(call: Call) -> None:
        if call.request.get(b"if-none-match"):
            await call.send(b"HTTP/1.1 304 Not Modified\r\nLocation: https://b.example/\r\n\r\n")
        else:
            await call.send(answer(b"{}", b"307 Temporary Redirect"))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.get(b"/v1/models", b"If-None-Match: x")
        assert b"HTTP/1.1 304 Not Modified" == (await client.head()).start
        client.post()
        assert b"HTTP/1.1 307 Temporary Redirect" == (await client.response()).start
        await client.close()


@asynchronous
async def test_a_body_that_is_still_coming(tmp_path: Path) -> None:
    """The error ends the connection, as every early response does."""

    async def script(call: Call) -> None:
        await call.send(answer(b"", b"307 Temporary Redirect", ELSEWHERE))

    async with upstream(script, whole=False) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.send(
            b"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nTransfer-Encoding: chunked\r\n\r\n" % client.port
        )
        head = await client.head()
        assert (b"HTTP/1.1 400 Bad Request", b"close") == (head.start, head.get(b"connection"))
        await client.close()


@pytest.mark.parametrize("base", ["https://a.example", "https://a.example/api/v1"])
@pytest.mark.parametrize(
    "target", [b"/v1/responses", b"/v1/x?q=1", b"/v1", b"/v1/", b"/__codex_fast_proxy/catalog/models"]
)
def test_the_way_back_is_the_inverse_of_the_route(base: str, target: bytes) -> None:
    """A target of the upstream leads to the client's target that leads to it."""
    router = Router("/v1", parse_origin(base))
    route = router.route(target)
    back = router.route(router.client_target(route, route.target) or b"")
    assert (route.destination, route.target) == (back.destination, back.target)


def test_the_catalogue_reaches_every_path() -> None:
    """A redirect of the catalogue stays inside wherever it leads on the provider's origin."""
    router = Router("/v1", parse_origin("https://a.example/api"))
    route = router.route(b"/__codex_fast_proxy/catalog/models")
    assert b"/__codex_fast_proxy/catalog/login?x" == router.client_target(route, b"/login?x")
    assert None is router.client_target(router.route(b"/v1/models"), b"/login")


def test_a_host_of_ours() -> None:
    """By every name that the proxy answers to, and no other."""
    admission = Admission(8787, "127.0.0.1")
    expected = {
        "127.0.0.1:8787": True,
        "LocalHost:8787": True,
        "127.0.0.1:8788": False,
        "": False,
        "a.example": False,
    }
    assert expected == {authority: admission.is_own(authority) for authority in expected}
