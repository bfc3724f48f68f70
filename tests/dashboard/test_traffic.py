"""The purpose and outcome of requests, and the trouble that the last one points to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.dashboard.traffic import Outcome, Purpose, outcome, purpose, request_row, trouble
from cfp.proxy.exchange.admission import Denial
from cfp.proxy.http.local_responses import LocalResponse
from tests.dashboard.stage import line

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
METADATA = {"method": "GET", "path": "/v1/models", "eligible": False}
OURS = [answer.code for answer in LocalResponse if answer is not LocalResponse.NOT_ADMITTED]

ERRORS = st.sampled_from([None, "client_left", "upstream_cut", "malformed_request", *Denial, *OURS])
LINES = st.lists(
    st.fixed_dictionaries(
        {"method": st.sampled_from(["GET", "HEAD", "POST", "PUT"])},
        optional={
            "status": st.none() | st.integers(100, 599),
            "error_type": ERRORS,
            "eligible": st.booleans(),
            "path": st.sampled_from(["/v1/responses", "/v1/models", "/v1/files", "/v1/responses/compact"]),
            "transport": st.sampled_from(["http", "websocket"]),
        },
    ),
    max_size=6,
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Purpose.GENERATION),
        ({"eligible": False}, Purpose.GENERATION),
        ({"path": "/v1/responses/compact", "eligible": False}, Purpose.GENERATION),
        ({"method": "GET", "transport": "websocket", "eligible": False}, Purpose.GENERATION),
        (METADATA, Purpose.METADATA),
        ({"method": "HEAD", "eligible": False}, Purpose.METADATA),
        ({"path": "/v1/files", "eligible": False}, Purpose.OTHER),
        ({"status": 403, "error_type": "origin_not_allowed", "eligible": False}, Purpose.OTHER),
    ],
)
def test_each_request_has_a_purpose(fields: dict[str, Any], expected: Purpose) -> None:
    """Model requests are one purpose, metadata another; a denied web page's request is neither."""
    assert expected == purpose(line(AT, 1, **fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Outcome.OK),
        ({"status": 302}, Outcome.OK),
        ({"status": 429}, Outcome.FAILED),
        ({"status": None}, Outcome.FAILED),
        ({"error_type": "upstream_cut"}, Outcome.FAILED),
        ({"error_type": "client_left"}, Outcome.LEFT),
        ({"error_type": "client_left", "status": None}, Outcome.LEFT),
    ],
)
def test_each_request_has_an_outcome(fields: dict[str, Any], expected: Outcome) -> None:
    """A cut stream failed although its status is 200; a request that the user left did not fail."""
    assert expected == outcome(line(AT, 1, **fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": 400, "error_type": "upstream_key_missing"}, ("request_key_missing", "risk")),
        ({"status": 502, "error_type": "upstream_unreachable"}, ("provider_unreachable", "risk")),
        ({"status": 508, "error_type": "proxy_loop"}, ("upstream_loops", "risk")),
        ({"status": 400, "error_type": "upstream_redirect"}, ("provider_redirects", "risk")),
        ({"status": 200, "error_type": "upstream_cut"}, ("provider_broke_off", "attention")),
        ({"status": 504, "error_type": "upstream_silent"}, ("provider_broke_off", "attention")),
        ({"status": 402}, ("provider_limits", "attention")),
        ({"status": 429}, ("provider_limits", "attention")),
        ({"status": 401}, ("provider_key_refused", "risk")),
        ({"status": 404}, ("provider_path_unknown", "risk")),
        ({"status": 503}, ("provider_failing", "attention")),
        ({"status": 422}, ("provider_refused", "attention")),
        ({"status": None, "error_type": "internal"}, ("request_failing", "attention")),
    ],
)
def test_the_last_failure_has_a_name(fields: dict[str, Any], expected: tuple[str, str]) -> None:
    """Each way to fail has a code with an action."""
    finding = trouble([line(AT, 1), line(AT, 2, **fields)])
    assert finding is not None
    assert expected == finding[:2]


@pytest.mark.parametrize(
    "later",
    [
        [line(AT, 2)],
        [line(AT, 2), line(AT, 3, **METADATA, status=500)],
        [line(AT, 2), line(AT, 3, error_type="client_left")],
        [line(AT, 2), line(AT, 3, status=403, error_type="host_not_allowed", eligible=False)],
    ],
)
def test_what_works_again_is_no_trouble(later: list[dict[str, Any]]) -> None:
    """One successful turn ends the trouble; metadata, interrupted turns and denied requests do not count."""
    assert trouble([line(AT, 1, status=500), *later]) is None


@given(LINES)
def test_every_line_is_judged(lines: list[dict[str, Any]]) -> None:
    """Any log line has a purpose and an outcome, and trouble is a failed model request."""
    rows = [request_row(one) for one in lines]
    finding = trouble(lines)
    turns = [row for row in rows if row["kind"] is Purpose.GENERATION and row["outcome"] is not Outcome.LEFT]
    assert (finding is not None) == bool(turns and turns[-1]["outcome"] is Outcome.FAILED)
