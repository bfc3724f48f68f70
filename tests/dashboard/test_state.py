"""The page's state: the verdict with its command, the route, and no secret."""

from __future__ import annotations

from typing import Any

import pytest

from cfp.core.settings import Settings
from cfp.messages.diagnoses import DIAGNOSES, DiagnosisCode
from cfp.proxy.dashboard.snapshot import Snapshot
from cfp.proxy.dashboard.state import state, verdict
from tests.dashboard.stage import line
from tests.dashboard.test_traffic import AT

SETTINGS = Settings(provider="relay", upstream_base="https://relay.example/v1", upstream_api_key_env="RELAY_KEY")
READY = Snapshot(code="ready", level="ok")
LIMITED = line(AT, 1, status=429)
REFUSED = line(AT, 1, status=401)


@pytest.mark.parametrize(
    ("code", "level", "last", "expected"),
    [
        ("ready", "ok", None, "ready"),
        ("ready", "ok", line(AT, 1), "ready"),
        ("ready", "ok", LIMITED, "provider_limits"),
        ("runtime_stale", "attention", LIMITED, "runtime_stale"),
        ("runtime_stale", "attention", REFUSED, "provider_key_refused"),
        ("interrupted", "risk", REFUSED, "interrupted"),
    ],
)
def test_the_graver_finding_comes_first(code: str, level: str, last: dict[str, Any] | None, expected: str) -> None:
    """The graver of diagnosis and last request counts; the diagnosis where both are equal."""
    finding = verdict(Snapshot(code=code, level=level), [] if last is None else [last], "")
    assert expected == finding["code"]


def test_a_verdict_names_what_was_answered() -> None:
    """The sentence has the status, and the commands of the action are listed to be copied."""
    finding = verdict(READY, [REFUSED], "")
    assert "401" in finding["sentence"]
    assert ["codex-fast-proxy verify-upstream"] == finding["commands"]
    assert "risk" == finding["level"]


def test_before_the_first_snapshot_nothing_is_claimed() -> None:
    """Before the first snapshot the verdict is empty."""
    assert None is verdict(Snapshot(), [], "")["level"]


@pytest.mark.parametrize("code", DIAGNOSES)
def test_commands_mean_this_home(code: DiagnosisCode) -> None:
    """Our own commands in a verdict get the home's flag behind their verb, but for those that name another home.

    Other programs' commands stay unchanged.
    """
    details = {"quoted_home": "/other"}
    finding = verdict(Snapshot(code=code, level="risk", details=details), [], " --codex-home '/a b'")
    for command in finding["commands"]:
        assert f"`{command}`" in finding["action"]
        home = "/other" if "--codex-home /other" in command else "'/a b'"
        assert (f" --codex-home {home}" in command) == command.startswith("codex-fast-proxy")
        assert command.count("--codex-home") == command.startswith("codex-fast-proxy")


def test_the_state_tells_the_route_and_no_secret() -> None:
    """The state has the names and places of keys, as health has them."""
    health = {"pid": 7, "login_mode": "chatgpt", "upstream_api_key_available": True, "nonce": "n0nce"}
    health |= {"upstream_websocket": "served"}
    page_state = state(SETTINGS, health, READY, tier_statistics=[{"model": "m"}], lines=[])
    assert "RELAY_KEY" == page_state["route"]["key_env"]
    assert "served" == page_state["route"]["websocket"]
    assert "app_controlled" == page_state["fast"]["behavior"]
    assert [{"model": "m"}] == page_state["fast"]["evidence"]
    assert "n0nce" not in str(page_state)
