"""A session goes on only to a worker of its own home, or where config.toml does not send it to the proxy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cfp.codex import config_toml
from cfp.core.facts import PortFact, PortState, TextFact
from cfp.core.manifest import FormerAddress
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.session import plan_session, sends_here
from cfp.errors import Busy, CfpError, Failed, Refused
from tests.facts import CONFIG, facts, installed, text_fact, worker_of

ENABLED = installed(facts(), plan_install(facts(), RouteRequest()))
SETTINGS = ENABLED.settings
ERRORS: list[CfpError | None] = [
    None,
    Busy("busy", holder="install"),
    Refused("settings_missing"),
    Failed("worker_did_not_start", reason="exited", detail="no", log="/log"),
]


def port(state: PortState, **other: Any) -> PortFact:
    return PortFact(host="127.0.0.1", port=8787, state=state, owner="process 7", **other)


def config_at(url: str) -> TextFact:
    """A config.toml whose active provider is at that URL."""
    data = ENABLED.config.data
    assert data is not None
    return text_fact(data.replace(SETTINGS.base_url.encode(), url.encode()), config_toml.parse)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("state", list(PortState))
@pytest.mark.parametrize("here", [True, False])
def test_only_our_own_worker_gets_the_message(error: CfpError | None, state: PortState, *, here: bool) -> None:
    """Whatever the hook tried before, and whoever listens; elsewhere no session is stopped."""
    worker = worker_of(SETTINGS) if state is PortState.OURS else port(state)
    home = replace(ENABLED, worker=worker, config=ENABLED.config if here else facts().config)
    stop = plan_session(home, error)
    assert (here and state is not PortState.OURS) == (stop is not None)


@pytest.mark.parametrize(
    ("other", "error", "code"),
    [
        ({"worker": port(PortState.OTHER_HOME), "is_default_home": False}, None, "stop_other_home"),
        ({"worker": port(PortState.OTHER_HOME), "sharing_home": "/b"}, None, "stop_other_home_of_default"),
        ({"worker": port(PortState.FOREIGN, other_user=True)}, None, "stop_other_user"),
        ({"worker": port(PortState.FOREIGN)}, None, "stop_other_program"),
        ({"worker": port(PortState.FOREIGN, barred=True)}, None, "stop_not_running"),
        ({"worker": port(PortState.FOREIGN), "worker_by_process": worker_of(SETTINGS)}, None, "stop_hanging"),
        ({"worker": port(PortState.FREE)}, ERRORS[1], "stop_busy"),
        ({"worker": port(PortState.FREE)}, ERRORS[3], "stop_not_running"),
        ({"worker": port(PortState.FREE)}, None, "stop_not_running"),
        ({"worker": None, "candidate": port(PortState.FREE), "settings": None}, ERRORS[2], "stop_not_running"),
    ],
)
def test_each_reason_is_complete(other: dict[str, Any], error: CfpError | None, code: str) -> None:
    """The cause decides the sentence, and no placeholder is left in it."""
    stop = plan_session(replace(ENABLED, **other), error)
    assert stop is not None
    assert code == stop.code
    assert stop.may_pass == (code in {"stop_hanging", "stop_busy"})
    assert "(no " not in stop.message.sentence + stop.message.action


def test_another_provider_of_the_session_is_none_of_ours() -> None:
    """Codex uses another provider than ours: its session does not come here, and is not stopped."""
    away = ENABLED.config.data.replace(b'model_provider = "relay"', b'model_provider = "other"')
    home = replace(ENABLED, config=text_fact(away, config_toml.parse))
    assert not sends_here(home)


@pytest.mark.parametrize("occupied", [True, False])
@pytest.mark.parametrize("url", ["http://127.0.0.1:8799/v1", "http://LOCALHOST:8799/other/"])
def test_a_former_address_gets_no_message(url: str, *, occupied: bool) -> None:
    """An older config.toml is back; whoever listens at the former address, or nobody, is not the proxy."""
    entry = FormerAddress(url="http://127.0.0.1:8799/v1", provider="relay", before="https://relay.example/v1")
    state = PortState.FOREIGN if occupied else PortState.FREE
    former = PortFact(host="127.0.0.1", port=8799, state=state, owner="process 7")
    older = config_at(url)
    home = replace(ENABLED, worker=worker_of(SETTINGS), config=older, addresses=(entry,), neighbours=(former,))
    stop = plan_session(home, Refused("config_not_proxy"))
    assert stop is not None
    assert ("stop_former_address", False) == (stop.code, stop.may_pass)
    assert "(no " not in stop.message.sentence + stop.message.action
    assert None is plan_session(replace(home, addresses=()), Refused("config_not_proxy"))


def test_another_spelling_of_the_present_address_reaches_the_proxy() -> None:
    """The worker answers there, whatever the name of the host."""
    home = replace(ENABLED, worker=worker_of(SETTINGS), config=config_at("http://localhost:8787/v1"))
    assert None is plan_session(home, Refused("config_not_proxy"))


def test_an_unreadable_config_counts_as_it_stood() -> None:
    """Codex may have read it before its owner broke it."""
    for data, expected in ((ENABLED.config.data + b"[", True), (CONFIG + b"[", False)):
        assert expected == sends_here(replace(ENABLED, config=TextFact(data=data, doc=None, error="no")))
