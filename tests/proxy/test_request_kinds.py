"""The kind of each model request in the log, over HTTP and WebSocket, and the path that only compacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cfp.core.traffic.kinds import Kind
from tests.kinds import MARKERS
from tests.proxy.exchange.test_websocket_tunnel import CREATE, connected, say_completed, serving
from tests.proxy.support import Call, answer, asynchronous, upstream, worker

CASES = [(kind, one) for kind, several in MARKERS.items() for one in several]
JSON = b"Content-Type: application/json"
COMPACTED = b'{"object":"response.compaction","output":[],"usage":{"input_tokens":3,"output_tokens":2}}'


@asynchronous
async def test_each_kind_has_its_name_in_the_log(tmp_path: Path) -> None:
    """By the head's fields; a request that is none to a model has no kind."""

    async def relay(call: Call) -> None:
        await call.send(answer(b"{}"))

    async with upstream(relay) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for _, markers in CASES:
            client.post(b'{"model":"m"}', *(b"%b: %b" % pair for pair in markers.items()))
            await client.response()
        client.get(b"/v1/models")
        await client.response()
        await client.close()
    assert [line["kind"] for line in running.log()] == [*(kind for kind, _ in CASES), None]


@pytest.mark.parametrize("in_handshake", [False, True], ids=["in the message", "in the handshake"])
def test_a_message_has_the_markers_in_its_metadata(tmp_path: Path, *, in_handshake: bool) -> None:
    """Codex repeats them in each message; where it does not, those of the handshake count."""

    @asynchronous
    async def ask() -> None:
        async with upstream(serving(say_completed)) as up, worker(tmp_path, up.base) as running:
            for kind, markers in CASES:
                fields = [b"%b: %b" % pair for pair in markers.items()] if in_handshake else []
                metadata = {name.decode(): value.decode() for name, value in markers.items()}
                client, socket = await connected(running, *fields)
                await socket.send(CREATE if in_handshake else {**CREATE, "client_metadata": metadata})
                await socket.receive()
                sent = (await socket.receive())["asked"]
                assert (sent["service_tier"], kind in Kind) == ("priority", True)
                await client.close()
                await up.gone.get()
        lines = [line for line in running.log() if line["status"] == 200]
        assert [line["kind"] for line in lines] == [kind for kind, _ in CASES]

    ask()


@asynchronous
async def test_odd_metadata_is_the_upstreams_to_judge(tmp_path: Path) -> None:
    """Metadata of another form than Codex's leaves the turn, its tier and its line as they are."""
    async with upstream(serving(say_completed)) as up, worker(tmp_path, up.base) as running:
        for odd in (None, 7, [], {"x-openai-subagent": 7}, {"x-codex-turn-metadata": None}):
            client, socket = await connected(running)
            await socket.send({**CREATE, "client_metadata": odd})
            await socket.receive()
            assert (await socket.receive())["asked"] == {"service_tier": "priority", **CREATE, "client_metadata": odd}
            await client.close()
            await up.gone.get()
    assert {line["kind"] for line in running.log() if line["status"] == 200} == {"turn"}


@asynchronous
async def test_a_compaction_at_its_own_path_is_a_model_request(tmp_path: Path) -> None:
    """It gets the tier and a whole line; its refusal says nothing about the model's turns."""

    async def relay(call: Call) -> None:
        body = json.loads(call.request.body)
        refuses = b"/compact" in call.request.start and "service_tier" in body
        await call.send(answer(b"{}", b"400 Bad Request") if refuses else answer(COMPACTED, b"200 OK", JSON))

    async with upstream(relay) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for path in (b"/v1/responses/compact", b"/v1/responses/compact", b"/v1/responses"):
            client.post(b'{"model":"m"}', path=path)
            assert (await client.response()).body == COMPACTED
        await client.close()
        assert [json.loads(request.body).get("service_tier") for request in up.requests] == [
            *("priority", None),
            None,
            "priority",
        ]
        assert running.worker.tier_refusals.model_names() == ["m (/responses/compact)"]
    first, second, turn = running.log()
    assert [line["kind"] for line in (first, second, turn)] == ["compact", "compact", "turn"]
    assert (first["eligible"], first["ending"], first["usage"]["output_tokens"]) == (True, "completed", 2)
    assert [line["service_tier_after"] for line in (first, second, turn)] == [None, None, "priority"]
