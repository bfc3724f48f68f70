"""The embedded upstream, seen from a plain HTTP client and from the real Codex."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.demo.provider import DemoProvider
from cfp.demo.scripted_turns import ByTier, Cut, NotSse, Reject, ScriptedTurn, Stall, events
from tests.down_provider import down_provider


def _post(base: str, body: Any, headers: Mapping[str, str] | None = None) -> tuple[int, str, bytes]:
    """Return status, content type and body of one POST /responses."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("POST", f"{parts.path}/responses", json.dumps(body), dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.getheader("content-type", ""), response.read()
    finally:
        connection.close()


def _story(stream: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in stream.decode().splitlines() if line.startswith("data: ")]


@given(text=st.text(), tier=st.none() | st.sampled_from(["priority", "flex"]))
def test_the_words_make_the_text(text: str, tier: str | None) -> None:
    """The deltas of a turn join to its text, and the last event repeats it with the tier that was asked for."""
    request = {"model": "m", **({"service_tier": tier} if tier else {})}
    story = events(request, ScriptedTurn(text=text), 1)
    deltas = [event["delta"] for event in story if event["type"] == "response.output_text.delta"]
    final = story[-1]["response"]
    assert text == "".join(deltas)
    assert text == final["output"][0]["content"][0]["text"]
    assert (tier or "default") == final["service_tier"]


def test_a_turn_is_a_whole_stream() -> None:
    """A POST is answered as SSE from response.created to response.completed."""
    with DemoProvider() as upstream:
        status, kind, body = _post(upstream.base_url, {"model": "m", "stream": True, "service_tier": "priority"})
    names = [event["type"] for event in _story(body)]
    assert (200, "text/event-stream") == (status, kind)
    assert ("response.created", "response.completed") == (names[0], names[-1])


def test_every_request_is_remembered() -> None:
    """Method, path, headers and body of a request can be asked for afterwards, and turns can be awaited."""
    with DemoProvider() as upstream:
        _post(upstream.base_url, {"model": "m"}, {"X-Mixed-Case": "1"})
        (turn,) = upstream.wait_for_turns(1, timeout=5)
        with pytest.raises(TimeoutError):
            upstream.wait_for_turns(2, timeout=0.01)
    assert ("POST", "/v1/responses", {"model": "m"}) == (turn.method, turn.path, turn.json())
    assert ("X-Mixed-Case", "1") in turn.headers
    assert turn.header("x-mixed-case") == "1"


def test_the_script_is_followed_and_then_the_default() -> None:
    """Scripted answers come once each and in order."""
    with DemoProvider(default=Reject(status=503)) as upstream:
        upstream.script(Reject(status=401), NotSse(), ScriptedTurn())
        statuses = [_post(upstream.base_url, {})[:2] for _ in range(4)]
    assert [
        (401, "application/json"),
        (200, "application/json"),
        (200, "text/event-stream"),
        (503, "application/json"),
    ] == statuses


def test_a_tier_may_matter() -> None:
    """A provider can answer one tier otherwise than the rest."""
    with DemoProvider(default=ByTier(priority=ScriptedTurn(text="fast"), rest=ScriptedTurn(text="slow"))) as upstream:
        bodies = [_post(upstream.base_url, body)[2] for body in ({"service_tier": "priority"}, {})]
    assert ["fast", "slow"] == [_story(body)[-1]["response"]["output"][0]["content"][0]["text"] for body in bodies]


def test_a_key_is_demanded() -> None:
    """With a key set, any other Authorization is answered 401, and the script is not used up by it."""
    with DemoProvider(key="right") as upstream:
        upstream.script(Reject(status=418))
        wrong = _post(upstream.base_url, {}, {"Authorization": "Bearer wrong"})
        right = _post(upstream.base_url, {}, {"Authorization": "Bearer right"})
    assert (401, 418) == (wrong[0], right[0])


def test_a_broken_body_is_refused() -> None:
    """A body that is no JSON object is answered 400, as a provider does."""
    with DemoProvider() as upstream:
        assert _post(upstream.base_url, ["not", "an", "object"])[0] == 400


def test_a_cut_stream_ends_early() -> None:
    """The client sees the events before the cut, and then an incomplete body."""
    with DemoProvider(default=Cut(events=2)) as upstream, pytest.raises(http.client.IncompleteRead) as cut:
        _post(upstream.base_url, {})
    assert ["response.created", "response.in_progress"] == [event["type"] for event in _story(cut.value.partial)]


@pytest.mark.parametrize("after_first_event", [False, True])
def test_a_stall_ends_with_the_upstream(after_first_event: bool) -> None:  # noqa: FBT001 (a case, not an option)
    """A stalled request hangs, and stopping the upstream frees its client without an answer."""
    with DemoProvider(default=Stall(after_first_event=after_first_event)) as upstream:
        outcome: list[Exception] = []

        def ask() -> None:
            try:
                _post(upstream.base_url, {})
            except (http.client.HTTPException, OSError) as error:
                outcome.append(error)

        client = threading.Thread(target=ask)
        client.start()
        upstream.wait_for_turns(1, timeout=5)
        assert outcome == []
    client.join(5)
    assert len(outcome) == 1


def test_nothing_is_left_open() -> None:
    """After the block nothing listens and no thread runs, even with an idle connection still open."""
    before = threading.active_count()
    with DemoProvider() as upstream:
        parts = urlsplit(upstream.base_url)
        idle = socket.create_connection((parts.hostname or "", parts.port or 0))
    with idle, pytest.raises(ConnectionRefusedError):
        _post(upstream.base_url, {})
    assert before == threading.active_count()


def test_a_provider_that_is_down_refuses() -> None:
    """The address of a provider that is down refuses connections."""
    with down_provider() as base, pytest.raises(ConnectionRefusedError):
        _post(base, {})


def test_the_real_codex_follows_the_stream(codex_cli: Path, codex_home: Path, tmp_path: Path) -> None:
    """`codex exec` prints the text of a turn: the events are the ones that Codex waits for."""
    with DemoProvider(key="sk-embedded", default=ScriptedTurn(text="A marker: 7391.")) as upstream:
        (codex_home / "config.toml").write_text(
            'model = "gpt-5.5"\nmodel_provider = "relay"\n'
            '[model_providers.relay]\nname = "Relay"\nenv_key = "RELAY_KEY"\nwire_api = "responses"\n'
            f'base_url = "{upstream.base_url}"\n'
        )
        done = subprocess.run(
            [str(codex_cli), "exec", "--skip-git-repo-check", "Say it"],
            cwd=tmp_path,
            env={**os.environ, "RELAY_KEY": "sk-embedded"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        turns = upstream.turns
    assert (0, "A marker: 7391.\n") == (done.returncode, done.stdout), done.stderr
    assert ["gpt-5.5"] == [turn.json()["model"] for turn in turns]
