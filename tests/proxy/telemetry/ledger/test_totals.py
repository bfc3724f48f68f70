"""Sums of requests: exact, and the same in whatever order and parts they are added."""

from __future__ import annotations

import random
import statistics
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.telemetry.ledger.totals import Spread, Totals
from cfp.proxy.telemetry.log_lines import LogLine
from tests.proxy.telemetry.ledger.lines import LINES, entry_of, sums


def total(lines: list[LogLine]) -> Totals:
    totals = Totals()
    for line in lines:
        totals.add(entry_of(line))
    return totals


@given(st.lists(LINES))
def test_the_sums_are_exact(lines: list[LogLine]) -> None:
    """Requests, tokens and Fast are those of the lines."""
    assert sums(lines).items() <= total(lines).to_json().items()


@given(st.lists(LINES), st.lists(LINES), st.randoms())
def test_order_and_parts_do_not_matter(one: list[LogLine], other: list[LogLine], order: random.Random) -> None:
    """Two parts merged are the whole in any order, also after they were written and read."""
    whole = one + other
    order.shuffle(whole)
    merged = msgspec.json.decode(msgspec.json.encode(total(one)), type=Totals)
    merged.merge(total(other))
    assert total(whole) == merged


@given(st.lists(st.floats(1, 1e7), min_size=1), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_true_to_nine_percent(times: list[float], share: float) -> None:
    """The quantile lies within a bucket's half width of the true one."""
    spread = Spread()
    for time in times:
        spread.add(time)
    true = sorted(times)[max(0, -int(-share * len(times) // 1) - 1)]
    value = spread.quantile(share)
    assert value is not None
    assert value == pytest.approx(true, rel=0.092, abs=0.06)
    assert spread.mean == pytest.approx(statistics.fmean(times), rel=1e-4, abs=0.06)


@pytest.mark.parametrize(
    ("fields", "unanswered"),
    [
        ({"status": 200, "upstream_ms": 3.0, "ending": "completed"}, 0),
        ({"status": 502, "ending": "unanswered", "error_type": "upstream_unreachable"}, 1),
        ({"ending": "left", "error_type": "client_left"}, 1),
        ({"status": 400, "error_type": "upstream_key_missing"}, 1),
        ({"status": 200}, 0),
    ],
    ids=["answered", "unreachable", "left before the answer", "refused by the proxy", "of version 0.1.0"],
)
def test_requests_without_an_answer_are_told(fields: dict[str, Any], unanswered: int) -> None:
    """The provider has counted at most those that are left."""
    line = LogLine(ts="2026-11-29T10:00:00.000+00:00", method="POST", path="/v1/responses", **fields)
    assert (1, unanswered) == (total([line]).requests, total([line]).unanswered)


def test_an_older_file_has_fewer_fields() -> None:
    """A row that an earlier version wrote is read, and its newer fields are zero."""
    assert Totals(requests=3, failed=1) == msgspec.json.decode(b"[3,1]", type=Totals)
