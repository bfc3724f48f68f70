"""The loopback capture as Codex, and as a stranger, meets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from cfp.bench.capture import Capture
from cfp.bench.timed_request import ErrorType, TimedRequest
from cfp.core.tiers.names import KNOWN
from cfp.demo.provider import DemoProvider
from cfp.demo.scripted_turns import Cut, Reject, ScriptedTurn, Stall
from cfp.host.provider.client import ProviderClient
from cfp.host.provider.keys import KeyLocation, ProviderKey
from cfp.host.provider.secret import Secret
from tests.down_provider import down_provider

KEY = "sk-the-key-of-the-provider"
BODY = {"model": "m", "stream": True, "input": [], "service_tier": "flex"}


@pytest.fixture
def upstream() -> Iterator[DemoProvider]:
    with DemoProvider(key=KEY, default=ScriptedTurn(text="one two")) as upstream:
        yield upstream


def _route(base_url: str, **more: Any) -> ProviderClient:
    key = ProviderKey(secret=Secret(KEY), location=KeyLocation.PROCESS_ENV, name="K")
    return ProviderClient(upstream_base=base_url, key=key, environ={}, **more)


def _with_capture(
    route: ProviderClient, tier: str | None, act: Callable[[Capture, httpx.AsyncClient], Awaitable[None]]
) -> list[TimedRequest]:
    """Run `act` against a capture and return the requests that it saw."""
    requests: list[TimedRequest] = []

    async def story() -> None:
        async with Capture(route, tier, requests, lambda _: None) as capture, httpx.AsyncClient() as client:
            await act(capture, client)

    asyncio.run(story())
    return requests


def _phrase(capture: Capture) -> dict[str, str]:
    return {"authorization": f"Bearer {capture.pass_phrase}"}


@pytest.mark.parametrize("tier", [None, *KNOWN])
def test_the_tier_is_set_and_the_key_put_in(upstream: DemoProvider, tier: str | None) -> None:
    """The provider gets its key, Codex's other headers and the side's tier; Codex gets the stream as it is."""

    async def act(capture: Capture, client: httpx.AsyncClient) -> None:
        headers = {**_phrase(capture), "session-id": "s-1", "connection": "keep-alive"}
        answer = await client.post(f"{capture.base_url}/responses", json=BODY, headers=headers)
        assert (200, "text/event-stream") == (answer.status_code, answer.headers["content-type"])
        assert '"response.completed"' in answer.text

    (timed,) = _with_capture(_route(upstream.base_url), tier, act)
    (trial,) = upstream.turns
    assert (f"Bearer {KEY}", "s-1") == (trial.header("authorization"), trial.header("session-id"))
    assert tier == trial.json().get("service_tier")
    assert ("flex", tier, None, 7) == (
        timed.tier_requested,
        timed.tier_sent,
        timed.error,
        timed.output_chars,
    )


def test_a_stranger_gets_nothing(upstream: DemoProvider) -> None:
    """Without the pass-phrase nobody spends the user's quota; other paths and proxying are refused too."""

    async def act(capture: Capture, client: httpx.AsyncClient) -> None:
        url = f"{capture.base_url}/responses"
        assert 401 == (await client.post(url, json=BODY)).status_code
        assert 401 == (await client.post(url, json=BODY, headers={"authorization": f"Bearer {KEY}"})).status_code
        assert 404 == (await client.get(f"{capture.base_url}/models", headers=_phrase(capture))).status_code
        assert 400 == (await client.post(url, content=b"[1]", headers=_phrase(capture))).status_code
        through = httpx.AsyncClient(proxy=capture.origin)
        with pytest.raises(httpx.ProxyError):
            await through.get("https://example.invalid/")
        await through.aclose()
        upgrade = {"connection": "upgrade", "upgrade": "websocket", **_phrase(capture)}
        assert 404 == (await client.get(url, headers=upgrade)).status_code

    assert [] == _with_capture(_route(upstream.base_url), None, act)
    assert () == upstream.turns


def test_what_is_no_request_is_refused(upstream: DemoProvider) -> None:
    """Bytes that are not HTTP get a 400, and a client that goes away in the middle leaves nothing behind."""

    async def act(capture: Capture, _: httpx.AsyncClient) -> None:
        host, port = capture.origin.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        await writer.wait_closed()
        _, leaving = await asyncio.open_connection(host, int(port))
        leaving.write(b"POST /v1/responses HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf")
        leaving.close()
        await leaving.wait_closed()

    assert [] == _with_capture(_route(upstream.base_url), None, act)


def test_a_refusal_is_passed_on(upstream: DemoProvider) -> None:
    """The provider's response reaches Codex."""
    upstream.script(Reject(status=429, message="slow down", headers=(("retry-after", "7"),)))

    async def act(capture: Capture, client: httpx.AsyncClient) -> None:
        answer = await client.post(f"{capture.base_url}/responses", json=BODY, headers=_phrase(capture))
        assert (429, "7") == (answer.status_code, answer.headers["retry-after"])
        assert "slow down" == answer.json()["error"]["message"]

    (timed,) = _with_capture(_route(upstream.base_url), None, act)
    assert (429, ErrorType.HTTP) == (timed.status, timed.error)


def test_a_broken_stream_breaks_for_codex_too(upstream: DemoProvider) -> None:
    """A stream that ends too early does not look complete on this side."""
    upstream.script(Cut())

    async def act(capture: Capture, client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(f"{capture.base_url}/responses", json=BODY, headers=_phrase(capture))

    (timed,) = _with_capture(_route(upstream.base_url), None, act)
    assert "RemoteProtocolError" == timed.error


def test_a_provider_that_is_down() -> None:
    """502 to Codex, the transport's own word in the sample."""

    async def act(capture: Capture, client: httpx.AsyncClient) -> None:
        answer = await client.post(f"{capture.base_url}/responses", json=BODY, headers=_phrase(capture))
        assert 502 == answer.status_code

    with down_provider() as base_url:
        (timed,) = _with_capture(_route(base_url), None, act)
    assert (None, "ConnectError") == (timed.status, timed.error)


def test_leaving_ends_what_is_under_way(upstream: DemoProvider) -> None:
    """A capture that is left while the provider is silent ends its exchange and leaves no socket open."""
    upstream.script(Stall(after_first_event=True))

    async def act(capture: Capture, client: httpx.AsyncClient) -> None:
        url = f"{capture.base_url}/responses"
        async with client.stream("POST", url, json=BODY, headers=_phrase(capture)) as answer:
            await anext(answer.aiter_raw())

    (timed,) = _with_capture(_route(upstream.base_url), None, act)
    assert (None, True) == (timed.total_ms, timed.first_event_ms is not None)


def test_identity_stays_here_where_a_chosen_key_stands_in(upstream: DemoProvider) -> None:
    """With an auth override, cookies and account ids do not go to the provider, as with the worker."""

    async def act(capture: Capture, client: httpx.AsyncClient) -> None:
        headers = {**_phrase(capture), "cookie": "a=b", "chatgpt-account-id": "u", "session-id": "s"}
        await client.post(f"{capture.base_url}/responses", content=json.dumps(BODY), headers=headers)

    _with_capture(_route(upstream.base_url, overrides=True), None, act)
    (trial,) = upstream.turns
    assert (None, None, "s") == tuple(trial.header(name) for name in ("cookie", "chatgpt-account-id", "session-id"))
