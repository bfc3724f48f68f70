"""Verdicts on a home: Codex's own word wins, our own reading stands in for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cfp.codex import config_toml
from cfp.codex.app_server.answers import CodexAnswers, Setting
from cfp.core.checks.check import DoctorFacts
from cfp.core.checks.table import run_checks
from cfp.core.diagnosis import Severity, diagnose
from cfp.core.facts import BrokenProgram, Facts, SystemFiles
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.uninstall import UninstallRequest, plan_uninstall
from cfp.core.verdict.hook_run import hook_obstacle, hook_runs
from cfp.core.verdict.loading import config_refusal, hooks_refusal
from cfp.core.verdict.route import leading_profiles
from cfp.errors import Refused
from tests.facts import CONFIG, HOME, TAKEN, UPSTREAM, after, facts, installed, listing_of

CHAT = CONFIG + b'wire_api = "chat"\n'
WORDS = "/home/user/.codex/config.toml:9:12: `wire_api` is no longer supported"
REFUSED = CodexAnswers(refusal=WORDS)
GONE = b'model_provider = "gone"\n'
TYPED = b'{"hooks": {"Stop": [{"hooks": [{"type": "http"}]}]}}'
HOOKS = str(HOME / "hooks.json")


def test_codex_has_the_last_word_on_a_config() -> None:
    """It refuses what we take, and takes what we refuse."""
    assert (
        config_refusal(facts(CHAT)) == f'{HOME / "config.toml"}: model_providers.relay.wire_api must be "responses"'
    )
    assert config_refusal(facts(CHAT, codex=TAKEN)) == ""
    assert config_refusal(facts(codex=REFUSED)) == WORDS


def test_codex_has_the_last_word_on_hooks() -> None:
    """A config that it refuses leaves the hooks to our own reading, and another folder's file is not ours."""
    flaw = "Stop[0].hooks[0].type must be one of command, mcp_tool, prompt, agent"
    assert hooks_refusal(facts(hooks=TYPED)) == flaw
    assert hooks_refusal(facts(hooks=TYPED, codex=TAKEN)) == ""
    assert hooks_refusal(facts(hooks=TYPED, codex=REFUSED)) == flaw
    assert hooks_refusal(facts(codex=CodexAnswers(dropped_hooks=((HOOKS, "why"),)))) == "why"
    assert hooks_refusal(facts(codex=CodexAnswers(dropped_hooks=(("/project/.codex/hooks.json", "why"),)))) == ""


@pytest.mark.parametrize(
    ("config", "hooks", "codex", "code"),
    [
        (CHAT, None, None, "config_refused"),
        (CONFIG, None, REFUSED, "config_refused"),
        (GONE, None, None, "provider_undefined"),
        (GONE, None, CodexAnswers(refusal="Model provider `gone` not found"), "provider_undefined"),
        (CONFIG, TYPED, None, "hooks_unparseable"),
        (CONFIG, None, CodexAnswers(dropped_hooks=((HOOKS, "why"),)), "hooks_unparseable"),
    ],
)
def test_an_install_is_refused(config: bytes, hooks: bytes | None, codex: CodexAnswers | None, code: str) -> None:
    """Before anything is planned, since Codex would not start, or would never run the hook."""
    with pytest.raises(Refused) as refused:
        plan_install(facts(config, hooks, codex=codex), RouteRequest())
    assert code == refused.value.code


def test_an_install_that_mends_the_selection() -> None:
    """--activate-provider replaces the provider that no file defines."""
    home = facts(GONE + CONFIG.replace(b'model_provider = "relay"\n', b""))
    plan = plan_install(home, RouteRequest(provider="relay", activate_provider=True))
    assert config_refusal(installed(home, plan)) == ""


def test_a_provider_of_the_administrator() -> None:
    """A table in the system's files defines a provider, too."""
    system = SystemFiles(config={"model_providers": {"gone": {"name": "x"}}})
    assert config_refusal(facts(GONE, system=system)) == ""
    assert config_refusal(facts(GONE)).endswith("no table [model_providers.gone] defines it")


@pytest.mark.parametrize("enabled", [False, True])
def test_a_refused_home_is_never_ready(enabled: bool) -> None:  # noqa: FBT001 (a parameter of pytest)
    """Neither for status nor for doctor, with Codex's own words."""
    home = facts()
    if enabled:
        home = installed(home, plan_install(home, RouteRequest()))
    home = replace(home, codex=REFUSED)
    diagnosis = diagnose(home)
    assert ("config_refused", Severity.RISK) == (diagnosis.code, diagnosis.level)
    assert WORDS in diagnosis.message.sentence
    check = run_checks(home, DoctorFacts(python="3.11.0"))["codex_config"]
    assert (False, "config_refused") == (check.ok, check.code)


def test_a_selection_without_a_table_has_one_remedy() -> None:
    """No check advises a URL for a provider that does not exist, or another provider, which would not help."""
    checks = run_checks(facts(GONE), DoctorFacts(python="3.11.0"))
    assert {"codex_config": "provider_undefined"} == {
        name: check.code for name, check in checks.items() if not check.ok
    }
    assert ("config_refused", checks["codex_config"].fix) == (
        diagnose(facts(GONE)).code,
        diagnose(facts(GONE)).next_user_action,
    )
    assert "Set model_provider" in checks["codex_config"].fix


# ---- The hook --------------------------------------------------------------------------------------------------

ENABLED = installed(facts(), plan_install(facts(), RouteRequest()))
OFF = ENABLED.config.data.replace(b"hooks = true", b"hooks = false")
OFF_HOME = replace(ENABLED, config=facts(OFF).config)
NOT_LISTED = CodexAnswers()
MANAGED = Setting(value=False, origin="/etc/codex/managed_config.toml", layer="legacyManagedConfigTomlFromFile")
SYSTEM_OFF = Setting(value=False, origin="/etc/codex/config.toml", layer="system")
BROKEN = BrokenProgram(path="/gone/bin/python", reason="is not there any more")
FEATURES_OFF = {"features": {"hooks": False}}


@pytest.mark.parametrize(
    ("home", "code"),
    [
        (ENABLED, None),
        (replace(ENABLED, codex=listing_of(ENABLED, "trusted")), None),
        (replace(ENABLED, codex=listing_of(ENABLED, "managed")), None),
        (replace(ENABLED, codex=listing_of(ENABLED, "modified")), "startup_hook_not_ready"),
        (replace(ENABLED, codex=listing_of(ENABLED, "trusted", enabled=False)), "startup_hook_not_ready"),
        (replace(ENABLED, codex=listing_of(ENABLED, "trusted", command="true")), "startup_hook_not_ready"),
        (replace(ENABLED, codex=NOT_LISTED), "startup_hook_not_ready"),
        (replace(ENABLED, hook_entries=()), "startup_hook_not_ready"),
        (OFF_HOME, "hooks_disabled"),
        (replace(ENABLED, codex=CodexAnswers(hooks_feature=SYSTEM_OFF)), "hooks_disabled"),
        (replace(ENABLED, codex=CodexAnswers(hooks_feature=MANAGED)), "hooks_disabled_by_policy"),
        (replace(ENABLED, codex=CodexAnswers(barred_hooks="features.hooks = false")), "hooks_disabled_by_policy"),
        (replace(ENABLED, system=SystemFiles(managed=FEATURES_OFF)), "hooks_disabled_by_policy"),
        (replace(ENABLED, system=SystemFiles(requirements=FEATURES_OFF)), "hooks_disabled_by_policy"),
        (replace(ENABLED, system=SystemFiles(config=FEATURES_OFF)), None),  # config.toml says true
        (replace(ENABLED, codex=CodexAnswers(dropped_hooks=((HOOKS, "why"),))), "hooks_file_refused"),
        (replace(ENABLED, broken_hook=BROKEN), "startup_hook_program_broken"),
    ],
)
def test_the_hook_runs_or_the_first_obstacle(home: Facts, code: str | None) -> None:
    """One answer for status, doctor and install; Codex's word wins over our own reading of trust."""
    if home.codex is not None:
        home = replace(home, codex=replace(home.codex, provider=Setting(value="relay")))
    obstacle = hook_obstacle(home)
    assert code == (obstacle.code if obstacle else None)
    assert hook_runs(home) == (code is None)
    assert diagnose(home).code == (code or "ready")
    assert run_checks(home, DoctorFacts(python="3.11.0"))["startup_hook"].code in {
        code or "ok",
        *({"startup_hook_untrusted", "startup_hook_missing"} if code == "startup_hook_not_ready" else ()),
    }
    if obstacle is not None:
        assert "(no " not in " ".join(obstacle.message)
        assert "(no " not in " ".join(diagnose(home).message)


def test_no_hook_runs_where_codex_does_not_start() -> None:
    """The obstacle is the config's then, and the hook is not to blame."""
    home = replace(ENABLED, codex=REFUSED)
    assert not hook_runs(home)
    assert hook_obstacle(home) is None


def test_the_file_that_switches_hooks_off_is_named() -> None:
    """It need not be config.toml."""
    assert str(OFF_HOME.layout.config) in diagnose(OFF_HOME).message.sentence
    answers = CodexAnswers(hooks_feature=SYSTEM_OFF, provider=Setting(value="relay"))
    named = replace(ENABLED, codex=answers)
    assert "/etc/codex/config.toml" in diagnose(named).message.sentence


# ---- The route -------------------------------------------------------------------------------------------------

SYSTEM_CONFIG = config_toml.parse(CONFIG)
OURS = "http://127.0.0.1:8787/v1"
BY_SYSTEM = SystemFiles(config=SYSTEM_CONFIG)
USER = {"origin": "/elsewhere/.codex/config.toml", "layer": "user"}
MDM = {"origin": "mdm", "layer": "legacyManagedConfigTomlFromMdm"}
RELAY, OTHER = Setting(value="relay", **USER), Setting(value="other", **USER)
PINNED = Setting(value="openai", origin="requirements.toml", layer="requirements")


def test_a_provider_of_the_system_file_is_switched_in_config_toml() -> None:
    """It has name and key there; config.toml gets the URL alone, and is given back to the byte."""
    home = facts(b"", system=BY_SYSTEM)
    plan = plan_install(home, RouteRequest())
    assert ("relay", UPSTREAM) == (plan.settings.provider, plan.settings.upstream_base)
    on = replace(installed(home, plan), system=BY_SYSTEM)
    assert {"base_url": OURS} == on.config.root["model_providers"]["relay"]
    assert OURS == on.codex_config["model_providers"]["relay"]["base_url"]
    assert diagnose(on).code == "ready"
    assert after(on, plan_uninstall(on, UninstallRequest()).changes).config.data == b""


def test_the_profile_of_an_older_codex_selects_the_provider() -> None:
    """Before 0.140, `profile` decides what model_provider says; a newer Codex refuses it."""
    other = b'[model_providers.other]\nname = "O"\nbase_url = "https://other.example/v1"\n'
    text = b'profile = "work"\n' + CONFIG + other + b'[profiles.work]\nmodel_provider = "other"\n'
    answers = CodexAnswers(provider=RELAY, base_url=Setting(value=UPSTREAM, **USER))
    assert (
        plan_install(facts(text, codex=answers, codex_version=(0, 130, 0)), RouteRequest()).settings.provider
        == "other"
    )


@pytest.mark.parametrize(
    ("home", "code"),
    [
        ({}, "ready"),
        ({"codex": CodexAnswers(provider=RELAY, base_url=Setting(value=OURS, **USER))}, "ready"),
        ({"codex": CodexAnswers(provider=OTHER)}, "provider_not_active"),
        ({"codex": CodexAnswers()}, "provider_not_active"),
        ({"codex": CodexAnswers(), "profiles": {"r.config.toml": {"model_provider": "relay"}}}, "ready"),
        ({"codex": CodexAnswers(provider=PINNED)}, "route_overridden"),
        ({"codex": CodexAnswers(provider=RELAY, base_url=Setting(value=UPSTREAM, **MDM))}, "route_overridden"),
        ({"system": SystemFiles(managed={"model_provider": "relay"})}, "ready"),
        ({"system": SystemFiles(managed=SYSTEM_CONFIG)}, "route_overridden"),
        ({"system": SystemFiles(requirements={"model_provider": "openai"})}, "route_overridden"),
    ],
)
def test_the_route_that_is_in_force(home: dict[str, Any], code: str) -> None:
    """Status names the file that leads Codex past the proxy; a provider that is ours by any way is no alarm."""
    hooks = listing_of(ENABLED, "trusted").hooks
    if "codex" in home:
        home = {**home, "codex": replace(home["codex"], hooks=hooks)}
    diagnosis = diagnose(replace(ENABLED, **home))
    assert code == diagnosis.code
    assert "(no " not in " ".join(diagnosis.message)
    check = run_checks(replace(ENABLED, **home), DoctorFacts(python="3.11.0"))["active_provider"]
    assert (code if code != "ready" else "ok") == check.code


@pytest.mark.parametrize("codex", [CodexAnswers(provider=PINNED), None])
def test_no_install_into_a_route_that_is_set_elsewhere(codex: CodexAnswers | None) -> None:
    """A requirement pins the provider: no request would go through the proxy."""
    system = SystemFiles(requirements={"model_provider": "openai"})
    with pytest.raises(Refused) as refused:
        plan_install(facts(codex=codex, system=system), RouteRequest())
    assert refused.value.code == "route_overridden"
    assert refused.value.details["value"] == "openai"


@pytest.mark.parametrize(
    ("profile", "files"),
    [
        ({"model_provider": "relay"}, ()),
        ({"model": "x"}, ()),
        ({"model_providers": {"relay": {"request_max_retries": 3}}}, ()),
        ({"model_provider": "openai"}, ("p.config.toml",)),
        ({"model_providers": {"relay": {"base_url": UPSTREAM}}}, ("p.config.toml",)),
    ],
)
def test_profiles_that_lead_past_the_proxy(profile: dict[str, Any], files: tuple[str, ...]) -> None:
    """Only another provider, or another URL of ours."""
    home = replace(ENABLED, profiles={"p.config.toml": profile})
    assert files == leading_profiles(home, ENABLED.settings)
    check = run_checks(home, DoctorFacts(python="3.11.0"))["active_provider"]
    assert ("profile_may_bypass" if files else "ok") == check.code
