"""The user's rules about tiers: their text, their order, and what they do to a tier."""

from __future__ import annotations

import itertools
from contextlib import suppress
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.tiers.names import KNOWN, is_fast
from cfp.core.tiers.rules import MOST_RULES, POLICY, Action, TierRule, decide, parse_rule, parse_rules, with_rule
from cfp.core.traffic.kinds import Kind
from cfp.errors import Refused
from tests.strategies import tier_rules

TIERS = (None, *KNOWN, "turbo", "null")
GLOBS = st.text("ab*?.", min_size=1, max_size=6)
RULES = st.lists(tier_rules(GLOBS), max_size=5)
KINDS = st.none() | st.sampled_from(Kind)
MODELS = st.none() | st.text("ab.", max_size=5)


@given(tier_rules())
def test_a_rules_text_is_the_rule(rule: TierRule) -> None:
    """The line in settings.json, on the command line and in the log is read back as the same rule."""
    assert parse_rule(rule.text) == rule
    assert "\n" not in rule.text


@given(st.text(max_size=30) | st.sampled_from(["add", "add kind=turn"]).flatmap(lambda t: st.text().map(t.__add__)))
def test_any_other_text_is_refused(text: str) -> None:
    """A text is the canonical line of a rule, or another order of its conditions, or refused."""
    with suppress(Refused):
        assert sorted(parse_rule(text).text.split(" ")) == sorted(text.split(" "))


@pytest.mark.parametrize("model", ["", " ", "a b", "ä", "a\n", "m" * 201])
def test_a_models_name_is_a_plain_word(model: str) -> None:
    """A name that no command line or log line could carry is refused."""
    with pytest.raises(Refused):
        TierRule(action=Action.ADD, model=model)


@given(GLOBS, st.text("ab.", max_size=6))
def test_a_glob_matches_as_in_a_shell(glob: str, model: str) -> None:
    """`*` and `?` only, in the name's own case."""
    assert TierRule(action=Action.ADD, model=glob).matches(None, model) == fnmatchcase(model, glob)


def test_other_wild_cards_stand_for_themselves() -> None:
    """A bracket or a caret in a model's name is itself."""
    rule = TierRule(action=Action.ADD, model="a[b]^.$c")
    assert (rule.matches(None, "a[b]^.$c"), rule.matches(None, "ab")) == (True, False)


@given(rules=RULES, kind=KINDS, model=MODELS, before=st.sampled_from(TIERS), adds=st.booleans())
def test_the_first_rule_that_matches_decides(
    rules: list[TierRule], kind: Kind | None, model: str | None, before: str | None, *, adds: bool
) -> None:
    """Its text is named; where none matches the policy decides, which only adds."""
    decision = decide(rules, kind, model, before, fast="priority", adds=adds)
    matching = [rule for rule in rules if rule.matches(kind, model)]
    if matching:
        assert decision == (matching[0].text, matching[0].apply(before, "priority"))
    else:
        assert decision == (POLICY, "priority" if adds and before is None else before)


@pytest.mark.parametrize(("action", "before"), list(itertools.product(Action, TIERS)))
def test_an_action_does_one_thing(action: Action, before: str | None) -> None:
    """A tier on the wire that is not Fast is the client's word: only `default` replaces it."""
    after = TierRule(action=action).apply(before, "priority")
    assert (
        after
        == {
            Action.ADD: "priority" if before is None else before,
            Action.REMOVE: None if is_fast(before) else before,
            Action.KEEP: before,
            Action.DEFAULT: "default",
        }[action]
    )


@given(RULES.filter(lambda rules: len({(one.kind, one.model) for one in rules}) == len(rules)), tier_rules(GLOBS))
def test_a_rule_is_added_once(rules: list[TierRule], rule: TierRule) -> None:
    """Behind all others, at a place, or where a rule with its conditions stands; the others keep their order."""
    same = [one for one in rules if (one.kind, one.model) == (rule.kind, rule.model)]
    others = [one for one in rules if one not in same]
    added = with_rule(rules, rule)
    assert [one for one in added if one != rule] == [one for one in others if one != rule]
    assert added.index(rule) == (rules.index(same[0]) if same else len(rules))
    for place in range(1, len(rules) + 3):
        placed = with_rule(rules, rule, place)
        assert placed.index(rule) == min(place - 1, len(others))
        assert len(placed) == len(others) + 1


def test_the_number_of_rules_is_bounded() -> None:
    """A command line and a request's time have room for that many."""
    texts = [f"keep model=m{number}" for number in range(MOST_RULES + 1)]
    assert len(parse_rules(texts[:-1])) == MOST_RULES
    with pytest.raises(Refused):
        parse_rules(texts)
