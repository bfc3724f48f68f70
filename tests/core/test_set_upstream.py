"""Another route for an enabled home, and the key that the proxy keeps."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.codex import config_toml
from cfp.core.keys.bearer import is_key
from cfp.core.keys.provider_auth import stored_keys, with_key
from cfp.core.manifest import parse_manifest
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.prepare_login import plan_prepare_login
from cfp.core.plan.set_upstream import plan_set_upstream
from cfp.core.plan.uninstall import UninstallRequest, plan_uninstall
from cfp.core.plan.worker import WorkerAction
from cfp.core.route_report import route_and_auth
from cfp.core.settings import Policy, parse_settings
from cfp.core.state import State
from cfp.errors import ConfigDrift, Refused, UsageError
from cfp.layout import Layout
from tests import predecessor
from tests.facts import CONFIG, HOME, UPSTREAM, after, facts, installed

OTHER = RouteRequest(upstream_base="https://other.example/v1")


def enabled(**other: object) -> object:
    home = facts(**other)
    return installed(home, plan_install(home, RouteRequest()))


def test_the_baseline_moves_with_the_url() -> None:
    """After an uninstall Codex goes to the new provider: the user's bytes with that one value changed."""
    home = enabled()
    plan = plan_set_upstream(home, OTHER, restart=False)
    moved = after(home, plan.changes, home.worker)
    restored = after(moved, plan_uninstall(moved, UninstallRequest()).changes)
    assert restored.config.data == CONFIG.replace(UPSTREAM.encode(), b"https://other.example/v1")
    assert config_toml.parse(moved.config.data) == config_toml.parse(home.config.data)


def test_the_baseline_of_an_older_record_moves_too() -> None:
    """Version 0.1.0 recorded hashes and no keys: the user's bytes come back with the new URL, edited since or not."""
    laid = predecessor.files(HOME)
    layout = Layout(HOME)
    backup = laid[layout.backups / predecessor.BACKUP]
    record = {"manifest": parse_manifest(laid[layout.manifest]), "manifest_data": laid[layout.manifest]}
    saved = {"settings": parse_settings(laid[layout.settings]), "settings_data": laid[layout.settings]}
    new = predecessor.BEFORE.replace(UPSTREAM.encode(), b"https://other.example/v1")
    for added in (b"", b"\n[mine]\nx = 1\n"):
        home = facts(laid[layout.config] + added, laid[layout.hooks], backup=backup, **record, **saved)
        moved = after(home, plan_set_upstream(home, OTHER, restart=False).changes)
        restored = after(moved, plan_uninstall(moved, UninstallRequest()).changes)
        assert config_toml.parse(new + added) == config_toml.parse(restored.config.data)
        assert added or new == restored.config.data


def test_a_running_worker_keeps_its_settings_unless_asked_otherwise() -> None:
    """Deferred by default, replaced with --restart, nothing to do where it serves them already."""
    home = enabled()
    deferred = plan_set_upstream(home, OTHER, restart=False)
    assert (deferred.worker, deferred.restart_required, deferred.to_state) == (
        WorkerAction.KEEP,
        True,
        State.ENABLED_PENDING,
    )
    at_once = plan_set_upstream(home, OTHER, restart=True)
    assert (at_once.worker, at_once.restart_required) == (WorkerAction.REPLACE, False)
    same = plan_set_upstream(home, RouteRequest(service_tier_policy=Policy.AUTO), restart=True)
    assert (same.worker, same.restart_required) == (WorkerAction.KEEP, False)


def test_auth_is_set_and_cleared() -> None:
    """One source at a time; clearing goes back to what Codex sends."""
    home = replace(enabled(), provider_keys=frozenset({"relay"}))
    split = plan_set_upstream(home, RouteRequest(use_provider_auth_file=True), restart=False)
    assert split.settings.upstream_api_key_file
    moved = replace(after(home, split.changes, home.worker), provider_keys=frozenset({"relay"}))
    cleared = plan_set_upstream(moved, RouteRequest(clear_upstream_auth=True), restart=False)
    assert not cleared.settings.overrides_auth
    with pytest.raises(UsageError):
        plan_set_upstream(home, RouteRequest(use_provider_auth_file=True, clear_upstream_auth=True), restart=False)


def test_what_is_refused() -> None:
    """Nothing asked, nothing enabled, or a provider that others have pointed elsewhere."""
    with pytest.raises(UsageError, match="nothing_asked"):
        plan_set_upstream(enabled(), RouteRequest(), restart=False)
    with pytest.raises(Refused, match="not_enabled"):
        plan_set_upstream(facts(), OTHER, restart=False)
    home = enabled()
    elsewhere = home.config.data.replace(b"http://127.0.0.1:8787/v1", b"https://elsewhere.example/v1")
    with pytest.raises(ConfigDrift, match="provider_repointed"):
        plan_set_upstream(replace(home, config=facts(elsewhere).config), OTHER, restart=False)


NAMES = st.text(min_size=1)
KEYS = NAMES.filter(is_key)


@given(st.dictionaries(NAMES, KEYS), NAMES, KEYS)
def test_one_key_is_set_and_all_others_are_kept(keys: dict[str, str], provider: str, key: str) -> None:
    """Whatever the providers are called."""
    entries = {name: {"api_key": value, "note": 1} for name, value in keys.items()}
    present = json.dumps({"version": 1, "providers": entries}).encode()
    assert stored_keys(with_key(present, provider, key)) == {**keys, provider: key}
    assert stored_keys(with_key(None, provider, key)) == {provider: key}


def test_the_same_key_again_is_no_change() -> None:
    """Already prepared: nothing to write. Another key: the file is to be replaced."""
    present = with_key(None, "relay", "one")
    same = plan_prepare_login(facts(), "relay", "one", present)
    assert (same.change, same.matches, same.target_exists) == (None, True, True)
    rotated = plan_prepare_login(facts(), "relay", "two", present)
    assert rotated.change is not None
    assert stored_keys(rotated.change.after) == {"relay": "two"}
    assert (rotated.matches, rotated.target_exists) == (False, True)


@pytest.mark.parametrize("present", [b"", b"[]", b'{"providers": []}'])
def test_a_file_of_another_shape_is_not_overwritten(present: bytes) -> None:
    """It may hold keys that we do not understand."""
    with pytest.raises(Refused, match="provider_auth_invalid"):
        with_key(present, "relay", "key")


def test_nobody_is_sent_to_sign_in_too_early() -> None:
    """A split that is saved but not served is no split on the wire: a ChatGPT login would reach the provider."""
    settings = replace(enabled().settings, upstream_api_key_file=True)
    home = replace(enabled(), provider_keys=frozenset({"relay"}), settings=settings)
    served, pending = route_and_auth(home, settings), route_and_auth(home, settings, pending=True)
    assert ("ready", True) == (served["chatgpt_login_hint"]["status"], served["chatgpt_login_compatible"])
    assert ("needs_auth_split", False) == (
        pending["chatgpt_login_hint"]["status"],
        pending["chatgpt_login_compatible"],
    )
    assert "Before you sign in" in pending["chatgpt_login_hint"]["next_user_action"]


def test_a_named_key_may_lie_in_auth_json() -> None:
    """It is the last place that is read, and the key there outlives a reboot."""
    home = enabled(auth_names=frozenset({"OTHER_API_KEY"}))
    home = replace(home, auth_names=frozenset({"OTHER_API_KEY"}))
    settings = plan_set_upstream(home, RouteRequest(upstream_api_key_env="OTHER_API_KEY"), restart=False).settings
    block = route_and_auth(home, settings)
    fields = ("upstream_api_key_source", "upstream_api_key_available", "upstream_api_key_persistent")
    assert ["auth_json_fallback", True, True] == [block[name] for name in fields]
    with pytest.raises(Refused, match="upstream_key_missing"):
        plan_set_upstream(enabled(), RouteRequest(upstream_api_key_env="OTHER_API_KEY"), restart=False)
