"""Plans, tried on hand-made homes: install, install again, uninstall, drift, force."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from cfp.codex import config_toml, hooks_document
from cfp.codex.auth_json import Login, LoginMode
from cfp.core.facts import PortFact, PortState
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.start import plan_stop
from cfp.core.plan.uninstall import ConfigRestore, HookRemoval, Retirement, UninstallRequest, plan_uninstall
from cfp.core.plan.worker import WorkerAction
from cfp.core.provider import BUILT_IN, providers
from cfp.core.settings import Policy
from cfp.core.state import State, state_of
from cfp.core.wire.identity import codex_identity
from cfp.errors import Refused
from tests import strategies
from tests.facts import CONFIG, HOME, LOGIN_CONFIG, TAKEN, UPSTREAM, after, facts, installed, worker_of

START = RouteRequest()
AT_ONCE = UninstallRequest()


def config_doc(home: Any) -> dict[str, Any]:
    return config_toml.parse(home.config.data)


def test_an_install_changes_our_own_keys_only() -> None:
    """URL, feature flag and trust entry: everything else of the document is as before."""
    plan = plan_install(facts(), START)
    doc = config_doc(installed(facts(), plan))
    assert doc["model_providers"]["relay"].pop("base_url") == "http://127.0.0.1:8787/v1"
    assert doc.pop("features") == {"hooks": True}
    assert list(doc.pop("hooks")["state"]) == [f"{HOME / 'hooks.json'}:session_start:0:0"]
    original = config_doc(facts())
    del original["model_providers"]["relay"]["base_url"]
    assert doc == original


def test_an_installed_home_is_enabled_and_its_hook_trusted() -> None:
    """The state derived from the files of the plan is the one that it promised."""
    plan = plan_install(facts(), START)
    home = installed(facts(), plan)
    assert (plan.from_state, plan.to_state, state_of(home)) == (State.ABSENT, State.ENABLED, State.ENABLED)
    assert [entry.runs for entry in home.hook_entries] == [True]


def test_config_is_switched_last_and_given_back_first() -> None:
    """Codex never points at what is not there."""
    home = facts()
    plan = plan_install(home, START)
    assert plan.changes[-1].path == home.layout.config
    assert plan_uninstall(installed(home, plan), AT_ONCE).changes[0].path == home.layout.config


def request_for(home: Any, provider: str) -> RouteRequest:
    """The generated provider where it is configured, else the built-in one."""
    chosen = provider if provider in providers(config_doc(home)) else BUILT_IN
    return RouteRequest(provider=chosen, upstream_base=UPSTREAM)


@given(strategies.config_texts(), strategies.hooks_texts())
def test_install_then_uninstall_gives_every_byte_back(config: tuple[bytes, str], hooks: bytes | None) -> None:
    """For every legal config and hooks file: the bytes before."""
    text, provider = config
    home = facts(text, hooks, codex=TAKEN)
    plan = plan_install(home, request_for(home, provider))
    back = installed(home, plan)
    undo = plan_uninstall(back, AT_ONCE)
    restored = after(back, undo.changes)
    assert (restored.config.data, restored.hooks.data) == (text, hooks)
    assert undo.config_restore is ConfigRestore.RESTORED
    assert undo.conflicts == ()


@given(strategies.config_texts(), strategies.hooks_texts())
def test_a_second_install_changes_nothing(config: tuple[bytes, str], hooks: bytes | None) -> None:
    """Same request, same world: no file differs, no backup is taken, the worker stays."""
    text, provider = config
    home = facts(text, hooks, codex=TAKEN)
    request = request_for(home, provider)
    back = installed(home, plan_install(home, request))
    again = plan_install(back, request)
    assert [change.path for change in again.changes if change.before != change.after] == []
    assert again.worker is WorkerAction.KEEP
    assert again.changed_route is False


def test_the_users_edits_survive_an_uninstall() -> None:
    """A line that the user added since stays; ours go."""
    home = installed(facts(), plan_install(facts(), START))
    edited = home.config.data + b'\n[tui]\ntheme = "mine"\n'
    back = after(replace(home, config=facts(edited).config), ())
    undo = plan_uninstall(replace(back, backup=home.backup), AT_ONCE)
    restored = after(back, undo.changes)
    assert undo.config_restore is ConfigRestore.RESTORED_BASE_URL
    assert config_doc(restored) == {**config_doc(facts()), "tui": {"theme": "mine"}}


def test_a_second_install_after_the_users_edits_keeps_them_in_the_baseline() -> None:
    """The new record describes the user's newer file, and its backup never points at the proxy."""
    home = installed(facts(), plan_install(facts(), START))
    edited = home.config.data + b'\n[tui]\ntheme = "mine"\n'
    later = home.now + timedelta(days=1)
    changed = replace(home, config=facts(edited).config, now=later)
    again = plan_install(changed, START)
    backups = [change for change in again.changes if change.path.parent == home.layout.backups]
    assert [config_toml.parse(change.after)["model_providers"]["relay"]["base_url"] for change in backups] == [
        UPSTREAM
    ]
    twice = installed(changed, again)
    restored = after(twice, plan_uninstall(twice, AT_ONCE).changes)
    assert config_doc(restored) == {**config_doc(facts()), "tui": {"theme": "mine"}}


def repointed(url: str = "https://elsewhere.example/v1") -> Any:
    """An installed home whose provider the user has pointed elsewhere since."""
    home = installed(facts(), plan_install(facts(), START))
    return replace(home, config=facts(home.config.data.replace(b"http://127.0.0.1:8787/v1", url.encode())).config)


def test_a_repointed_provider_is_left_alone() -> None:
    """Hook and flags go, the URL, the record, worker and state stay, and the conflict is named."""
    undo = plan_uninstall(repointed(), AT_ONCE)
    assert undo.config_restore is ConfigRestore.SKIPPED_CONFIG_CHANGED
    assert undo.conflicts == (("model_providers", "relay", "base_url"),)
    assert undo.retirement is Retirement.NEVER
    restored = after(repointed(), undo.changes)
    assert config_doc(restored)["model_providers"]["relay"]["base_url"] == "https://elsewhere.example/v1"
    assert "features" not in config_doc(restored)
    assert restored.hooks.data is None
    assert restored.manifest is not None
    assert restored.manifest.state == "installed"


def test_force_gives_the_url_back_and_keeps_a_copy_first() -> None:
    """--force overrules the user's value, which a backup keeps."""
    home = repointed()
    undo = plan_uninstall(home, UninstallRequest(force=True))
    assert undo.conflicts == ()
    assert undo.retirement is Retirement.NOW
    assert [change.after for change in undo.changes if change.path.parent == home.layout.backups] == [
        home.config.data
    ]
    assert config_doc(after(home, undo.changes)) == config_doc(facts())


def test_force_on_a_config_that_does_not_parse_gives_the_backup_back() -> None:
    """Nothing can be edited in it; the copy of it is kept."""
    home = installed(facts(), plan_install(facts(), START))
    broken = replace(home, config=replace(home.config, data=b"[", doc=None, error="line 1"))
    with pytest.raises(Refused) as refused:
        plan_uninstall(broken, AT_ONCE)
    assert refused.value.code == "config_unparseable"
    undo = plan_uninstall(broken, UninstallRequest(force=True))
    assert after(home, undo.changes).config.data == CONFIG
    assert b"[" in [change.after for change in undo.changes]


@pytest.mark.parametrize("login", Login)
@pytest.mark.parametrize("config", [CONFIG, LOGIN_CONFIG], ids=["own key", "login"])
def test_an_uninstall_needs_a_yes_where_a_login_would_go_to_the_provider(config: bytes, login: Login) -> None:
    """The restored file decides, by the prediction; once the files are back, there is no risk left to confirm."""
    home = facts(config, codex_login=login)
    home = replace(installed(home, plan_install(home, START)), codex_login=login)
    undo = plan_uninstall(home, AT_ONCE)
    identity = codex_identity(home, "relay")
    assert undo.exposed is (identity if identity.may_be_a_login else None)
    assert (undo.exposed is not None) == (
        config == LOGIN_CONFIG and login not in {Login.NONE, Login.UNREADABLE, Login.API_KEY}
    )
    restored = replace(after(home, undo.changes), codex_login=login)
    assert plan_uninstall(restored, AT_ONCE).exposed is None


def test_hooks_of_others_keep_their_positions() -> None:
    """A hook that was added behind ours keeps its index: its trust depends on it."""
    home = installed(facts(), plan_install(facts(), START))
    ours = hooks_document.parse(home.hooks.data)["hooks"]["SessionStart"][0]
    extra = {"hooks": [{"type": "command", "command": "true"}]}
    changed = json.dumps({"hooks": {"SessionStart": [ours, extra]}}).encode()
    drifted = replace(
        home, hooks=facts(hooks=changed).hooks, hook_entries=facts(home.config.data, changed).hook_entries
    )
    undo = plan_uninstall(drifted, AT_ONCE)
    assert undo.hook_removal is HookRemoval.TOMBSTONE_LEFT
    restored = after(drifted, undo.changes)
    assert hooks_document.parse(restored.hooks.data)["hooks"]["SessionStart"] == [{"hooks": []}, extra]


def test_the_built_in_provider_is_switched_at_top_level() -> None:
    """No `[model_providers.openai]` is ever written."""
    home = facts(b'model = "gpt-5.5"\n')
    doc = config_doc(installed(home, plan_install(home, START)))
    assert doc["openai_base_url"] == "http://127.0.0.1:8787/v1"
    assert "model_providers" not in doc


def test_the_built_in_provider_with_a_chatgpt_login_is_refused() -> None:
    """Codex itself controls Fast there."""
    with pytest.raises(Refused) as refused:
        plan_install(facts(b"", login=LoginMode.CHATGPT), START)
    assert refused.value.code == "built_in_with_chatgpt_login"


@pytest.mark.parametrize(
    ("other", "request_", "code"),
    [
        ({"home_exists": False}, {}, "codex_home_missing"),
        ({"config": replace(facts().config, doc=None, error="line 3")}, {}, "config_unparseable"),
        ({"hooks": replace(facts().hooks, data=b"x", doc=None, error="line 1")}, {}, "hooks_unparseable"),
        ({"manifest_error": "it is not JSON"}, {}, "manifest_invalid"),
        ({}, {"use_provider_auth_file": True}, "provider_key_missing"),
        ({}, {"upstream_api_key_env": "NOT_SET"}, "upstream_key_missing"),
        ({}, {"upstream_api_key_env": "RELAY_KEY", "use_provider_auth_file": True}, "two_auth_sources"),
        ({}, {"upstream_base": "http://127.0.0.1:8787/v1"}, "upstream_is_proxy"),
        (
            {"candidate": PortFact(host="127.0.0.1", port=8787, state=PortState.FOREIGN, owner="process 1")},
            {},
            "port_in_use",
        ),
        ({"candidate": PortFact(host="127.0.0.1", port=8787, state=PortState.OTHER_HOME)}, {}, "port_in_use"),
    ],
)
def test_what_an_install_refuses(other: dict[str, Any], request_: dict[str, Any], code: str) -> None:
    """Each obstacle has its code, and nothing is planned."""
    with pytest.raises(Refused) as refused:
        plan_install(replace(facts(), **other), RouteRequest(**request_))
    assert refused.value.code == code


def test_an_opt_out_is_overridden_aloud_and_given_back() -> None:
    """`hooks = false` is changed for the time of the installation only."""
    text = CONFIG + b"\n[features]\nhooks = false # mine\n"
    plan = plan_install(facts(text), START)
    assert plan.warnings == ("hooks_opt_out_overridden",)
    home = installed(facts(text), plan)
    assert config_doc(home)["features"]["hooks"] is True
    assert after(home, plan_uninstall(home, AT_ONCE).changes).config.data == text


@pytest.mark.parametrize(
    ("cli", "in_home", "is_old"),
    [
        (None, None, False),
        (None, (0, 129, 9), True),
        (None, (0, 130, 0), False),
        ((0, 124, 0), None, True),
        ((0, 171, 0), None, False),
    ],
)
def test_the_old_flag_is_written_for_old_codex_only(
    cli: tuple[int, ...] | None,
    in_home: tuple[int, ...] | None,
    is_old: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Codex 0.130 and later print a deprecation warning for it at each start, so nothing old is assumed."""
    home = facts(codex_version=cli, version_in_home=in_home)
    flags = {"hooks": True, "codex_hooks": True} if is_old else {"hooks": True}
    assert flags == config_doc(installed(home, plan_install(home, START)))["features"]


def test_the_provider_of_a_legacy_profile() -> None:
    """Codex 0.130 takes the selected profile's provider: that one is switched, and an activation is written there."""
    other = b'[model_providers.other]\nname = "Other"\nbase_url = "https://other.example/v1"\n'
    legacy = b'profile = "work"\n' + CONFIG + other + b'[profiles.work]\nmodel_provider = "other"\n'
    home = facts(legacy, codex_version=(0, 130, 0))
    plan = plan_install(home, START)
    assert ("other", True) == (plan.target.provider, plan.target.active)
    plan = plan_install(home, RouteRequest(provider="relay", activate_provider=True))
    doc = config_doc(installed(home, plan))
    assert "relay" == doc["profiles"]["work"]["model_provider"]


def test_settings_are_kept_unless_asked_otherwise() -> None:
    """A second install without flags keeps policy and auth source."""
    home = facts()
    first = installed(home, plan_install(home, RouteRequest(service_tier_policy=Policy.INJECT_MISSING)))
    assert plan_install(first, START).settings.service_tier_policy is Policy.INJECT_MISSING
    changed = plan_install(first, RouteRequest(service_tier_policy=Policy.PRESERVE))
    assert changed.changed_route is True
    assert changed.worker is WorkerAction.REPLACE


def test_a_worker_at_another_port_is_replaced() -> None:
    """Moving to another port stops the worker at the old one."""
    home = facts()
    first = installed(home, plan_install(home, START))
    free = PortFact(host="127.0.0.1", port=9000, state=PortState.FREE)
    moved = plan_install(replace(first, candidate=free), RouteRequest(port=9000))
    assert (moved.worker, moved.settings.port) == (WorkerAction.REPLACE, 9000)


def test_another_provider_gets_the_switch_and_the_first_its_url_back() -> None:
    """One provider is switched at a time."""
    text = CONFIG + b'\n[model_providers.two]\nname = "Two"\nbase_url = "https://two.example/v1"\n'
    first = installed(facts(text), plan_install(facts(text), START))
    doc = config_doc(installed(first, plan_install(first, RouteRequest(provider="two"))))
    urls = {name: table["base_url"] for name, table in doc["model_providers"].items()}
    assert urls == {"relay": UPSTREAM, "two": "http://127.0.0.1:8787/v1"}


def test_prepare_only_writes_settings_alone() -> None:
    """Codex is left as it is."""
    plan = plan_install(facts(), RouteRequest(prepare_only=True))
    assert [change.path.name for change in plan.changes] == ["settings.json"]
    assert (plan.worker, plan.to_state) == (WorkerAction.NONE, State.PREPARED)
    assert state_of(after(facts(), plan.changes)) is State.PREPARED


def test_deferred_and_second_uninstall() -> None:
    """The files go back in the first run; the second finds nothing to give back and retires the rest."""
    home = installed(facts(), plan_install(facts(), START))
    first = plan_uninstall(home, UninstallRequest(defer_stop=True))
    assert first.retirement is Retirement.DEFERRED
    waiting = after(home, first.changes, worker=home.worker)
    assert state_of(waiting) is State.RESTORED_DEFERRED
    second = plan_uninstall(waiting, AT_ONCE)
    assert second.retirement is Retirement.NOW
    assert second.changes == ()
    assert second.config_restore is ConfigRestore.ALREADY_RESTORED


def test_a_leftover_without_a_record_is_taken_over() -> None:
    """Config points at the proxy, settings know the upstream, the record is gone: the baseline is the upstream."""
    home = installed(facts(), plan_install(facts(), START))
    leftover = replace(home, manifest=None, manifest_data=None, backup=None)
    undo = plan_uninstall(leftover, AT_ONCE)
    assert undo.config_restore is ConfigRestore.RESTORED_BASE_URL
    assert config_doc(after(leftover, undo.changes))["model_providers"]["relay"]["base_url"] == UPSTREAM


def test_worker_of_the_same_settings_is_kept() -> None:
    """A worker that serves exactly this is not restarted."""
    plan = plan_install(facts(), START)
    at = worker_of(plan.settings)
    assert plan_install(facts(candidate=at), START).worker is WorkerAction.KEEP
    stale = worker_of(plan.settings, runtime_id="f" * 16)
    assert plan_install(facts(candidate=stale), START).worker is WorkerAction.REPLACE


@pytest.mark.parametrize(
    "act",
    [
        lambda home: plan_stop(home, force=True),
        lambda home: plan_uninstall(home, AT_ONCE),
        lambda home: plan_install(home, RouteRequest(service_tier="flex")),
    ],
    ids=["stop", "uninstall", "install"],
)
def test_a_worker_out_of_sight_is_not_ended(act: Callable[[Any], object]) -> None:
    """Neither ended nor replaced; an uninstall that defers the stop leaves it alone, and is made."""
    home = installed(facts(), plan_install(facts(), START))
    worker = replace(home.worker, out_of_sight=True)
    unseen = replace(home, worker=worker, candidate=worker)
    act(home)
    with pytest.raises(Refused) as refused:
        act(unseen)
    assert "worker_out_of_sight" == refused.value.code
    assert plan_uninstall(unseen, UninstallRequest(defer_stop=True)).changes
