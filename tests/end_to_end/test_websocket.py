"""The real Codex over WebSocket, with the proxy between; and over HTTP at once where the provider has none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cfp.demo.provider import Connection, Received
from cfp.demo.scripted_turns import ScriptedTurn
from cfp.layout import Layout
from tests.end_to_end.app import opened
from tests.end_to_end.harness import KEY, Machine, Ran, api_key_login, built_in_config, chatgpt_login
from tests.end_to_end.listeners import Listener
from tests.end_to_end.websocket import Switchboard
from tests.real_codex import FLEX, Version, at

SUPPORTS = "supports_websockets = true\n"


@dataclass(slots=True)
class Speaking:
    """A machine whose provider speaks WebSocket."""

    machine: Machine
    switchboard: Switchboard


@pytest.fixture
def speaking(codex: Machine) -> Iterator[Speaking]:
    """A machine with the real Codex, and a provider that accepts WebSockets."""
    switchboard = Switchboard()
    with Listener(key=KEY, switch=switchboard) as upstream:
        codex.upstream = upstream
        codex.write("auth.json", api_key_login())
        yield Speaking(codex, switchboard)


def _log(machine: Machine) -> list[dict[str, Any]]:
    """The worker's lines about the model, once it has written them."""
    assert machine.cfp("stop", "--force").code == 0
    lines = [json.loads(line) for line in Layout(machine.home).request_log.read_text().splitlines()]
    return [line for line in lines if line["path"].endswith("/responses") and line["transport"] == "websocket"]


def spoken(ran: Ran) -> None:
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript
    assert "Reconnecting" not in ran.stderr, ran.transcript
    assert "Falling back" not in ran.stderr, ran.transcript


@pytest.mark.parametrize("provider", ["custom", "built-in"])
def test_a_turn_over_websocket_gets_the_tier(speaking: Speaking, provider: str) -> None:
    """Every message has the tier, the provider gets the key and the routing hint, and no POST is sent."""
    machine, switchboard = speaking.machine, speaking.switchboard
    if provider == "custom":
        machine.relay(table=SUPPORTS)
    else:
        machine.write("config.toml", built_in_config(machine.upstream.base_url))
    machine.install()
    posted = len(machine.upstream.turns)
    spoken(machine.codex_exec())
    assert posted == len(machine.upstream.turns)
    assert 1 == len(switchboard.turns)
    assert {"priority"} == {message.get("service_tier") for message in switchboard.messages}
    (handshake,) = switchboard.handshakes
    assert f"Bearer {KEY}" == handshake.header("authorization")
    assert handshake.header("sec-websocket-extensions") is None
    opened_one, *turns = _log(machine)
    assert (101, False) == (opened_one["status"], opened_one["eligible"])
    (turn,) = [turn for turn in turns if turn["eligible"]]
    fields = ("status", "service_tier_after", "service_tier_injected", "response_service_tier", "error_type")
    assert [200, "priority", True, "priority", None] == [turn[name] for name in fields]
    assert 0 < turn["first_byte_ms"] <= turn["first_output_ms"] <= turn["duration_ms"]
    assert (handshake.header("thread-id") or handshake.header("thread_id")) == turn["session"]  # 0.130: thread_id


def test_the_users_own_tier_stays(speaking: Speaking, codex_version: Version) -> None:
    """A tier that Codex sends is the tier that the provider gets; 0.150 sends none, and none is added."""
    speaking.machine.relay(table=SUPPORTS, top='service_tier = "flex"')
    speaking.machine.install()
    spoken(speaking.machine.codex_exec())
    assert {at(codex_version, FLEX)} == {message.get("service_tier") for message in speaking.switchboard.messages}


def test_no_identity_goes_along(speaking: Speaking) -> None:
    """Signed in with ChatGPT and the provider's key saved: the handshake has that key and nothing of ChatGPT's."""
    machine, switchboard = speaking.machine, speaking.switchboard
    machine.relay(table=SUPPORTS)
    machine.write(
        "config.toml", machine.config.read_text().replace('env_key = "RELAY_KEY"\n', "requires_openai_auth = true\n")
    )
    machine.install()
    assert machine.cfp("prepare-chatgpt-login", "--apply").code == 0
    assert machine.cfp("set-upstream", "--use-provider-auth-file", "--restart").code == 0
    login = chatgpt_login()
    machine.write("auth.json", login)
    spoken(machine.codex_exec())
    (handshake,) = switchboard.handshakes
    assert f"Bearer {KEY}" == handshake.header("authorization")
    token = json.loads(login)["tokens"]["access_token"]
    assert [] == [name for name, text in handshake.headers if token in text or "account-1" in text]
    assert {None} == {handshake.header(name) for name in ("chatgpt-account-id", "cookie", "openai-organization")}


def test_a_session_outlives_the_worker(speaking: Speaking) -> None:
    """Turns of a conversation share a socket; a new worker takes over between two of them and nobody notices."""
    machine, switchboard = speaking.machine, speaking.switchboard
    machine.relay(table=SUPPORTS)
    machine.install()
    with opened(machine) as app:
        thread = app.thread()
        assert [ScriptedTurn().text] * 2 == [app.turn(thread) for _ in range(2)]
        assert (1, {"priority"}) == (
            len(switchboard.handshakes),
            {message["service_tier"] for message in switchboard.turns},
        )
        moved = machine.cfp("set-upstream", "--service-tier-policy", "preserve", "--restart")
        assert moved.code == 0, moved.transcript
        machine.wait_for_one_worker()
        assert [1001] == switchboard.closes
        assert ScriptedTurn().text == app.turn(thread)
        assert (2, None) == (len(switchboard.handshakes), switchboard.turns[-1].get("service_tier"))


def test_a_cut_socket_is_made_anew(speaking: Speaking) -> None:
    """The provider drops the socket in the middle of a turn: Codex hears of it at once and asks again."""
    machine, switchboard = speaking.machine, speaking.switchboard
    machine.relay(table=SUPPORTS)
    machine.install()
    switchboard.cut = 1
    ran = machine.codex_exec()
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript
    assert (2, 2) == (len(switchboard.handshakes), len(switchboard.turns))


def _not_found(connection: Connection, request: Received) -> None:
    connection.send_response(404)
    connection.send_header("content-length", "0")
    connection.end_headers()


@pytest.mark.parametrize("provider", ["custom", "built-in"])
def test_without_websocket_the_first_turn_falls_back_at_once(codex: Machine, provider: str) -> None:
    """A 404 costs Codex 7 s and warnings; through the proxy the POST follows at once, in silence."""
    with Listener(key=KEY, switch=_not_found) as upstream:
        codex.upstream = upstream
        codex.write("auth.json", api_key_login())
        if provider == "custom":
            codex.relay(table=SUPPORTS)
        else:
            codex.write("config.toml", built_in_config(upstream.base_url))
        codex.install()
        before = len(upstream.received)
        for _ in range(2):
            spoken(codex.codex_exec())
        seen = upstream.received[before:]
        upgrades = [request for request in seen if request.header("upgrade")]
        turns = [request for request in seen if request.method == "POST"]
        assert (1, ["priority"] * 2) == (len(upgrades), [turn.json()["service_tier"] for turn in turns])
        assert turns[0].at - upgrades[0].at < 4  # 7 where Codex meets the 404, whatever the machine
