"""The time that Fast has saved: only by a benchmark of the same model, tier and upstream, and only of the log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.dashboard.saved_time import Factor, FastRequests, Subject, factors
from tests.dashboard import stage

BASE = "https://relay.example/v1"
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
RUN = stage.run(BASE, AT, 0)
FACTORS = {Subject(BASE, stage.FAST, "priority"): Factor(at=RUN["ts"], middle=1.464, low=1.31, high=1.6)}


def saved(folder: Path, *lines: dict[str, Any], runs: tuple[dict[str, Any], ...] = (RUN,), since: str = "") -> Any:
    log = folder / "log"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    requests = FastRequests()
    requests.fold(log)
    return requests.saved(BASE, factors(runs), since)


def fast(number: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a request with Fast that took a second."""
    return stage.line(AT, number, **{"duration_ms": 1000.0, "upstream_base": BASE, "ending": "completed", **fields})


def test_a_benchmark_speaks_for_its_requests(tmp_path: Path) -> None:
    """Two seconds at 1.464 times the speed have saved 0.928 s, with the interval's ends."""
    known = {"requests": 2, "measured": 2, "benchmarks": [RUN["ts"]], "ms": 928, "low_ms": 620, "high_ms": 1200}
    assert known == saved(tmp_path, fast(1), fast(2, service_tier_after="fast"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "another"}, (1, 0)),
        ({"service_tier_after": "ultrafast", "response_service_tier": None}, (1, 0)),
        ({"response_service_tier": None}, (1, 1)),
        ({"response_service_tier": "default"}, (0, 0)),
        ({"service_tier_after": None}, (0, 0)),
        ({"service_tier_after": "flex"}, (0, 0)),
        ({"upstream_base": "https://other.example/v1"}, (0, 0)),
        ({"upstream_base": None}, (0, 0)),
        ({"ending": "failed"}, (0, 0)),
        ({"ending": "left"}, (0, 0)),
        ({"duration_ms": None}, (0, 0)),
    ],
)
def test_no_benchmark_speaks_for_others(tmp_path: Path, fields: dict[str, Any], expected: tuple[int, int]) -> None:
    """Another model, tier or upstream is not measured; what failed or was not served with the tier saved nothing."""
    known = saved(tmp_path, fast(**fields))
    assert expected == (known["requests"], known["measured"])
    assert (known["ms"] is None) == (known["measured"] == 0)


def test_only_the_chosen_days_count(tmp_path: Path) -> None:
    """Requests before the first day are left out."""
    earlier = fast(1, ts=(AT - timedelta(days=1)).isoformat())
    assert 1 == saved(tmp_path, earlier, fast(2), since="2026-03-04")["requests"]
    assert 2 == saved(tmp_path, earlier, fast(2))["requests"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 1.464),
        ({"verdict": "no_effect"}, 1.0),
        ({"verdict": "slower", "observed_speedup_total": 0.8}, 0.8),
        ({"verdict": "not_enough_data"}, None),
        ({"verdict": "refused"}, None),
        ({"profile": "smoke"}, None),
        ({"confidence_interval": None}, None),
        ({"confidence_interval": [1.2]}, None),
        ({"observed_speedup_total": "1.4"}, None),
        ({"observed_speedup_total": 1e9}, None),
        ({"observed_speedup_total": -1}, None),
        ({"model": None}, None),
        ({"service_tier": 7}, None),
        ({"ts": "yesterday"}, None),
    ],
)
def test_only_a_decided_benchmark_measures(fields: dict[str, Any], expected: float | None) -> None:
    """A full run with a verdict and an interval has a factor, and nothing else has one."""
    assert expected == next((factor.middle for factor in factors([RUN | fields]).values()), None)


def test_the_newest_benchmark_counts() -> None:
    """A later run of the same subject replaces an earlier one, unless it could not decide."""
    later = RUN | {"observed_speedup_total": 2.0, "ts": (AT + timedelta(days=1)).isoformat()}
    undecided = RUN | {"verdict": "not_enough_data"}
    assert [2.0] == [factor.middle for factor in factors([RUN, later, undecided]).values()]


@given(cut=st.integers(0, 20), durations=st.lists(st.floats(0, 1e9), min_size=20, max_size=20))
def test_a_second_look_adds_only_what_came(
    tmp_path_factory: pytest.TempPathFactory, cut: int, durations: list[float]
) -> None:
    """Folding the log in two parts, and once more, gives the sums of folding it at once."""
    log = tmp_path_factory.mktemp("log") / "log"
    lines = [json.dumps(fast(number, duration_ms=ms)) + "\n" for number, ms in enumerate(durations)]
    parts, whole = FastRequests(), FastRequests()
    log.write_text("".join(lines[:cut]))
    parts.fold(log)
    log.write_text("".join(lines))
    parts.fold(log)
    parts.fold(log)
    whole.fold(log)
    assert whole.saved(BASE, FACTORS, "") == parts.saved(BASE, FACTORS, "")
    assert 20 == whole.saved(BASE, FACTORS, "")["measured"]


def test_lines_that_are_none_are_left_out(tmp_path: Path) -> None:
    """Torn, foreign and odd lines are no requests."""
    log = tmp_path / "log"
    log.write_bytes(b'{"ts":\n[]\n{"ts":7}\n{"ts":"yesterday"}\n' + b"[" * 100_000 + b"\n\xff\n")
    requests = FastRequests()
    requests.fold(log)
    assert (None, 0) == (requests.oldest, requests.saved(BASE, FACTORS, "")["requests"])
