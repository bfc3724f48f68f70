"""The effect of policy, login and opt-out: the whole table."""

from __future__ import annotations

import itertools
from dataclasses import replace

from cfp.codex.app_server.answers import CodexAnswers, Setting
from cfp.codex.auth_json import LoginMode
from cfp.core.policy import EffectivePolicy, FastBehavior, effective_policy, fast_behavior
from cfp.core.settings import Policy
from tests.facts import facts


def test_auto_injects_only_for_an_api_key_login_without_opt_out() -> None:
    """Every other combination of login and opt-out leaves the request to Codex."""
    injecting = {
        (login, opted_out)
        for login, opted_out in itertools.product(LoginMode, (False, True))
        if effective_policy(Policy.AUTO, login, opted_out=opted_out) is EffectivePolicy.INJECT_MISSING
    }
    assert injecting == {(LoginMode.API_KEY, False)}


def test_explicit_policies_ignore_login_and_opt_out() -> None:
    """Every policy but `auto` has one effect, for everyone."""
    effects = {
        Policy.INJECT_MISSING: EffectivePolicy.INJECT_MISSING,
        Policy.PRESERVE: EffectivePolicy.PRESERVE,
    }
    for login, opted_out in itertools.product(LoginMode, (False, True)):
        seen = {policy: effective_policy(policy, login, opted_out=opted_out) for policy in Policy}
        assert {**effects, Policy.AUTO: seen[Policy.AUTO]} == seen


def test_every_combination_has_a_behaviour() -> None:
    """The name that the user reads agrees with what is done."""
    named = {(policy, login): fast_behavior(policy, login) for policy in Policy for login in LoginMode}
    for (policy, login), behaviour in named.items():
        injects = effective_policy(policy, login) is EffectivePolicy.INJECT_MISSING
        assert injects == (behaviour in {FastBehavior.AUTO_GLOBAL_PRIORITY, FastBehavior.GLOBAL_PRIORITY})


def test_codexs_own_word_on_the_tier_counts() -> None:
    """It knows places that we do not read; where it refuses the files, or a profile covers its word, they count."""
    default = Setting(value="default", origin="com.openai.codex", layer="mdm")
    assert facts(codex=CodexAnswers(service_tier=default)).opted_out
    stated = b'service_tier = "default"\n'
    assert facts(codex=CodexAnswers(service_tier=replace(default, value="flex"))).opted_out
    assert not facts(stated, codex=CodexAnswers(service_tier=replace(default, value="fast"))).opted_out
    assert not facts(stated, codex=CodexAnswers()).opted_out
    assert facts(stated, codex=CodexAnswers(refusal="no")).opted_out
    in_profile = b'profile = "p"\n[profiles.p]\n' + stated
    assert facts(in_profile, codex=CodexAnswers(), codex_version=(0, 130, 0)).opted_out
