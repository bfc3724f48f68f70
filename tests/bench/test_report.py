"""The fields of the result, computed from the samples."""

# ruff: noqa: FBT001 - parameters of tests come from tables

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.bench.report import report
from cfp.bench.sample import Sample
from cfp.bench.timed_request import ErrorType
from cfp.bench.workload import Tier
from cfp.core.tiers.names import KNOWN
from tests.bench.support import a_sample

FIELDS = {
    *("samples", "default", "priority", "service_tier_control", "observed_speedup_total", "observed_speedup_ttfb"),
    *("observed_speedup_first_output", "confidence_interval", "verdict", "pairs_suggested", "priority_accepted"),
    *("observed_priority_effective", "provider_confirmed_priority", "transport", "chain", "tokens"),
}
SAMPLE_FIELDS = {
    *("tier", "status", "request_service_tier", "ttfb_ms", "first_event_ms", "first_output_ms", "total_ms"),
    *("output_chars", "response_content_type", "response_service_tier", "transport", "error_type"),
}
SIDE_FIELDS = {
    *("count", "ok", "median_total_ms", "median_ttfb_ms", "median_first_output_ms", "median_output_chars"),
    *("request_service_tiers", "response_service_tiers"),
}

samples = st.lists(
    st.builds(
        a_sample,
        st.integers(1, 6),
        st.sampled_from(list(Tier)),
        st.none() | st.floats(1, 1e5),
        error_type=st.none() | st.sampled_from(list(ErrorType)),
        response_service_tier=st.sampled_from([None, "default", "priority"]),
    ),
    max_size=12,
    unique_by=lambda one: (one.pair, one.tier),
)


@given(samples)
def test_the_two_judgements_agree(a_sample: list[Sample]) -> None:
    """`observed_priority_effective` is true exactly where the verdict is faster, and then the numbers show it."""
    fields = report(a_sample).fields
    assert (fields["verdict"] == "faster") == fields["observed_priority_effective"]
    if fields["observed_priority_effective"]:
        assert fields["observed_speedup_total"] >= 1.15
        assert fields["confidence_interval"]["low"] >= 1.0
        assert fields["priority_accepted"]


@given(samples)
def test_any_samples_make_a_whole_result(a_sample: list[Sample]) -> None:
    """Every field is there whatever failed, and all of it is JSON."""
    fields = report(a_sample).fields
    assert fields.keys() == FIELDS
    assert SIDE_FIELDS == fields["default"].keys() == fields["priority"].keys()
    assert all(SAMPLE_FIELDS <= one.keys() for one in fields["samples"])
    assert len(a_sample) == len(json.loads(json.dumps(fields, allow_nan=False))["samples"])
    assert len(a_sample) == fields["default"]["count"] + fields["priority"]["count"]


def _both(default: list[dict[str, Any]], priority: list[dict[str, Any]]) -> dict[str, Any]:
    sides = ((Tier.DEFAULT, default), (Tier.PRIORITY, priority))
    made = [a_sample(number, tier, **how) for tier, side in sides for number, how in enumerate(side, 1)]
    return report(made).fields


def test_numbers_of_a_plain_run() -> None:
    """Medians by side, speed-ups as their ratios, the interval around them."""
    fields = _both(
        [{"total_ms": 3000.0, "ttfb_ms": 100.0}, {"total_ms": 3100.0}, {"total_ms": 2900.0}],
        [{"total_ms": 2000.0, "ttfb_ms": 50.0}, {"total_ms": 2050.0}, {"total_ms": 1950.0}],
    )
    assert (3000.0, 2000.0) == (fields["default"]["median_total_ms"], fields["priority"]["median_total_ms"])
    assert (1.5, 2.0, None) == (
        fields["observed_speedup_total"],
        fields["observed_speedup_ttfb"],
        fields["observed_speedup_first_output"],
    )
    interval = fields["confidence_interval"]
    assert 1.0 < interval["low"] < interval["middle"] < interval["high"] < 1.6
    assert (0.9, 3) == (interval["level"], interval["pairs"])
    assert {"valid": True, "default_request_service_tiers": [], "priority_request_service_tiers": ["priority"]} == (
        fields["service_tier_control"]
    )


@pytest.mark.parametrize(
    ("default", "priority", "expected"),
    [
        ({}, {}, True),
        ({}, {"error_type": ErrorType.HTTP, "status": 400}, False),
        ({}, {"error_type": ErrorType.FAILED}, False),
        ({}, {"error_type": ErrorType.TIMEOUT}, None),
        ({"error_type": ErrorType.HTTP, "status": 401}, {"error_type": ErrorType.HTTP, "status": 401}, None),
        ({"error_type": ErrorType.TIMEOUT}, {}, True),
    ],
)
def test_accepted_is_said_of_the_tier_alone(
    default: dict[str, Any], priority: dict[str, Any], expected: bool | None
) -> None:
    """Refused where priority turns fail and default ones do not; where both fail, this run does not report."""
    assert expected is _both([default], [priority])["priority_accepted"]


@pytest.mark.parametrize(
    ("echoes", "expected"),
    [
        ([None], None),
        (["priority"], True),
        (["default"], False),
        (["priority", "default"], False),
        ([], None),
        (["fast"], True),
    ],
)
def test_confirmed_is_what_the_provider_says(echoes: list[str | None], expected: bool | None) -> None:
    """A provider that does not say is not counted as a no."""
    fields = _both([{}], [{"response_service_tier": echo} for echo in echoes])
    assert expected is fields["provider_confirmed_priority"]
    assert list(filter(None, echoes)) == fields["chain"]["echoed"]


@given(st.sampled_from(KNOWN), st.sampled_from([None, *KNOWN]))
def test_an_echo_confirms_its_own_tier_by_any_of_its_names(measured: str, echo: str | None) -> None:
    """`fast` and `priority` confirm one another, every other name confirms itself alone."""
    made = [
        a_sample(1, Tier.DEFAULT),
        a_sample(1, Tier.PRIORITY, request_service_tier=measured, response_service_tier=echo),
    ]
    fields = report(made, measured).fields
    same = echo == measured or {echo, measured} == {"fast", "priority"}
    assert (None if echo is None else same) is fields["provider_confirmed_priority"]
    assert fields["service_tier_control"]["valid"]
    assert [measured] == fields["chain"]["sent"]


def test_the_chain_names_each_link() -> None:
    """The evidence has the requested tier, the sent one, its acceptance, the echoed one and the measurement."""
    fields = _both([{}], [{"asked_service_tier": "flex", "response_service_tier": "default"}])
    assert {
        "asked": ["flex"],
        "sent": ["priority"],
        "accepted": True,
        "echoed": ["default"],
        "measured": "not_enough_data",
    } == fields["chain"]


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        ({}, ()),
        ({"error_type": ErrorType.CUT}, ("benchmark_samples_failed",)),
        ({"output_chars": 30}, ("benchmark_lengths_differ",)),
        ({"requests": 2}, ("benchmark_several_requests",)),
    ],
)
def test_what_a_reader_is_warned_of(priority: dict[str, Any], expected: tuple[str, ...]) -> None:
    """Failed samples, answers of different length, turns of several requests."""
    made = [
        a_sample(1, Tier.DEFAULT, output_chars=10),
        a_sample(1, Tier.PRIORITY, **{"output_chars": 11, **priority}),
    ]
    assert expected == report(made).warnings


def test_a_failed_turn_has_no_part_in_the_times() -> None:
    """A timeout of ten minutes must not make the other tier look fast."""
    fields = _both(
        [{"total_ms": 100.0}, {"total_ms": 9e5, "error_type": ErrorType.TIMEOUT}], [{"total_ms": 100.0}] * 2
    )
    assert (1.0, None) == (fields["observed_speedup_total"], fields["confidence_interval"])
    assert (2, 1) == (fields["default"]["count"], fields["default"]["ok"])
