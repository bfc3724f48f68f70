"""The first event of a stream and the words of a refusal, from bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cfp.host.provider.event_stream import first_event, provider_message, service_tier

EVENT = (
    b'event: response.created\ndata: {"type":"response.created",\ndata: "response":{"service_tier":"priority"}}\n\n'
)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_there_with_its_empty_line(end: bytes) -> None:
    """Not a byte earlier, whatever ends the lines; what follows does not matter."""
    stream = (b": hello\n\nretry: 3\n\n" + EVENT).replace(b"\n", end)
    event = first_event(stream + b"data: [DONE]" + end + end)
    assert event is not None
    assert (event["type"], service_tier(event)) == ("response.created", "priority")
    assert first_event(stream[: -len(end)]) is None


@pytest.mark.parametrize(
    "stream", [b"", b"data: {}", b"data: {}\n", b": comment\n\n", b"event: x\n\n", b"\xef\xbb\xbf\n\n"]
)
def test_less_is_no_event(stream: bytes) -> None:
    """Comments, names without data and lines without an end are none."""
    assert first_event(stream) is None


@pytest.mark.parametrize("data", [b"[DONE]", b"3", b"[" * 5000, b"\xff"])
def test_data_that_is_no_object_is_an_event_without_members(data: bytes) -> None:
    """The stream lives; it just says nothing about a tier."""
    event = first_event(b"data:" + data + b"\n\n")
    assert event == {}
    assert service_tier(event) is None


@given(st.binary(max_size=60), st.integers(0, 60))
@example(b"data: {}\r\n\r\n", 9)
def test_more_bytes_never_take_an_event_back(tail: bytes, cut: int) -> None:
    """What was the first event stays it, however the stream is cut into pieces."""
    event = first_event(EVENT + tail)
    assert first_event(EVENT) == event
    first_event(tail[:cut])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "no such model", "type": "invalid"}}, "no such model"),
        ({"error": "plain"}, "plain"),
        ({"message": "top"}, "top"),
        ({"detail": [{"msg": "field required", "loc": []}]}, "field required"),
        ({"type": "response.failed", "response": {"error": {"message": "overloaded"}}}, "overloaded"),
        ({"error": {"code": 5}}, ""),
        (json.loads('{"error":' * 700 + "{}" + "}" * 700), ""),
        ({}, ""),
        ([], ""),
    ],
)
def test_the_words_are_found_where_providers_put_them(body: object, expected: str) -> None:
    """OpenAI's shape and the common ones of relays."""
    assert expected == provider_message(json.dumps(body).encode(), "application/json")


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"go away", "text/plain; charset=utf-8", "go away"),
        (b"<html>go away</html>", "text/html", ""),
        (b"\xff\xfe", "", ""),
    ],
)
def test_text_is_taken_and_a_page_is_not(body: bytes, content_type: str, expected: str) -> None:
    """A gateway's HTML page helps nobody in a JSON field."""
    assert expected == provider_message(body, content_type)
