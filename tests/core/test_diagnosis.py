"""The one thing to know: rows in order, and a sentence and an act for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cfp.advice import commands_in, quoted
from cfp.codex.auth_json import Login, LoginMode
from cfp.core.diagnosis import diagnose
from cfp.core.facts import PortFact, PortState, TextFact
from cfp.core.keys.flaws import FlawedKey, KeyFlaw
from cfp.core.manifest import ManifestState
from cfp.core.ownership import Ownership, User
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.settings import Policy
from cfp.messages.diagnoses import DIAGNOSES
from tests.facts import LOGIN_CONFIG, facts, former_hook, installed, worker_of

ENABLED = installed(facts(), plan_install(facts(), RouteRequest()))
SETTINGS = ENABLED.settings
CATALOG = facts(
    ENABLED.config.data.replace(
        b'env_key = "RELAY_KEY"', b'requires_openai_auth = true\nmodel_catalog_url = "https://relay.example/c"'
    )
).config
_LOGIN_HOME = facts(LOGIN_CONFIG)
LOGIN_ENABLED = installed(_LOGIN_HOME, plan_install(_LOGIN_HOME, RouteRequest()))
FLAWED = FlawedKey(provider="relay", place="the variable RELAY_KEY", flaw=KeyFlaw.LINE_BREAK, is_sent=True)
REFUSED = {"code": "provider_key_refused", "at": "2026-01-02T03:04:05+00:00", "status": 401, "in_row": 42}
BY_VARIABLE = replace(SETTINGS, upstream_api_key_env="RELAY_KEY")


def after_requests(trouble: dict[str, Any] | None, last: str | None = None, **other: Any) -> PortFact:
    """The worker of the home after these requests."""
    return worker_of(SETTINGS, last_requests={"last_success": last, "trouble": trouble}, **other)


ORDER = [
    (
        "home_of_another_user",
        {"ownership": Ownership(path="/h", user=User(uid=0, name="root"), owner=User(uid=1, name="alice"))},
    ),
    ("record_unreadable", {"unreadable": (("/f", "denied"),)}),
    ("interrupted", {"interrupted": ("tx",)}),
    ("config_unparseable", {"config": TextFact(data=b"a = [", doc=None, error="no end")}),
    ("inside_sandbox", {"is_walled": True}),
    ("unrecorded", {"settings": None}),
    ("unrecorded", {"settings": None, "manifest": None}),
    ("not_enabled", {"settings": None, "manifest": None, "config": facts().config}),
    ("config_not_proxy", {"config": facts().config}),
    (
        "port_of_another_user",
        {"worker": PortFact(host="127.0.0.1", port=8787, state=PortState.FOREIGN, other_user=True)},
    ),
    ("port_shared", {"sharing_home": "/home/user/other"}),
    ("catalog_receives_login", {"config": CATALOG, "settings": replace(SETTINGS, upstream_api_key_file=True)}),
    ("proxy_stopped", {"worker": PortFact(host="127.0.0.1", port=8787, state=PortState.FREE)}),
    ("chatgpt_auth_preserved", {"config": LOGIN_ENABLED.config, "codex_login": Login.CHATGPT}),
    ("codex_refuses", {"environment": frozenset()}),
    ("upstream_auth_missing", {"settings": replace(SETTINGS, upstream_api_key_file=True)}),
    ("upstream_key_unsendable", {"flawed_keys": (FLAWED,)}),
    ("settings_pending_restart", {"settings": replace(SETTINGS, service_tier_policy=Policy.PRESERVE)}),
    ("proxy_unhealthy", {"worker": PortFact(host="127.0.0.1", port=8787, state=PortState.FOREIGN)}),
    ("provider_key_refused", {"worker": after_requests(REFUSED)}),
    (
        "upstream_auth_not_persistent",
        {"settings": BY_VARIABLE, "worker": worker_of(BY_VARIABLE)},
    ),
    ("runtime_stale", {"worker": worker_of(SETTINGS, "f" * 16)}),
    ("startup_hook_not_ready", {"hook_entries": ()}),
    ("startup_hook_not_isolated", {"hook_entries": (former_hook(ENABLED),)}),
    ("tier_refused", {"worker": worker_of(SETTINGS, service_tier_refused_by=["gpt-5.5"])}),
    ("fast_policy_unknown", {"login": LoginMode.UNKNOWN}),
    ("ready", {}),
]


@pytest.mark.parametrize(("code", "other"), ORDER)
def test_each_diagnosis_has_its_home(code: str, other: dict[str, Any]) -> None:
    """One fact that is wrong, one diagnosis."""
    assert code == diagnose(replace(ENABLED, **other)).code


@pytest.mark.parametrize("login", [Login.UNREADABLE, Login.NONE])
def test_a_login_that_is_not_there(login: Login) -> None:
    """A home whose key is Codex's login is not ready without one; a key of the proxy's own takes its place."""
    home = replace(LOGIN_ENABLED, codex_login=login)
    assert "codex_sends_no_key" == diagnose(home).code
    kept = replace(home.settings, upstream_api_key_env="RELAY_KEY")
    split = replace(home, settings=kept, dotenv=frozenset({"RELAY_KEY"}), environment=frozenset({"RELAY_KEY"}))
    assert "settings_pending_restart" == diagnose(split).code


def test_the_first_that_holds_is_said() -> None:
    """Of two findings that hold together, the earlier row is the diagnosis."""
    for index, (code, other) in enumerate(ORDER[:-1]):
        for _, later in ORDER[index + 1 :]:
            if not set(other) & set(later) and "settings" not in {*other, *later}:
                assert code == diagnose(replace(ENABLED, **later, **other)).code


@pytest.mark.parametrize("code", [code for code, _ in ORDER])
def test_each_diagnosis_has_a_sentence(code: str) -> None:
    """And, unless all is well, something to do."""
    message = DIAGNOSES[code]
    assert message.sentence
    assert bool(message.action) == (code != "ready")


@pytest.mark.parametrize(
    "other", [{"is_sent": False}, {"provider": "other"}, {"flaw": KeyFlaw.QUOTES}, {"flaw": KeyFlaw.KEY_AS_NAME}]
)
def test_a_key_that_no_request_carries_is_no_risk(other: dict[str, Any]) -> None:
    """Nor is one of another provider, or one that can be sent."""
    assert "ready" == diagnose(replace(ENABLED, flawed_keys=(replace(FLAWED, **other),))).code


def test_the_home_that_moves_is_named() -> None:
    """The default home keeps its port: of two that share one, the other is installed again."""
    other = "/home/user/my home"
    advised = [
        commands_in(diagnose(replace(ENABLED, sharing_home=other, is_default_home=default)).next_user_action)
        for default in (False, True)
    ]
    moves = f"codex-fast-proxy install --start --codex-home {quoted(other)}"
    assert [["codex-fast-proxy install --start"], [moves, "codex-fast-proxy start"]] == advised


def test_a_restored_home_is_not_enabled() -> None:
    """After the files were given back, the record alone means nothing."""
    given_back = replace(ENABLED.manifest, state=ManifestState.RESTORED)
    diagnosis = diagnose(replace(ENABLED, manifest=given_back, config=facts().config))
    assert "not_enabled" == diagnosis.code


def test_an_uninstall_in_two_steps_is_to_be_finished() -> None:
    """Between them nobody is told to install again; where nothing is left, that is what there is to do."""
    given_back = replace(ENABLED.manifest, state=ManifestState.RESTORED)
    diagnosis = diagnose(replace(ENABLED, manifest=given_back, config=facts().config))
    assert ["codex-fast-proxy uninstall"] == commands_in(diagnosis.next_user_action)
    assert ["codex-fast-proxy install --start"] == commands_in(diagnose(facts()).next_user_action)


def test_a_variable_that_is_not_set_is_named() -> None:
    """With the file that it can be set in."""
    diagnosis = diagnose(replace(ENABLED, environment=frozenset()))
    assert "codex_refuses" == diagnosis.code
    assert "the variable RELAY_KEY, which the provider's env_key names, is not set" in diagnosis.message.sentence
    assert f"Set it in {ENABLED.layout.dotenv}" in diagnosis.next_user_action


def test_a_key_in_the_place_of_a_name_is_not_shown() -> None:
    """Somebody wrote the key itself where the name of its variable belongs."""
    key = b"sk-canary-0123456789abcdef"
    home = facts(ENABLED.config.data.replace(b'"RELAY_KEY"', b'"' + key + b'"'))
    diagnosis = diagnose(replace(ENABLED, environment=frozenset(), config=home.config))
    assert key.decode() not in str(diagnosis.to_json()) + diagnosis.next_user_action
