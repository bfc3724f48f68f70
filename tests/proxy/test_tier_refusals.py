"""A refused tier: recognized by the status, proven by the repeat. Nothing else is repeated, and nothing is lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cfp.proxy.http.content_coding import encode
from tests.proxy.support import Call, Request, Script, answer, asynchronous, upstream, worker

# What relays say about a tier that they do not know, and what they say about other things.
REFUSALS = {
    "nothing": b"",
    "the parameter": b'{"error":{"message":"Unsupported parameter: service_tier"}}',
    "the value": b'{"error":{"message":"Invalid value: \'priority\'"}}',
    "another spelling": b'{"error":"serviceTier is not allowed"}',
    "another language": '{"error":{"message":"不支持的参数"}}'.encode(),
    "a web page": b"<html>Bad Request</html>",
}
ECHO = b'{"error":{"message":"your prompt: what is service_tier?"}}'
UNREPEATED = [401, 402, 403, 404, 408, 409, 413, 429, 500, 502, 503]


@dataclass(kw_only=True)
class Relay:
    """A provider that answers requests with the tier in one way, and the others in another."""

    with_tier: bytes
    without: bytes = answer(b"fine")
    cut: bool = False

    async def __call__(self, call: Call) -> None:
        if "service_tier" not in json.loads(call.request.body):
            await call.send(self.without)
            return
        await call.send(self.with_tier)
        if self.cut:
            call.writer.close()


async def outcome_of(home: Path, relay: Script, *models: str) -> tuple[list[Request], list[Request], list[str]]:
    """Send a request for each model; return the client's responses, the upstream's requests, the learned models."""
    async with upstream(relay) as up, worker(home, up.base) as running:
        responses = []
        for model in models:
            client = await running.client()
            client.post(json.dumps({"model": model}).encode(), b"Connection: close")
            responses.append(await client.response())
            await client.close()
        return responses, up.requests, running.worker.tier_refusals.model_names()


def tiers(requests: list[Request]) -> list[Any]:
    return [json.loads(request.body).get("service_tier") for request in requests]


@pytest.mark.parametrize("status", [b"400 Bad Request", b"422 Unprocessable Content"])
@pytest.mark.parametrize("body", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_in_any_words_is_learned(tmp_path: Path, status: bytes, body: bytes) -> None:
    """One repeat without the tier succeeds, so the model goes without it from then on."""

    @asynchronous
    async def ask() -> None:
        responses, requests, learned = await outcome_of(tmp_path, Relay(with_tier=answer(body, status)), "m", "m")
        assert [b"fine"] * 2 == [response.body for response in responses]
        assert ["priority", None, None] == tiers(requests)
        assert ["m"] == learned

    ask()


@pytest.mark.parametrize("status", UNREPEATED)
def test_other_answers_pass_as_they_are(tmp_path: Path, status: int) -> None:
    """Whatever they say, the provider may have run or counted the request; nothing is repeated or learned."""

    @asynchronous
    async def ask() -> None:
        relay = Relay(with_tier=answer(ECHO, b"%d No" % status))
        (response,), requests, learned = await outcome_of(tmp_path, relay, "m")
        assert (b"HTTP/1.1 %d No" % status, ECHO) == (response.start, response.body)
        assert (["priority"], []) == (tiers(requests), learned)

    ask()


def test_a_request_that_is_wrong_in_itself_teaches_nothing(tmp_path: Path) -> None:
    """The repeat is refused too, and passes; the next request has the tier again."""

    @asynchronous
    async def ask() -> None:
        refusal = answer(ECHO, b"400 Bad Request")
        responses, requests, learned = await outcome_of(tmp_path, Relay(with_tier=refusal, without=refusal), "m", "m")
        assert [ECHO] * 2 == [response.body for response in responses]
        assert (["priority", None] * 2, []) == (tiers(requests), learned)

    ask()


def test_a_model_with_the_tier_is_repeated_only_where_the_tier_is_named(tmp_path: Path) -> None:
    """Once a request with the tier has succeeded, an ordinary 400 costs no second request."""
    replies = [answer(b"fine"), answer(b"too long", b"400 Bad Request"), answer(ECHO, b"400 Bad Request")]

    @asynchronous
    async def ask() -> None:
        async def relay(call: Call) -> None:
            has_tier = "service_tier" in json.loads(call.request.body)
            await call.send(replies.pop(0) if has_tier else answer(b"bare"))

        responses, requests, learned = await outcome_of(tmp_path, relay, "m", "m", "m")
        assert [b"fine", b"too long", b"bare"] == [response.body for response in responses]
        assert (["priority", "priority", "priority", None], ["m"]) == (tiers(requests), learned)

    ask()


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "without an end"])
def test_a_refusal_without_its_end_is_no_obstacle(tmp_path: Path, *, cut: bool) -> None:
    """The body of the refusal is cut, or never ends: the repeat goes out within seconds all the same."""

    @asynchronous
    async def ask() -> None:
        refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\nhalf"
        (response,), requests, learned = await outcome_of(tmp_path, Relay(with_tier=refusal, cut=cut), "m")
        assert (b"fine", ["priority", None], ["m"]) == (response.body, tiers(requests), learned)

    ask()


@asynchronous
async def test_a_refusal_without_its_end_passes_where_the_tier_is_accepted(tmp_path: Path) -> None:
    """The status and the part of the body that is there reach the client: direct Codex sees them too."""
    replies = [answer(b"fine"), b"HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\nhalf"]

    async def relay(call: Call) -> None:
        await call.send(replies.pop(0))

    async with upstream(relay) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for expected in (b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad Request"):
            client.post(b'{"model":"m"}')
            head = await client.head()
            assert expected == head.start
            await client.reader.readexactly(4)
        await client.close()
        assert 2 == len(up.requests)


@pytest.mark.parametrize("coding", [b"gzip", b"zstd", b"br"])
def test_a_coded_refusal_is_read(tmp_path: Path, coding: bytes) -> None:
    """In a known coding the words count; in an unknown one the status does."""

    @asynchronous
    async def ask() -> None:
        body = REFUSALS["the parameter"]
        coded = body if coding == b"br" else encode(coding, [body])
        relay = Relay(with_tier=answer(coded, b"400 Bad Request", b"Content-Encoding: " + coding))
        (response,), _, learned = await outcome_of(tmp_path, relay, "m")
        assert (b"fine", ["m"]) == (response.body, learned)

    ask()
