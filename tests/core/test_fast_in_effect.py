"""The line that says whether Fast is on: one for each combination of policy, login, stated tier and refusal."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args

import pytest

from cfp.codex.auth_json import Login, LoginMode
from cfp.core.fast.in_effect import FastInEffect, FastStatus, fast_in_effect
from cfp.core.policy import EffectivePolicy
from cfp.core.route_report import policy_in_effect
from cfp.core.settings import Policy, Settings
from cfp.core.tiers.records import new_record
from cfp.messages.results import FastCode
from tests.facts import facts

TIERS = (None, "fast", "priority", "default", "flex", "auto", "scale", "ultrafast", "of tomorrow")
LOGINS = {
    LoginMode.API_KEY: Login.API_KEY,
    LoginMode.CHATGPT: Login.CHATGPT,
    LoginMode.MIXED: Login.CHATGPT,
    LoginMode.UNKNOWN: Login.UNKNOWN,
}


URL = "https://relay.example/v1"
AT = facts().now.timestamp()


def line(policy: Policy, login: LoginMode, tier: str | None, *refused: str) -> tuple[FastInEffect, EffectivePolicy]:
    config = None if tier is None else f'service_tier = "{tier}"\n'.encode()
    records = tuple(new_record(URL, model or None, "priority", AT).with_refusal(AT) for model in refused)
    home = facts(config, login=login, codex_login=LOGINS[login], tier_records=records)
    settings = Settings(
        provider="relay",
        upstream_base="https://relay.example/v1",
        service_tier_policy=policy,
        service_tier="priority",
    )
    return fast_in_effect(home, settings), policy_in_effect(home, settings)


def test_the_line_agrees_with_the_policy() -> None:
    """It says that Fast is on exactly where the proxy adds the tier, and every sentence is used."""
    codes = set()
    for case in itertools.product(Policy, LOGINS, TIERS, ((), ("gpt-5.5",))):
        policy, login, tier, refused = case
        fast, effective = line(policy, login, tier, *refused)
        adds = effective is EffectivePolicy.INJECT_MISSING and not refused
        assert adds == (fast.status is FastStatus.ON), case
        codes.add(fast.code)
    assert set(get_args(FastCode)) == codes


@pytest.mark.parametrize("tier", [tier for tier in TIERS if tier is not None])
def test_a_stated_tier_other_than_fast_is_a_choice(tier: str) -> None:
    """With an API key, nothing is added beside it; the line names the file and the tier."""
    fast, _ = line(Policy.AUTO, LoginMode.API_KEY, tier)
    assert (fast.status is FastStatus.OFF) == (tier not in {"fast", "priority"})
    assert (f'service_tier = "{tier}"' in fast.message.sentence) == (tier not in {"fast", "priority"})


def test_a_refusal_names_the_models() -> None:
    """A request without a model's name is one of them."""
    fast, _ = line(Policy.AUTO, LoginMode.API_KEY, None, "gpt-5.5", "")
    assert "off for requests without a model, gpt-5.5: " in fast.message.sentence


def test_the_line_names_what_decides_before_the_policy() -> None:
    """Rules and a budget are exceptions, and an installation without them is told of none."""
    settings = Settings(provider="relay", upstream_base=URL, service_tier_policy=Policy.INJECT_MISSING)
    plain = fast_in_effect(facts(None), settings).message.sentence
    ruled = replace(settings, service_tier_rules=("keep kind=turn", "remove"), fast_tokens_a_day=5)
    sentence = fast_in_effect(facts(None), ruled).message.sentence
    assert sentence.startswith(plain)
    assert ("(2)" in sentence, "budget" in sentence, "rules" in plain, "budget" in plain) == (
        True,
        True,
        False,
        False,
    )


def test_a_profile_whose_tier_cannot_be_seen_is_named() -> None:
    """Only where the proxy adds the tier, and only a profile that states another one than Fast."""
    profiles = {"a.config.toml": {"service_tier": "default"}, "b.config.toml": {"service_tier": "fast"}, "c": {}}
    for policy, named in ((Policy.AUTO, True), (Policy.PRESERVE, False)):
        settings = Settings(provider="relay", upstream_base=URL, service_tier_policy=policy)
        sentence = fast_in_effect(facts(profiles=profiles), settings).message.sentence
        assert named == sentence.endswith("which then get `priority` too: a.config.toml.")
        assert "b.config.toml" not in sentence
