"""The requests that reach the provider while Codex is signed in with ChatGPT and the proxy has a key of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cfp.core.header_names import HOP_BY_HOP, LOGIN, passing_fields
from cfp.demo.provider import Received
from cfp.demo.scripted_turns import ScriptedTurn
from tests.end_to_end.app import opened
from tests.end_to_end.harness import KEY, Machine, chatgpt_login
from tests.end_to_end.listeners import Listener
from tests.end_to_end.websocket import Switchboard
from tests.real_codex import Version, at

ATTESTATION = "attested-1"
SPLIT = "requires_openai_auth = true\n"
# The login's account id is written over the one that the user sets.
OWN_FIELDS = """[model_providers.relay.http_headers]
X-Team = "blue"
x-openai-actor-authorization = "actor-1"
ChatGPT-Account-Id = "mine"
[model_providers.relay.env_http_headers]
X-From-Env = "TEAM"
"""
OWN_NAMES = ("X-Team", "x-openai-actor-authorization", "X-From-Env")


@dataclass(slots=True)
class Seen:
    """The requests of one conversation as they reached the provider, and the messages of its sockets."""

    requests: tuple[Received, ...]
    messages: list[dict[str, Any]]

    @property
    def names(self) -> set[str]:
        return {name.lower() for request in self.requests for name, _ in request.headers}

    def holds(self, text: str) -> bool:
        """Whether a request has this text in a field, in its path or in its body."""
        bodies = [json.dumps(request.json()) for request in self.requests if request.body]
        fields = [value for request in self.requests for _, value in request.headers]
        paths = [request.path for request in self.requests]
        return any(text in part for part in (*bodies, *fields, *paths, *map(json.dumps, self.messages)))


@pytest.fixture(params=["http", "websocket"])
def split(codex: Machine, request: pytest.FixtureRequest) -> Iterator[tuple[Machine, Switchboard]]:
    """A machine whose Codex has a managed ChatGPT login and an App that attests, and an open provider."""
    switchboard = Switchboard()
    codex.environ["TEAM"] = "green"
    supports = "supports_websockets = true\n" if request.param == "websocket" else ""
    with Listener(keys={KEY}, switch=switchboard if supports else None) as upstream:
        codex.upstream = upstream
        codex.relay(table=supports + OWN_FIELDS)
        yield codex, switchboard


def _conversation(machine: Machine, switchboard: Switchboard) -> tuple[Seen, str]:
    """Sign in, take a turn and return it, and the token of the login."""
    login = chatgpt_login(chatgpt_account_is_fedramp=True)
    machine.write("auth.json", login)
    before = len(machine.upstream.received)
    with opened(machine, ATTESTATION) as app:
        assert ScriptedTurn().text == app.turn(app.thread())
    token: str = json.loads(login)["tokens"]["access_token"]
    return Seen(machine.upstream.received[before:], switchboard.messages), token


def _with_login_sent(machine: Machine) -> str:
    return machine.config.read_text().replace('env_key = "RELAY_KEY"\n', SPLIT)


def test_without_the_proxy_the_provider_sees_who_it_is(
    split: tuple[Machine, Switchboard], codex_version: Version
) -> None:
    """This Codex really sends what the next test excludes; 0.130 knows no attestation."""
    machine, switchboard = split
    machine.upstream.login = True
    machine.write("config.toml", _with_login_sent(machine))
    seen, token = _conversation(machine, switchboard)
    attested = at(codex_version, {"0.130": set[str](), "0.150": {"x-oai-attestation"}})
    assert {"authorization", "chatgpt-account-id", "x-openai-fedramp"} | attested <= seen.names
    assert (True, True, bool(attested)) == (seen.holds(token), seen.holds("account-1"), seen.holds(ATTESTATION))


def test_with_the_proxy_it_sees_the_key_and_nobody(split: tuple[Machine, Switchboard]) -> None:
    """No token, account or attestation, in fields, bodies or messages; the user's own fields are there."""
    machine, switchboard = split
    machine.write("config.toml", _with_login_sent(machine))
    machine.install("--upstream-api-key-env", "RELAY_KEY")
    seen, token = _conversation(machine, switchboard)
    secrets = (token, *token.split("."), "account-1", "user-1", "u@example.invalid", ATTESTATION)
    assert [] == [secret for secret in secrets if seen.holds(secret)]
    assert {f"Bearer {KEY}"} == {request.header("authorization") for request in seen.requests}
    for name, value in zip(OWN_NAMES, ("blue", "actor-1", "green"), strict=True):
        assert {value} == {request.header(name) for request in seen.requests}
    known = passing_fields(OWN_NAMES) | HOP_BY_HOP | {"host", "content-length", "via", "authorization"}
    assert set() == seen.names - known
    assert {"authorization"} == seen.names & LOGIN


def test_an_app_without_a_login_sends_no_field_that_would_be_missed(split: tuple[Machine, Switchboard]) -> None:
    """Each field that this Codex sends to a provider with a key of its own would pass in the split, too."""
    machine, switchboard = split
    machine.upstream.login = True  # an account id of the user's own, in http_headers
    before = len(machine.upstream.received)
    with opened(machine) as app:
        assert ScriptedTurn().text == app.turn(app.thread())
    seen = Seen(machine.upstream.received[before:], switchboard.messages)
    own = passing_fields((*OWN_NAMES, "chatgpt-account-id"))
    rest = HOP_BY_HOP | {"host", "content-length", "authorization", "chatgpt-account-id", "sec-websocket-extensions"}
    assert set() == seen.names - own - rest
