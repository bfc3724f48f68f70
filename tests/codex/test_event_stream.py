"""Event streams, parsed from any pieces and formatted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.codex.event_stream import EventStreamParser, format_event, json_object

EVENT = (
    b'event: response.created\ndata: {"type":"response.created",\ndata: "response":{"service_tier":"priority"}}\n\n'
)
JSON_EVENTS = st.lists(
    st.fixed_dictionaries({"type": st.text(max_size=5), "x": st.none() | st.integers() | st.text(max_size=5)}),
    max_size=6,
)


def parsed(*pieces: bytes) -> list[bytes]:
    parser = EventStreamParser()
    return [data for piece in pieces for data in parser.feed(piece)]


def cut(stream: bytes, positions: list[int]) -> list[bytes]:
    ends = sorted(position % (len(stream) + 1) for position in positions)
    return [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]


def _data(event: dict[str, Any], end: str) -> str:
    """The event as data of several lines."""
    return "".join(f"data: {line}{end}" for line in json.dumps(event, indent=1).split("\n"))


@given(
    JSON_EVENTS, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.lists(st.integers(0, 1 << 16), max_size=8)
)
def test_events_survive_any_cut(events: list[dict[str, Any]], end: str, bom: bool, positions: list[int]) -> None:  # noqa: FBT001 - a generated value
    """Any line end, any cut between bytes, comments in between: the same events."""
    text = "".join(f": ping{end}event: e{end}{_data(event, end)}{end}" for event in events)
    stream = (b"\xef\xbb\xbf" if bom else b"") + text.encode() + b": the end\n"
    assert events == [json_object(data) for data in parsed(*cut(stream, positions))]


@given(st.lists(st.sampled_from([b"data", b":", b" ", b"x", b"\r", b"\n", b"\xef\xbb\xbf", b"\xef"])), st.data())
def test_cuts_change_nothing(parts: list[bytes], draw: st.DataObject) -> None:
    """Whatever the bytes are, the events are those of the whole stream."""
    stream = b"".join(parts)
    positions = draw.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    assert parsed(stream) == parsed(*cut(stream, positions))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_ends_with_its_empty_line(end: bytes) -> None:
    """Not a byte earlier, whatever ends the lines; what follows does not matter."""
    stream = (b": hello\n\nretry: 3\n\n" + EVENT).replace(b"\n", end)
    event, done = parsed(stream + b"data: [DONE]" + end + end)
    assert {"type": "response.created", "response": {"service_tier": "priority"}} == json_object(event)
    assert b"[DONE]" == done
    assert [] == parsed(stream[: -len(end)])
    assert [event] == parsed(stream)


@pytest.mark.parametrize(
    "stream", [b"", b"data: {}", b"data: {}\n", b": comment\n\n", b"event: x\n\n", b"\xef\xbb\xbf\n\n", b"\xef\xbb"]
)
def test_less_is_no_event(stream: bytes) -> None:
    """Comments, names without data and lines without an end are none."""
    assert [] == parsed(stream)


def test_only_the_first_byte_order_mark_is_dropped() -> None:
    """A later one is a part of its line."""
    assert [b"\xef\xbb\xbf"] == parsed(b"\xef\xbb\xbfdata:\xef\xbb\xbf\n\n")
    assert [] == parsed(b"x\n", b"\xef\xbb\xbfdata: 1\n\n")


def test_memory_is_bounded() -> None:
    """A line that is too long is left out, and the events behind it are parsed."""
    parser = EventStreamParser()
    for _ in range(40):
        assert [] == parser.feed(b"data: " + bytes(1 << 20))
    assert sum(map(len, parser._line)) <= 32 * (1 << 20)
    assert [b"1"] == parser.feed(b"\ndata: 1\n\n")


@pytest.mark.parametrize("data", [b"[DONE]", b"3", b"[" * 5000, b"\xff", b""])
def test_data_may_be_no_object(data: bytes) -> None:
    """`[DONE]` and the like are events all the same."""
    assert [data] == parsed(b"data:" + data + b"\n\n")
    assert json_object(data) is None


@given(JSON_EVENTS)
def test_a_formatted_event_is_parsed_back(events: list[dict[str, Any]]) -> None:
    """With its data and nothing else."""
    stream = b"".join(format_event("state", json.dumps(event).encode()) for event in events)
    assert events == [json_object(data) for data in parsed(stream)]
