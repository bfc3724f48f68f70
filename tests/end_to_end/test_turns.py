"""The requests that the provider gets from the real Codex, with the proxy and without."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cfp.demo.provider import Received
from cfp.layout import Layout
from cfp.proxy.telemetry.ledger.ledger_file import update
from tests.end_to_end.harness import KEY, Machine, api_key_login, built_in_config
from tests.real_codex import Version

# What differs between any two turns: ids, and the clock.
_PER_RUN = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r'(create_time|turn_started_at_unix_ms)(\\?": ?)[\d.]+'), r"\1\g<2>0"),
    (re.compile(r"<current_date>[^<]*<"), "<current_date><"),
)
_PER_CONNECTION = frozenset({"host", "content-length"})


def _same_every_run(text: str) -> str:
    for pattern, replacement in _PER_RUN:
        text = pattern.sub(replacement, text)
    return text


def _headers(turn: Received) -> list[tuple[str, str]]:
    return [(name, _same_every_run(text)) for name, text in turn.headers if name.lower() not in _PER_CONNECTION]


def _body(turn: Received) -> dict[str, Any]:
    """The body as JSON: Codex writes `client_metadata` in another order each time."""
    body = json.loads(_same_every_run(turn.body.decode()))
    assert isinstance(body, dict)
    return body


def test_only_the_tier_is_added(codex: Machine) -> None:
    """With an API-key login the proxy adds priority, and else the body is that of a direct turn."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    direct = _body(codex.turn())
    codex.install()
    assert {**direct, "service_tier": "priority"} == _body(codex.turn())


def test_no_header_is_lost(codex: Machine) -> None:
    """The provider sees the headers of Codex, in its order, and after them only the Via that a gateway must add."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    direct = _headers(codex.turn())
    codex.install()
    *proxied, (last, pseudonym) = _headers(codex.turn())
    assert direct == proxied
    assert ("Via", 0) == (last, pseudonym.count("codex"))


@pytest.mark.parametrize(
    ("keyring", "tier"),
    [
        ("", "priority"),
        pytest.param(
            'cli_auth_credentials_store = "keyring"',
            None,
            marks=pytest.mark.codex_since("0.150", "0.130 does not start where there is no keyring"),
        ),
    ],
    ids=["nobody", "keyring"],
)
def test_without_a_login_the_providers_own_key_decides(codex: Machine, keyring: str, tier: str | None) -> None:
    """A key of the provider's own is API-key mode; a login that cannot be seen leaves the choice to Codex."""
    codex.relay(top=keyring)
    codex.install()
    assert tier == codex.turn().json().get("service_tier")


def test_the_users_word_for_all_turns(codex: Machine) -> None:
    """`inject_missing` injects whatever the login is."""
    codex.relay()
    codex.install("--service-tier-policy", "inject_missing")
    assert "priority" == codex.turn().json()["service_tier"]


def test_the_built_in_provider(codex: Machine) -> None:
    """`openai_base_url` and an API-key login: the key of auth.json arrives, with priority, over plain HTTP."""
    codex.write("config.toml", built_in_config(codex.upstream.base_url))
    codex.write("auth.json", api_key_login())
    codex.install()
    turn = codex.turn()
    assert ("priority", f"Bearer {KEY}") == (turn.json()["service_tier"], turn.header("authorization"))


def test_a_session_goes_on_under_the_proxy(codex: Machine) -> None:
    """A conversation that began without the proxy is resumed with it, and resumed again without."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    first = codex.turn()
    codex.install()
    second = codex.turn("resume", "--last")
    assert codex.cfp("uninstall").code == 0
    third = codex.turn("resume", "--last")
    threads = {turn.header("thread-id") for turn in (first, second, third)}
    assert 1 == len(threads)
    assert [None, "priority", None] == [_tier(turn) for turn in (first, second, third)]


def test_the_log_names_the_thread_of_each_codex(machine: Machine, each_codex: tuple[Version, Path]) -> None:
    """Each line has the id of its session, by which `codex resume` finds it, and the model that the answer names."""
    _, machine.codex = each_codex
    machine.relay()
    machine.write("auth.json", api_key_login())
    machine.install()
    first = machine.turn()
    machine.turn("resume", "--last")
    (session,) = machine.home.glob("sessions/*/*/*/rollout-*.jsonl")
    assert machine.cfp("stop", "--force").code == 0
    lines = [json.loads(line) for line in Layout(machine.home).request_log.read_text().splitlines()]
    turns = [(line["session"], line["response_model"]) for line in lines if line["eligible"]]
    assert [(session.stem[-36:], first.json()["model"])] * 2 == turns


def test_the_sums_name_what_each_codex_used(machine: Machine, each_codex: tuple[Version, Path]) -> None:
    """`usage` has the tokens that the provider reported, by session and kind; an uninstall removes the sums."""
    _, machine.codex = each_codex
    machine.relay()
    machine.write("auth.json", api_key_login())
    machine.install()
    machine.turn()
    machine.turn("resume", "--last")
    assert machine.cfp("stop", "--force").code == 0
    (session,) = machine.home.glob("sessions/*/*/*/rollout-*.jsonl")
    layout = Layout(machine.home)
    logged = [json.loads(line) for line in layout.request_log.read_text().splitlines()]
    usages = [line["usage"] for line in logged if line["eligible"]]
    update(layout.ledger, layout.request_log)
    for by, name in (("session", session.stem[-36:]), ("kind", "turn")):
        (row,) = machine.cfp("usage", "--by", by).json["rows"]
        assert (name, 2, 2, 2) == (row[by], row["requests"], row["fast_sent"], row["fast_served"])
        assert all(
            row[tokens] == sum(usage[tokens] for usage in usages) > 0 for tokens in ("input_tokens", "output_tokens")
        )
    assert machine.cfp("uninstall").code == 0
    assert not layout.state.exists()


def _tier(turn: Received) -> Any:
    return turn.json().get("service_tier")
