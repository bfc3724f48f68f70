"""A timed request records the same of its stream, however the stream is cut into pieces."""

from __future__ import annotations

from typing import Any

import pytest

from cfp.bench.sample import sample
from cfp.bench.timed_request import ErrorType, Phase, TimedRequest, Usage
from cfp.bench.workload import Tier
from cfp.demo.scripted_turns import ScriptedTurn as AnsweredTurn
from cfp.demo.scripted_turns import events
from tests.bench.support import FIRST, a_timed_request, sse

EVENT_STREAM = "text/event-stream; charset=utf-8"


def _streamed(story: list[Any], timed: TimedRequest | None = None) -> TimedRequest:
    """A timed request whose head comes after 50 ms and whose events come one each 10 ms after that."""
    timed = timed or a_timed_request()
    timed.answered(200, EVENT_STREAM, 100.05)
    for number, event in enumerate(story, 1):
        timed.feed(sse(event), 100.05 + number / 100)
    return timed


def test_what_is_no_json_object_is_no_event() -> None:
    """`[DONE]` and the like are passed over."""
    timed = a_timed_request()
    timed.answered(200, EVENT_STREAM, 100.05)
    timed.feed(b"data: [DONE]\n\ndata: [1]\n\n", 100.06)
    assert timed.first_event_ms is None
    timed.feed(b"data: {}\n\n", 100.07)
    assert pytest.approx(70) == timed.first_event_ms


def test_a_whole_turn() -> None:
    """Times of head, first event, first text and end; length, tier and tokens; and not a word of the text."""
    phases: list[Phase] = []
    story = events({"model": "m", "service_tier": "priority"}, AnsweredTurn(text="one two three"), 1)
    timed = _streamed(story, a_timed_request(tier_sent="priority", report=phases.append))
    timed.ended(109.0)
    assert pytest.approx((50, 60, 100, 50 + 10 * len(story))) == (
        timed.ttfb_ms,
        timed.first_event_ms,
        timed.first_output_ms,
        timed.total_ms,
    )
    assert (13, "priority", None) == (timed.output_chars, timed.echoed, timed.error)
    assert Usage(input_tokens=11, cached_tokens=0, output_tokens=3, reasoning_tokens=0) == timed.usage
    assert [Phase.ANSWERED, Phase.WRITING] == phases
    assert "three" not in repr(sample(FIRST, [timed], None))


def test_a_provider_without_deltas() -> None:
    """Text that comes with the completed response only is counted there."""
    story = [event for event in events({}, AnsweredTurn(text="one two"), 1) if "delta" not in event["type"]]
    timed = _streamed(story)
    assert (7, timed.total_ms) == (timed.output_chars, timed.first_output_ms)


@pytest.mark.parametrize("count", range(10))
def test_a_cut_stream_does_not_count(count: int) -> None:
    """Whatever is missing of response.completed, the sample is an error."""
    story = events({}, AnsweredTurn(text="one two three"), 1)[:count]
    timed = _streamed(story)
    timed.ended(101.0)
    assert ErrorType.CUT == timed.error
    broken = _streamed(story)
    broken.failed("ReadError", 101.0)
    assert ("ReadError", 1000.0) == (broken.error, pytest.approx(broken.total_ms))


def test_what_comes_after_the_end_changes_nothing() -> None:
    """A connection that breaks, lingers or is cancelled after response.completed was whole before."""
    timed = _streamed(events({}, AnsweredTurn(), 1))
    total = timed.total_ms
    timed.failed("ReadError", 105.0)
    timed.ended(106.0)
    assert (None, total) == (timed.error, timed.total_ms)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "response.failed", "response": {"error": {"message": "no"}}}, ErrorType.FAILED),
        ({"type": "error", "message": "no"}, ErrorType.FAILED),
        ({"type": "response.incomplete", "response": {}}, ErrorType.INCOMPLETE),
    ],
)
def test_a_failure_in_the_stream(event: dict[str, Any], expected: ErrorType) -> None:
    """A provider that answers 200 and then fails has failed."""
    timed = _streamed([event])
    timed.ended(101.0)
    assert expected == timed.error


@pytest.mark.parametrize(
    ("status", "content_type", "expected"),
    [(400, "application/json", ErrorType.HTTP), (503, EVENT_STREAM, ErrorType.HTTP)],
)
def test_an_answer_that_is_a_refusal(status: int, content_type: str | None, expected: ErrorType) -> None:
    """Refusals do not count, whatever their body looks like."""
    timed = a_timed_request()
    timed.answered(status, content_type, 100.5)
    timed.feed(sse({"type": "response.completed", "response": {}}), 100.6)
    timed.ended(100.7)
    assert (expected, None) == (timed.error, timed.first_event_ms)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_the_events_make_a_stream(content_type: str | None) -> None:
    """A body with events counts whatever its type, as in Codex; one without is no stream."""
    for body, error in ((sse({"type": "response.completed", "response": {}}), None), (b"{}", ErrorType.NOT_EVENTS)):
        timed = a_timed_request()
        timed.answered(200, content_type, 100.5)
        timed.feed(body, 100.6)
        timed.ended(100.7)
        assert (error, error is None) == (timed.error, timed.streams)


@pytest.mark.parametrize("response", [None, [], {"usage": []}, {"usage": {"output_tokens": "many"}}, {"output": [1]}])
def test_odd_completions_are_borne(response: Any) -> None:
    """A provider may say anything in its last event."""
    timed = _streamed([{"type": "response.completed", "response": response}])
    assert (None, Usage()) == (timed.error, timed.usage)


def test_a_turn_of_several_requests_is_summed() -> None:
    """A turn of two requests has the sum of their times and the first output of either."""
    silent = _streamed([{"type": "response.completed", "response": {}}])
    spoken = _streamed(events({}, AnsweredTurn(text="one two"), 1))
    whole = sample(FIRST, [silent, spoken], None)
    assert (silent.total_ms or 0) + (spoken.total_ms or 0) == whole.total_ms
    assert (2, 7, spoken.first_output_ms, True) == (
        whole.requests,
        whole.output_chars,
        whole.first_output_ms,
        whole.ok,
    )


def test_a_turn_without_a_request() -> None:
    """A sample without any request says so; a timeout takes precedence."""
    assert ErrorType.CODEX == sample(FIRST, [], None).error_type
    assert ErrorType.TIMEOUT == sample(FIRST, [], ErrorType.TIMEOUT).error_type
    assert ErrorType.TIMEOUT == sample(FIRST, [a_timed_request()], ErrorType.TIMEOUT).error_type
    assert Tier.DEFAULT == sample(FIRST, [], None).tier
