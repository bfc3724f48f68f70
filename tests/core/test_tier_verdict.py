"""The verdict on a provider: fakes are told apart by the evidence that each leaves, and nothing is kept long."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.tiers.history import MOST_RUNS, measurements, parse_history, serialise_history
from cfp.core.tiers.records import (
    KEPT_SECONDS,
    MOST_RECORDS,
    TierRecord,
    new_record,
    parse_records,
    serialise_records,
)
from cfp.core.tiers.verdict import Measurement, TierVerdict, judge_tier
from cfp.messages.status import TierVerdictCode

NOW = 1_800_000_000.0
URL = "https://relay.example/v1"
Answer = Callable[[int, str | None], str | None]
"""The tier that a provider's answer names, by the number of the request and the tier that it asked for."""

IG, SE, EC, UN = TierVerdict.IGNORED, TierVerdict.SERVED, TierVerdict.ECHO_UNINFORMATIVE, TierVerdict.UNKNOWN
# Providers that answer every request with the tier: the tier that the answer to request n names, whether they are
# faster, and the verdict before and after a benchmark.
PROVIDERS: dict[str, tuple[Answer, bool, TierVerdict, TierVerdict]] = {
    "ignores":               (lambda n, tier: "default",                         False, IG, IG),
    "says nothing":          (lambda n, tier: None,                              False, UN, IG),
    "serves in silence":     (lambda n, tier: None,                              True,  UN, SE),
    "echoes and bills":      (lambda n, tier: tier,                              True,  EC, SE),
    "echoes, does nothing":  (lambda n, tier: tier,                              False, EC, IG),
    "downgrades":            (lambda n, tier: "default" if n % 3 == 0 else tier, True,  SE, SE),
    "answers fast":          (lambda n, tier: "fast",                            True,  EC, SE),
    "serves, names default": (lambda n, tier: "default",                         True,  IG, SE),
}  # fmt: skip


def naming(names: Sequence[str | None]) -> Answer:
    """A provider whose answers name these tiers, one after the other."""
    return lambda number, _: names[number - 1]


def record_of(answer: Answer, requests: int) -> TierRecord:
    record = new_record(URL, "gpt-5.5", "priority", NOW)
    for number in range(1, requests + 1):
        record = record.with_answer(answer(number, "priority"), NOW)
    return record


def measured(*, faster: bool, at: float = NOW) -> Measurement:
    return Measurement(upstream_base=URL, model="gpt-5.5", tier="priority", at=at, faster=faster)


@pytest.mark.parametrize("name", PROVIDERS)
def test_providers_are_told_apart(name: str) -> None:
    """By their answers as far as these tell, and for good by a benchmark, whatever the answers say."""
    answer, faster, by_answers, by_measurement = PROVIDERS[name]
    record = record_of(answer, 6)
    assert by_answers is judge_tier("gpt-5.5", "priority", record).verdict
    assert by_measurement is judge_tier("gpt-5.5", "priority", record, measured(faster=faster)).verdict


def test_a_refusal_counts_until_a_later_success() -> None:
    """A measurement before it does not excuse it, and one after it does."""
    refused = record_of(lambda n, tier: tier, 2).with_refusal(NOW)
    assert TierVerdict.REFUSED is judge_tier("m", "priority", refused).verdict
    before, after = measured(faster=True, at=NOW - 1), measured(faster=True, at=NOW + 1)
    assert TierVerdict.REFUSED is judge_tier("m", "priority", refused, before).verdict
    assert TierVerdict.SERVED is judge_tier("m", "priority", refused, after).verdict
    assert TierVerdict.ECHO_UNINFORMATIVE is judge_tier("m", "priority", refused.with_answer("fast", NOW)).verdict


def test_one_downgraded_answer_is_no_verdict() -> None:
    """The first answers of a busy provider may all name the default tier."""
    ignoring = PROVIDERS["ignores"][0]
    verdicts = [judge_tier("m", "priority", record_of(ignoring, count)).verdict for count in range(5)]
    assert [TierVerdict.UNKNOWN] * 3 + [TierVerdict.IGNORED] * 2 == verdicts


def test_an_echo_alone_never_serves() -> None:
    """Whatever a provider names: `served` needs an answer that names another tier, or a benchmark."""
    for names in itertools.product([None, "priority", "fast", "default", "auto"], repeat=5):
        judged = judge_tier("m", "priority", record_of(naming(names), 5))
        own = {"priority", "fast"} & set(names)
        assert (judged.verdict is TierVerdict.SERVED) == bool(own and {"default", "auto"} & set(names))
        assert judge_tier("m", "priority", None).verdict is TierVerdict.UNKNOWN


def test_every_sentence_is_used_and_names_its_model() -> None:
    """Each code comes from some evidence; no placeholder is left open."""
    refused = new_record(URL, None, "priority", NOW).with_refusal(NOW)
    judgements = [judge_tier(None, "priority", refused)]
    for answer, faster, _, _ in PROVIDERS.values():
        record = record_of(answer, 6)
        judgements += [
            judge_tier("gpt-5.5", "priority", record),
            judge_tier("gpt-5.5", "priority", record, measured(faster=faster)),
        ]
    assert set(get_args(TierVerdictCode)) == {judged.code for judged in judgements}
    for judged in judgements:
        assert judged.message.startswith(judged.model or "Requests without a model")
        assert "(no " not in judged.message


RECORDS = st.builds(
    TierRecord,
    upstream_base=st.text(max_size=9),
    model=st.none() | st.text(max_size=9),
    tier=st.sampled_from(["priority", "ultrafast"]),
    since=st.floats(NOW - 2 * KEPT_SECONDS, NOW),
    at=st.floats(NOW - KEPT_SECONDS, NOW),
    refused=st.booleans(),
    answers=st.integers(0, 10**9),
    echoes=st.dictionaries(st.text(max_size=9), st.integers(1, 10**9), max_size=4),
)


@given(records=st.lists(RECORDS, max_size=4))
def test_a_record_comes_back_for_a_week(records: list[TierRecord]) -> None:
    """The file keeps each as it is; one that is older than a week is forgotten, and so is one from the future."""
    data = serialise_records(records)
    kept = [record for record in records if NOW - KEPT_SECONDS < record.since]
    assert sorted(map(repr, kept)) == sorted(map(repr, parse_records(data, NOW)))
    assert () == parse_records(data, NOW + KEPT_SECONDS)
    assert () == parse_records(data, NOW - 3 * KEPT_SECONDS)


@given(data=st.binary(max_size=200) | st.sampled_from([b"[]", b'{"version":2}', b'{"version":1,"records":[1,{}]}']))
def test_a_damaged_file_is_no_evidence(data: bytes) -> None:
    """Whatever stands there, nothing fails."""
    assert () == parse_records(data, NOW)


def a_run(number: int = 0, **other: Any) -> dict[str, Any]:
    """A result of `benchmark`, as it is saved."""
    at = datetime.fromtimestamp(NOW + number, UTC).isoformat()
    usual = {"upstream_base": URL, "model": "m", "service_tier": "priority", "profile": "full", "verdict": "faster"}
    return {"ts": at, **usual, "samples": ["dropped"], **other}


def test_the_history_keeps_the_newest_runs() -> None:
    """Without their samples, in order, and not more than its limit."""
    data: bytes | None = None
    for number in range(MOST_RUNS + 5):
        data = serialise_history(parse_history(data), a_run(number))
    runs = parse_history(data)
    assert (MOST_RUNS, False) == (len(runs), any("samples" in run for run in runs))
    assert [run.at for run in measurements(runs, NOW + 100)] == [NOW + 5 + number for number in range(MOST_RUNS)]


@pytest.mark.parametrize(
    ("other", "faster"),
    [
        ({}, True),
        ({"verdict": "slower"}, False),
        ({"verdict": "no_effect"}, False),
        ({"verdict": "not_enough_data"}, None),
        ({"verdict": "refused"}, None),
        ({"profile": "smoke"}, None),
        ({"service_tier": "fast"}, True),
        ({"service_tier": "flex"}, None),
        ({"ts": "yesterday"}, None),
        ({"ts": None}, None),
        ({"model": None}, None),
    ],
)
def test_a_full_run_that_decided_is_a_measurement(other: dict[str, Any], faster: bool | None) -> None:  # noqa: FBT001  a table's
    """For a week; a smoke run, a doubtful one and one of a slow tier measure nothing."""
    run = a_run(**other)
    assert ([] if faster is None else [faster]) == [one.faster for one in measurements([run], NOW)]
    assert () == measurements([run], NOW + KEPT_SECONDS)
    assert {"priority"} >= {one.tier for one in measurements([run], NOW)}


@given(data=st.binary(max_size=200) | st.sampled_from([b"[]", b'{"version":1,"runs":[1,{}]}', b'{"version":1}']))
def test_a_damaged_history_is_none(data: bytes) -> None:
    """Whatever stands there, nothing fails, and nothing is measured."""
    assert () == measurements(parse_history(data), NOW)


def test_memory_is_bounded() -> None:
    """The newest records stay, and a provider that names a new tier each time fills four rows at most, and one."""
    records = [replace(new_record(URL, f"m{number}", "priority", NOW), at=NOW + number) for number in range(300)]
    kept = parse_records(serialise_records(records), NOW + 1)
    assert MOST_RECORDS == len(kept)
    assert "m299" == kept[-1].model
    record = record_of(lambda n, _: f"tier-{n}" * 100, 50)
    assert (50, 5) == (sum(record.echoes.values()), len(record.echoes))
    assert max(map(len, record.echoes)) <= 200
