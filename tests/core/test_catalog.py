"""The entries of the catalogue that Codex gets: copied, with fewer tiers or another name, and nothing made up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.catalog.entries import (
    Entry,
    Knowledge,
    aliases,
    names_a_model,
    read_catalog,
    read_list,
    serialise,
    stand_in,
    whole_catalog,
)
from cfp.core.tiers.names import canonical
from cfp.core.traffic.models import plain_name

TIERS = ("service_tiers", "additional_speed_tiers", "default_service_tier")
CHANGED = {"slug", "display_name", "upgrade", "availability_nux"}
SLUGS = ("gpt-5.5", "gpt-6-sol", "gpt-6-luna")
ERRORS = (400, 401, 403, 404, 429, 500, 502)


def entry(slug: str, *tiers: str, default: str | None = None) -> Entry:
    """An entry with what this program reads, and something that it copies."""
    named = [{"id": tier, "name": tier, "description": ""} for tier in tiers]
    words: dict[str, Any] = {
        "slug": slug,
        "display_name": slug,
        "context_window": len(slug),
        "upgrade": {"model": "x"},
    }
    return words | dict(zip(TIERS, (named, ["fast"] if "priority" in tiers else [], default), strict=True))


def listed(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]}).encode()


entries = st.lists(
    st.builds(
        entry,
        st.sampled_from(SLUGS),
        st.sampled_from(["priority", "flex", "ultrafast"]),
        default=st.sampled_from([None, "priority", "flex"]),
    ),
    unique_by=lambda one: one["slug"],
)
names = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "openai/", "relay/openai/", "my.relay/"]),
        st.sampled_from([*SLUGS, "GPT-5.5", "other"]),
        st.sampled_from(["", "-2026-01-01", "@20260101"]),
    )
)
knowledge = st.builds(
    Knowledge,
    bundled=st.none() | entries,
    refused=st.sets(st.sampled_from(SLUGS)),
    tier=st.sampled_from(["priority", "fast", "flex"]),
)
bodies = st.one_of(names.map(lambda some: listed(*some)), entries.map(serialise), st.binary())


def advertised(one: Entry) -> set[str]:
    """All tiers that an entry names, by their one name."""
    ids = [tier["id"] for tier in one["service_tiers"]] + list(one["additional_speed_tiers"])
    return {canonical(tier) for tier in (*ids, one["default_service_tier"]) if tier is not None}


@given(st.sampled_from([200, *ERRORS]), bodies, knowledge)
def test_all_is_copied_but_names_and_tiers(status: int, body: bytes, known: Knowledge) -> None:
    """Each entry is one of Codex's own or the provider's in all else, and has no tier that it had not."""
    sources = [*(known.bundled or ()), *(read_catalog(body) or ())]
    for made in (stand_in(status, body, known), whole_catalog(status, body, known)):
        for one in made or ():
            assert any(
                {key: value for key, value in one.items() if key not in {*CHANGED, *TIERS}}
                == {key: value for key, value in source.items() if key not in {*CHANGED, *TIERS}}
                and advertised(one) <= advertised(source)
                and plain_name(one["slug"]) == plain_name(source["slug"])
                for source in sources
            )


@given(st.sampled_from([200, *ERRORS]), bodies, knowledge)
def test_a_refused_tier_is_in_no_entry(status: int, body: bytes, known: Knowledge) -> None:
    """A tier that the provider refused for a model is not offered for it again, under any of its names."""
    for made in (stand_in(status, body, known), whole_catalog(status, body, known)):
        refusing = [one for one in made or () if one["slug"] in known.refused]
        assert not any(canonical(known.tier) in advertised(one) for one in refusing)


@given(st.sampled_from([200, *ERRORS]), bodies, knowledge)
def test_no_bundled_model_is_lost(status: int, body: bytes, known: Knowledge) -> None:
    """An answer with entries replaces Codex's own: it has all of them, and before them the provider's own."""
    bundled = {one["slug"] for one in known.bundled or ()}
    made = stand_in(status, body, known)
    assert not made or bundled <= {one["slug"] for one in made}
    whole = [one["slug"] for one in whole_catalog(status, body, known) or ()]
    own = [one["slug"] for one in (read_catalog(body) if status == 200 else None) or ()]
    assert (own, len(set(whole))) == (whole[: len(own)], len(whole))
    assert bundled <= set(whole)


@given(knowledge, entries, st.binary(), st.sampled_from(ERRORS))
def test_the_providers_own_word_passes(known: Knowledge, own: list[Entry], data: bytes, error: int) -> None:
    """A catalogue, an unknown form and any error but 404 are the provider's answer to Codex."""
    assert None is stand_in(200, serialise(own), known)
    if read_list(data) is None:
        assert None is stand_in(200, data, known)
    if error != 404:
        assert None is stand_in(error, listed("relay/openai/gpt-5.5"), known)


@given(st.builds(Knowledge, bundled=st.none() | entries, refused=st.just(frozenset()), tier=st.just("priority")))
def test_nothing_to_say_leaves_codex_its_own(known: Knowledge) -> None:
    """Names by which Codex finds its models need no entry, and a 404 names none: the answer is an empty catalogue."""
    recognized = [name for slug in SLUGS for name in (slug, f"{slug}-2026-01-01", f"openai/{slug}")]
    known_slugs = [one["slug"] for one in known.bundled or ()]
    assert [] == stand_in(404, b"", known)
    assert [] == stand_in(200, listed(*(name for name in recognized if names_a_model(name, known_slugs))), known)
    assert [] == stand_in(200, listed("other", "no/other"), known)


def test_an_alias_is_the_model_under_another_name() -> None:
    """It has the model's tiers, but none as a default: nobody chose one, and nobody is advised to leave it."""
    model = entry("gpt-6-sol", "priority", default="priority")
    (alias,) = aliases([model], ["relay/openai/gpt-6-sol", "relay/openai/gpt-6-sol", "openai/gpt-6-sol", "other"])
    assert {
        **model,
        "slug": "relay/openai/gpt-6-sol",
        "display_name": "relay/openai/gpt-6-sol",
        "upgrade": None,
        "default_service_tier": None,
    } == alias


@pytest.mark.parametrize(
    ("slug", "tiers"),
    [("relay/gpt-5.5", [{"id": "flex"}]), ("other", ["priority"]), ("gpt-6-sol", [])],
)
def test_a_provider_that_says_nothing_of_tiers(slug: str, tiers: list[Any]) -> None:
    """Its entry gets those of the bundled model of its name, else the priority tier; an empty list is a word."""
    bundled = [{"slug": "gpt-5.5", "service_tiers": [{"id": "flex"}]}]
    own: dict[str, Any] = {"slug": slug} | ({"service_tiers": []} if slug == "gpt-6-sol" else {})
    known = Knowledge(bundled=bundled, refused=(), tier="priority")
    made = (whole_catalog(200, serialise([own]), known) or [{}])[0]
    expected = tiers if slug != "other" else ["priority"]
    assert expected == [tier["id"] if slug == "other" else tier for tier in made["service_tiers"]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data":{}}',
        b'{"data":[{"id":1}]}',
        b'{"data":["m"]}',
        b'{"models":[{"id":"m"}]}',
        b"\xff",
    ],
)
def test_other_forms_are_none(data: bytes) -> None:
    """Neither a list nor a catalogue."""
    assert (None, None) == (read_list(data), read_catalog(data))
    assert None is read_list(b"[" * 100_000)
