"""The workload's prompts and the order of its trials."""

from __future__ import annotations

import json
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from cfp.bench.workload import Profile, Tier, direct_body, schedule, with_tier
from cfp.core.tiers.names import KNOWN, PRIORITY


@given(st.integers(min_value=1, max_value=40))
def test_the_sides_take_turns(pairs: int) -> None:
    """Each pair has one turn of each tier, side by side, and the tier that goes first changes from pair to pair."""
    turns = schedule(pairs)
    grouped = [list(group) for _, group in groupby(turns, key=lambda trial: trial.pair)]
    assert pairs == len(grouped)
    assert all({Tier.DEFAULT, Tier.PRIORITY} == {trial.tier for trial in group} for group in grouped)
    assert [[1, 2]] * pairs == [[trial.place for trial in group] for group in grouped]
    firsts = [group[0].tier for group in grouped]
    assert [(Tier.DEFAULT, Tier.PRIORITY)[number % 2] for number in range(pairs)] == firsts


json_objects = st.dictionaries(st.text(max_size=8) | st.just("service_tier"), st.none() | st.text(max_size=8))


@given(json_objects, st.sampled_from([None, *KNOWN]))
def test_a_request_carries_its_own_tier_alone(body: dict[str, str | None], tier: str | None) -> None:
    """Whatever tier Codex put there, the side decides, and nothing else of the body changes."""
    changed = with_tier(body, tier)
    assert ("service_tier" in changed, changed.get("service_tier")) == (tier is not None, tier)
    rest = {name: value for name, value in body.items() if name != "service_tier"}
    assert rest == {name: value for name, value in changed.items() if name != "service_tier"}


def test_a_direct_request_is_shaped_like_codexs() -> None:
    """It streams, stores nothing, and differs between the sides by the tier alone."""
    plain, fast = (
        json.loads(direct_body(Profile.FULL, model="m", effort="low", tier=tier.value_sent(PRIORITY), cache_key="k"))
        for tier in Tier
    )
    assert {**plain, "service_tier": "priority"} == fast
    assert (True, False, {"effort": "low"}) == (plain["stream"], plain["store"], plain["reasoning"])
    assert "reasoning" not in json.loads(direct_body(Profile.SMOKE, model="m", effort=None, tier=None, cache_key="k"))
