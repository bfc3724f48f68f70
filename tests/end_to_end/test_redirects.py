"""A provider that redirects, and the real Codex: a redirect never leads around the proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from cfp.demo.provider import Connection, Received
from cfp.demo.scripted_turns import Reject, ScriptedTurn
from tests.end_to_end.harness import KEY, Machine, chatgpt_login
from tests.end_to_end.listeners import Listener

_SPLIT = ("--upstream-api-key-env", "RELAY_KEY")


@pytest.fixture
def other() -> Iterator[Listener]:
    """Another address, at which anything is served."""
    with Listener() as provider:
        yield provider


def _signed_in(machine: Machine, *, login: bool) -> None:
    """Codex sends its ChatGPT login to the provider, which takes any key; `login`: and may see the login."""
    machine.upstream.key = None
    machine.upstream.login = login
    machine.relay()
    text = machine.config.read_text().replace('env_key = "RELAY_KEY"', "requires_openai_auth = true")
    machine.write("config.toml", text)
    machine.write("auth.json", chatgpt_login())


def _redirect(status: int, location: str) -> Reject:
    return Reject(status=status, headers=(("location", location),))


def test_without_the_proxy_codex_follows(codex: Machine, other: Listener) -> None:
    """The account id and the whole body go to the other address: what the next test excludes does happen."""
    _signed_in(codex, login=True)
    other.login = True
    codex.upstream.default = _redirect(307, f"{other.base_url}/responses")
    ran = codex.codex_exec()
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.stderr
    (turn,) = other.turns
    assert ("account-1", True) == (turn.header("chatgpt-account-id"), "Say hello" in json.dumps(turn.json()))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("split", [(), _SPLIT], ids=["preserve", "split"])
def test_codex_shows_the_new_address_at_once(
    codex: Machine, other: Listener, status: int, split: tuple[str, ...]
) -> None:
    """One request, no retry, an error with the URL and the command; nothing reaches the other address."""
    _signed_in(codex, login=not split)
    codex.install("--no-verify", *split)
    codex.upstream.default = _redirect(status, f"{other.base_url}/responses?key=secret")
    before = len(codex.upstream.turns)
    ran = codex.codex_exec()
    assert (1, 1, ()) == (ran.code, len(codex.upstream.turns) - before, other.received)
    assert f"redirects to {other.base_url}/responses," in ran.stderr, ran.transcript
    assert f"codex-fast-proxy set-upstream --upstream-base {other.base_url}`" in ran.stderr
    assert ("secret" in ran.stderr, "Reconnecting" in ran.stderr) == (False, False)


def test_a_redirect_below_the_base_is_followed_inside(codex: Machine) -> None:
    """Some providers redirect to a path that ends in a slash: both requests come through the proxy, with the tier."""
    codex.relay()
    codex.install("--service-tier-policy", "inject_missing")
    before = len(codex.upstream.turns)
    codex.upstream.script(_redirect(307, f"{codex.upstream.base_url}/responses?again=1"))
    ran = codex.codex_exec()
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript
    first, second = codex.upstream.turns[before:]
    assert ("/v1/responses", "/v1/responses?again=1") == (first.path, second.path)
    assert {("priority", f"Bearer {KEY}")} == {
        (turn.json()["service_tier"], turn.header("authorization")) for turn in (first, second)
    }


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirected_handshake_falls_back_to_http(codex: Machine, other: Listener, status: int) -> None:
    """Codex follows none; directly it makes seven of them in eight seconds, through the proxy one."""

    def switch(connection: Connection, request: Received) -> None:
        connection.send_response(status)
        connection.send_header("location", f"{other.base_url}/responses")
        connection.send_header("content-length", "0")
        connection.end_headers()

    with Listener(key=KEY, switch=switch) as upstream:
        codex.upstream = upstream
        codex.relay(table="supports_websockets = true\n")
        codex.install()
        before = len(upstream.received)
        ran = codex.codex_exec()
        assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript
        methods = [request.method for request in upstream.received[before:]]
        assert (["GET", "POST"], ()) == (methods, other.received)
        assert "Reconnecting" not in ran.stderr


def test_install_names_the_new_address(machine: Machine, other: Listener) -> None:
    """The key is sent to the address in config.toml only, and nothing changes."""
    machine.relay()
    machine.upstream.default = _redirect(308, f"{other.base_url}/responses")
    before = machine.files()
    ran = machine.cfp("install", "--start", "--port", str(machine.port))
    assert (2, "upstream_redirect") == (ran.code, ran.json["code"]), ran.transcript
    assert f"redirects to {other.base_url}/responses (308)." in ran.json["error"]
    assert f"--upstream-base {other.base_url}" in ran.json["next_user_action"]
    assert ((), before) == (other.received, machine.files())
