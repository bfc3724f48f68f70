"""Verdicts on a home: Codex's own word wins, our own reading stands in for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cfp.codex.app_server.answers import CodexAnswers
from cfp.core.checks.check import DoctorFacts
from cfp.core.checks.table import run_checks
from cfp.core.diagnosis import Severity, diagnose
from cfp.core.facts import SystemFiles
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.verdict.loading import config_refusal, hooks_refusal
from cfp.errors import Refused
from tests.facts import CONFIG, TAKEN, facts, installed

CHAT = CONFIG + b'wire_api = "chat"\n'
WORDS = "/home/user/.codex/config.toml:9:12: `wire_api` is no longer supported"
REFUSED = CodexAnswers(refusal=WORDS)
GONE = b'model_provider = "gone"\n'
TYPED = b'{"hooks": {"Stop": [{"hooks": [{"type": "http"}]}]}}'
HOOKS = "/home/user/.codex/hooks.json"


def test_codex_has_the_last_word_on_a_config() -> None:
    """It refuses what we take, and takes what we refuse."""
    assert config_refusal(facts(CHAT)) == 'model_providers.relay.wire_api must be "responses"'
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
    assert config_refusal(facts(GONE)) == "model_provider is gone, and no table [model_providers.gone] defines it"


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
    assert ["provider_undefined"] * 2 == [checks[name].code for name in ("active_provider", "provider_base_url")]
    assert "Set model_provider" in checks["active_provider"].fix
