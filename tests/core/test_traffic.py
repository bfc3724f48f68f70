"""The purpose and outcome of requests, and the trouble that the last one points to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.traffic.requests import NOT_ADMITTED, Outcome, Purpose, outcome, purpose
from cfp.core.traffic.trouble import Traffic, parse_traffic, traffic_of, when
from cfp.messages.diagnoses import DIAGNOSES, TrafficCode
from cfp.proxy.dashboard.state import request_row
from cfp.proxy.exchange.admission import Denial
from cfp.proxy.http.local_responses import LocalResponse
from tests.dashboard.stage import line

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
METADATA = {"method": "GET", "path": "/v1/models", "eligible": False}
GENERATION = line(AT, 1)["settings_generation"]
OURS = [answer.code for answer in LocalResponse if answer is not LocalResponse.NOT_ADMITTED]

ERRORS = st.sampled_from([None, "client_left", "upstream_cut", "malformed_request", *NOT_ADMITTED, *OURS])
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


def traffic(lines: Sequence[dict[str, Any]]) -> Traffic:
    """Return the state of the route after these requests, oldest first."""
    return traffic_of(reversed(lines), GENERATION)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Purpose.GENERATION),
        ({"eligible": False}, Purpose.GENERATION),
        ({"path": "/v1/responses/compact", "eligible": False}, Purpose.GENERATION),
        ({"method": "GET", "transport": "websocket", "eligible": False}, Purpose.GENERATION),
        ({"method": "GET", "transport": "websocket", "eligible": False, "status": 101}, Purpose.METADATA),
        ({"method": "GET", "transport": "websocket", "eligible": False, "status": 426}, Purpose.METADATA),
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


# The level of each code: RISK where the next request fails too, by the age of the failure in minutes.
LEVELS = {
    "request_key_missing": (True, True),
    "provider_unreachable": (True, False),
    "upstream_loops": (True, True),
    "provider_redirects": (True, True),
    "provider_key_refused": (True, True),
    "provider_path_unknown": (True, True),
}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": 400, "error_type": "upstream_key_missing"}, "request_key_missing"),
        ({"status": 502, "error_type": "upstream_unreachable"}, "provider_unreachable"),
        ({"status": 508, "error_type": "proxy_loop"}, "upstream_loops"),
        ({"status": 400, "error_type": "upstream_redirect"}, "provider_redirects"),
        ({"status": 200, "error_type": "upstream_cut"}, "provider_broke_off"),
        ({"status": 504, "error_type": "upstream_silent"}, "provider_broke_off"),
        ({"status": 402}, "provider_limits"),
        ({"status": 429}, "provider_limits"),
        ({"status": 429, "transport": "websocket", "error_type": "upstream_error"}, "provider_limits"),
        ({"status": 401}, "provider_key_refused"),
        ({"status": 403, "upstream_error_code": "insufficient_user_quota"}, "provider_limits"),
        ({"status": 400, "upstream_error_code": "budget_exceeded"}, "provider_limits"),
        ({"status": 503, "upstream_error_code": "model_not_found"}, "provider_path_unknown"),
        ({"status": 403, "response_content_type": "text/html; charset=UTF-8"}, "provider_answers_otherwise"),
        ({"status": 400, "upstream_error_code": "no_db_connection"}, "provider_key_refused"),
        ({"status": 404}, "provider_path_unknown"),
        ({"status": 503}, "provider_failing"),
        ({"status": 422}, "provider_refused"),
        ({"status": None, "error_type": "internal"}, "request_failing"),
    ],
)
def test_the_last_failure_has_a_name(fields: dict[str, Any], code: TrafficCode) -> None:
    """Each way to fail has a code with a sentence; what may pass by itself is no risk once it is old."""
    seen = traffic([line(AT, 1), line(AT, 2, **fields)])
    assert (AT.isoformat(timespec="milliseconds"), code) == (seen.last_success, seen.trouble.code)
    fresh, old = LEVELS.get(code, (False, False))
    assert (fresh, old) == tuple(seen.trouble.is_risk(AT + timedelta(minutes=age)) for age in (9, 11))
    sentence = DIAGNOSES[code].filled({"key": "a key", **seen.trouble.details(AT)}).sentence
    assert "at 03:04 UTC" in sentence
    assert "(no " not in sentence


@pytest.mark.parametrize(
    "later",
    [
        [line(AT, 2)],
        [line(AT, 2), line(AT, 3, **METADATA, status=500)],
        [line(AT, 2), line(AT, 3, error_type="client_left")],
        [line(AT, 2), line(AT, 3, status=403, error_type="host_not_allowed", eligible=False)],
        [line(AT, 2), line(AT, 3, status=426, transport="websocket", error_type="websocket_not_served")],
    ],
)
def test_what_works_again_is_no_trouble(later: list[dict[str, Any]]) -> None:
    """One success ends the trouble; metadata, interrupted turns, denied requests and handshakes do not count."""
    assert traffic([line(AT, 1, status=500), *later]).trouble is None


def test_a_handshake_is_no_success() -> None:
    """The provider takes a WebSocket before it has run a turn."""
    refused = line(AT, 1, status=401)
    assert traffic([refused, line(AT, 2, status=101, transport="websocket")]).trouble is not None


def test_other_settings_do_not_count() -> None:
    """A request that went another way shows nothing about the present one."""
    before = [line(AT, 1), line(AT, 2, status=401)]
    assert Traffic() == traffic_of(reversed(before), "another")


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"status": 401}, False),
        ({"status": 400, "error_type": "upstream_key_missing"}, False),
        ({"status": 503}, True),
    ],
)
def test_a_newer_key_has_not_been_refused(fields: dict[str, Any], *, counts: bool) -> None:
    """A key that was written after the refusal may be right; the provider's own fault has nothing to do with it."""
    lines = [line(AT, 1, **fields)]
    changed = AT.timestamp() + 1
    assert counts == (traffic_of(lines, GENERATION, changed).trouble is not None)
    assert traffic_of(lines, GENERATION, AT.timestamp() - 1).trouble is not None


@given(LINES)
def test_every_line_is_judged(lines: list[dict[str, Any]]) -> None:
    """Any log line has a purpose and an outcome, and trouble is a failed model request; JSON keeps all of it."""
    rows = [request_row(one) for one in lines]
    seen = traffic([{**one, "ts": AT.isoformat(), "settings_generation": GENERATION} for one in lines])
    turns = [
        row["outcome"] for row in rows if row["purpose"] is Purpose.GENERATION and row["outcome"] != Outcome.LEFT
    ]
    since = list(takewhile(lambda outcome: outcome is Outcome.FAILED, reversed(turns)))
    assert len(since) == (seen.trouble.in_row if seen.trouble is not None else 0)
    assert (Outcome.OK in turns) == (seen.last_success is not None)
    assert seen == parse_traffic(json.loads(json.dumps(seen.to_json())))


@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_answer_is_read(answer: Any) -> None:
    """Whatever a worker answers, reading it fails never."""
    assert isinstance(parse_traffic({"trouble": answer, "last_success": answer}), Traffic)
    assert isinstance(parse_traffic(answer), Traffic)


def test_who_is_not_admitted() -> None:
    """The reasons of the worker's admission are those that do not count."""
    assert {denial.value for denial in Denial} == NOT_ADMITTED


def test_times_in_words() -> None:
    """A time of another day has its day, in UTC like the log; what is no time says so."""
    assert "at 03:04 UTC" == when(AT.isoformat(), AT)
    assert "on 2026-01-02 at 03:04 UTC" == when(AT.isoformat(), AT + timedelta(days=1))
    assert "at an unknown time" == when("2026-01-02T03:04:05", AT)
