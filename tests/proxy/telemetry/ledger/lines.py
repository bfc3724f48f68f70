"""Lines of the request log for the tests of the ledger, drawn at random, and the sums that they must come to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from cfp.proxy.telemetry.ledger.entry import LoggedRequest, read_entry
from cfp.proxy.telemetry.log_lines import LogLine, encode
from cfp.proxy.telemetry.response_facts import TokenCounts

COUNTS = st.none() | st.integers(0, 200_000)
TIERS = st.sampled_from([None, "fast", "priority", "flex", "default"])
TIMES = st.none() | st.floats(0, 4e6).map(lambda value: round(value, 3))
USAGES = st.none() | st.builds(
    TokenCounts, input_tokens=COUNTS, cached_tokens=COUNTS, output_tokens=COUNTS, reasoning_tokens=COUNTS
)
LINES = st.builds(
    LogLine,
    ts=st.datetimes().map(lambda time: f"{time.isoformat()}+00:00"),
    request_id=st.uuids().map(str),
    method=st.just("POST"),
    path=st.just("/v1/responses"),
    eligible=st.just(True),
    status=st.sampled_from([200, 200, 200, 429, 502, None]),
    ending=st.sampled_from(["completed", "incomplete", "failed", "left", "unanswered", None]),
    session=st.sampled_from([None, "one", "two", "three"]),
    model=st.sampled_from([None, "gpt-5.5", "gpt-6"]),
    service_tier_before=TIERS,
    service_tier_after=TIERS,
    response_service_tier=TIERS,
    first_byte_ms=TIMES,
    first_output_ms=TIMES,
    duration_ms=TIMES,
    upstream_ms=TIMES,
    usage=USAGES,
)


def entry_of(line: LogLine) -> LoggedRequest:
    entry = read_entry(encode([line]).rstrip())
    assert entry is not None
    return entry


def sums(lines: Iterable[LogLine]) -> dict[str, Any]:
    """The requests and tokens of the lines, added up by other means than the ledger's."""
    every = list(lines)
    usages = [line.usage for line in every if line.usage is not None]
    fast = {"fast", "priority", "ultrafast"}
    return {
        "requests": len(every),
        "unreported": len(every) - len(usages),
        **{
            name: sum(getattr(usage, name) or 0 for usage in usages)
            for name in ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
        },
        "fast_asked": len([line for line in every if line.service_tier_before in fast]),
        "fast_sent": len([line for line in every if line.service_tier_after in fast]),
        "fast_served": len([line for line in every if line.response_service_tier in fast]),
    }
