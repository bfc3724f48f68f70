"""The page's state: the verdict with its command, the route, and no secret."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cfp.advice import at_home, commands_in
from cfp.commands.status import status_result
from cfp.core.diagnosis import diagnose
from cfp.core.health import parse_health
from cfp.core.settings import Settings
from cfp.core.traffic.trouble import traffic_of
from cfp.messages.diagnoses import DIAGNOSES, DiagnosisCode
from cfp.proxy.dashboard.snapshot import Snapshot
from cfp.proxy.dashboard.state import in_effect, state, verdict
from tests.core.test_diagnosis import ENABLED
from tests.core.test_traffic import AT
from tests.dashboard.stage import line

SETTINGS = Settings(provider="relay", upstream_base="https://relay.example/v1", upstream_api_key_env="RELAY_KEY")
LIMITED = line(AT, 1, status=429)
REFUSED = line(AT, 1, status=401)


def health_after(*requests: dict[str, Any], **other: Any) -> dict[str, Any]:
    """Return the health report of the home's worker after these requests."""
    seen = traffic_of(reversed(requests), "1f0c2d3e4a5b")
    return {**ENABLED.worker.health.raw, "last_requests": seen.to_json(), **other}


@pytest.mark.parametrize(
    ("change", "health", "expected"),
    [
        ({}, health_after(), ("ready", "ok")),
        ({}, health_after(line(AT, 1)), ("ready", "ok")),
        ({}, health_after(LIMITED), ("provider_limits", "attention")),
        ({}, health_after(runtime_id="f" * 16), ("runtime_stale", "attention")),
        ({}, health_after(REFUSED, runtime_id="f" * 16), ("provider_key_refused", "risk")),
        ({"interrupted": ("tx",)}, health_after(REFUSED), ("interrupted", "risk")),
    ],
)
def test_the_page_has_the_diagnosis_of_status(
    change: dict[str, Any], health: dict[str, Any], expected: tuple[str, str]
) -> None:
    """Files of the snapshot and the worker's newest requests give one diagnosis, the one of `status`."""
    home = replace(ENABLED, now=AT, **change)
    shown = verdict(home, health, "", AT)
    assert expected == (shown["code"], shown["level"])
    of_status = diagnose(replace(home, worker=replace(home.worker, health=parse_health(health))))
    assert (of_status.code, of_status.message.sentence) == (shown["code"], shown["sentence"])


def test_a_verdict_names_what_was_answered() -> None:
    """The sentence has the status, and the commands of the action are listed to be copied."""
    finding = verdict(ENABLED, health_after(line(AT, 0), REFUSED), "", AT)
    assert "401" in finding["sentence"]
    assert ["codex-fast-proxy verify-upstream"] == finding["commands"]
    assert ("risk", AT.isoformat(timespec="milliseconds")) == (finding["level"], finding["last_success"])


def test_a_name_is_shown_before_a_restart() -> None:
    """The present route has the name that settings.json gives it; another route keeps the one of the worker."""
    running = replace(SETTINGS, upstream="old")
    for base, expected in ((SETTINGS.upstream_base, "new"), ("https://other.example/v1", "old")):
        facts = replace(ENABLED, settings=replace(SETTINGS, upstream="new", upstream_base=base))
        assert expected == state(running, health_after(), Snapshot(facts=facts))["route"]["upstream"]


def test_before_the_first_snapshot_nothing_is_claimed() -> None:
    """Before the first snapshot the verdict is empty, and nothing is said of Fast."""
    assert None is verdict(None, {}, "", AT)["level"]
    assert None is in_effect(None, {})


def test_the_page_has_the_line_of_status_about_fast() -> None:
    """One sentence for both; none where Codex does not use the proxy, as in `status`."""
    health = health_after()
    of_status = status_result(replace(ENABLED, worker=replace(ENABLED.worker, health=parse_health(health))))
    assert of_status.fields["fast"] == in_effect(ENABLED, health)
    assert None is in_effect(replace(ENABLED, settings=None), health)


def test_rules_and_budget_are_shown() -> None:
    """Each rule in its order, and each limit with what is used of it; None where the worker has not said."""
    settings = replace(
        SETTINGS, service_tier_rules=("remove kind=subagent", "add"), fast_tokens_a_day=7, upstream="a"
    )
    page_state = state(settings, {"fast_budget": {"requests": 2, "tokens": 5}}, Snapshot())
    assert ["remove kind=subagent", "add"] == page_state["fast"]["rules"]
    assert [{"name": "tokens", "limit": 7, "used": 5}] == page_state["fast"]["budget"]
    assert "a" == page_state["route"]["upstream"]
    assert [{"name": "tokens", "limit": 7, "used": None}] == state(settings, {}, Snapshot())["fast"]["budget"]
    assert [] == state(SETTINGS, {}, Snapshot())["fast"]["budget"]


def test_commands_mean_this_home() -> None:
    """Our own commands in a verdict get the home's flag behind their verb."""
    finding = verdict(ENABLED, health_after(REFUSED), " --codex-home '/a b'", AT)
    assert ["codex-fast-proxy verify-upstream --codex-home '/a b'"] == finding["commands"]
    assert finding["commands"][0] in finding["action"]


@pytest.mark.parametrize("code", DIAGNOSES)
def test_commands_of_every_diagnosis_mean_the_home(code: DiagnosisCode) -> None:
    """Our own commands get the home's flag behind their verb, but for those that name another home.

    Other programs' commands stay unchanged.
    """
    action = at_home(DIAGNOSES[code].filled({"quoted_home": "/other"}).action, " --codex-home '/a b'")
    for command in commands_in(action):
        home = "/other" if "--codex-home /other" in command else "'/a b'"
        assert (f" --codex-home {home}" in command) == command.startswith("codex-fast-proxy")
        assert command.count("--codex-home") == command.startswith("codex-fast-proxy")


def test_the_state_tells_the_route_and_no_secret() -> None:
    """The state has the names and places of keys, as health has them."""
    health = {"pid": 7, "login_mode": "chatgpt", "upstream_api_key_available": True, "nonce": "n0nce"}
    health |= {"upstream_websocket": "served", "fast_behavior": "app_controlled"}
    page_state = state(SETTINGS, health, Snapshot(), tier_statistics=[{"model": "m"}])
    assert "RELAY_KEY" == page_state["route"]["key_env"]
    assert "served" == page_state["route"]["websocket"]
    assert "app_controlled" == page_state["fast"]["behavior"]
    assert [{"model": "m"}] == page_state["fast"]["evidence"]
    assert "n0nce" not in str(page_state)
