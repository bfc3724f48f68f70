"""The facts read from a stream on its way: the tier that served it and its token counts."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.traffic.requests import Ending
from cfp.proxy.http.messages import ResponseHead
from cfp.proxy.telemetry.response_facts import ResponseFacts, TokenCounts, read_facts
from cfp.proxy.telemetry.stream_observer import StreamObserver

SSE = Path(__file__).parents[3] / "fixtures" / "sse"
EXPECTED = json.loads((SSE / "expected.json").read_text())
NAMES = sorted(EXPECTED)


def expected(name: str) -> ResponseFacts | None:
    facts = EXPECTED[name]
    if name == "odd_types":
        return ResponseFacts(None, None, Ending.COMPLETED)
    model = None if name == "bare_data" else "gpt-5.5"
    if facts is None:
        return None
    usage = None if facts[1] is None else TokenCounts(**facts[1])
    code = "server_error" if name == "failed" else None
    return ResponseFacts(facts[0], usage, ENDINGS.get(name, Ending.COMPLETED), code, model)


ENDINGS = {"cut": None, "failed": Ending.FAILED, "incomplete": Ending.INCOMPLETE}


def facts_of(pieces: list[bytes], *, sse: bool = True) -> ResponseFacts | None:
    observer = StreamObserver(sse=sse)
    for piece in pieces:
        observer.feed(piece)
    return read_facts(observer)


@pytest.mark.parametrize("name", NAMES)
def test_tier_and_usage_are_read_from_streams(name: str) -> None:
    """The last event with a response counts; text of the response that looks like one does not."""
    assert facts_of([(SSE / f"{name}.sse").read_bytes()]) == expected(name)


@given(st.sampled_from(NAMES), st.lists(st.integers(0, 10_000), max_size=12))
def test_cuts_change_nothing(name: str, at: list[int]) -> None:
    """The facts do not depend on how the stream is cut into pieces."""
    text = (SSE / f"{name}.sse").read_bytes()
    marks = [0, *sorted(mark % (len(text) + 1) for mark in at), len(text)]
    assert facts_of([text[start:end] for start, end in pairwise(marks)]) == expected(name)


def test_byte_by_byte() -> None:
    """The hardest cut of all."""
    text = (SSE / "completed.sse").read_bytes()
    assert facts_of([bytes([byte]) for byte in text]) == expected("completed")


OUTPUTS = ("output_text", "reasoning_summary_text", "function_call_arguments", "custom_tool_call_input")
BEFORE = (
    b'data: {"type":"response.created","response":{"instructions":"a.delta","id":"b.delta"}}\n\n',
    b'event: response.output_item.added\ndata: {"type":"response.output_item.added","item":{"id":"c.delta"}}\n\n',
    b'data: {"text":"\\"type\\":\\"response.output_text.delta\\""}\n\n',
    b": ping\n\n",
)


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("colon", [b":", b": "])
@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
def test_the_first_output_is_timed(kind: str, colon: bytes, cut: int) -> None:
    """The first event with a part of the output counts, however it is cut; a text that looks like one does not."""
    observer = StreamObserver(sse=True)

    def feed(text: bytes) -> None:
        for start in range(0, len(text), cut):
            observer.feed(text[start : start + cut])

    feed(b"".join(BEFORE))
    assert observer.output_at is None
    feed(b'data: {"type"%b"response.%b.delta","delta":"Hi"}\n\n' % (colon, kind.encode()))
    first = observer.output_at
    assert first is not None
    feed(b'data: {"type":"response.output_text.delta","delta":"!"}\n\n')
    assert first == observer.output_at


def test_a_response_without_a_stream_has_no_first_output() -> None:
    """A whole JSON response comes at once."""
    observer = StreamObserver(sse=False)
    observer.feed(b'{"output":[],"x":{"type":"response.output_text.delta"}}')
    assert observer.output_at is None


def test_memory_is_bounded() -> None:
    """An event larger than the limit is neither reported nor kept."""
    observer = StreamObserver(sse=True)
    observer.feed(b'data: {"type":"response.completed","response":{"output":"')
    for _ in range(100):
        observer.feed(bytes(100_000))
    assert sum(map(len, observer._pieces)) <= 4 * 1024 * 1024
    observer.feed(b'"}}\n\n')
    assert read_facts(observer) is None
    observer.feed((SSE / "completed.sse").read_bytes())
    assert read_facts(observer) == expected("completed")


def test_a_response_without_a_stream_is_read_too() -> None:
    """`stream: false` gives one JSON object."""
    assert facts_of([b'{"service_tier":"flex",', b'"usage":null}'], sse=False) == ResponseFacts(
        "flex", None, Ending.COMPLETED
    )


@pytest.mark.parametrize(
    ("fields", "watched"),
    [
        ({b"content-type": b"text/event-stream; charset=utf-8"}, True),
        ({b"content-type": b"application/json"}, True),
        ({b"content-type": b"image/png"}, False),
        ({b"content-type": b"text/event-stream", b"content-encoding": b"gzip"}, True),
        ({b"content-type": b"text/event-stream", b"content-encoding": b"br"}, False),
        ({}, False),
    ],
)
def test_only_readable_responses_are_observed(fields: dict[bytes, bytes], *, watched: bool) -> None:
    """Bodies of other types, or in a coding that the worker does not know, are not observed."""
    head = ResponseHead(200, b"OK", [], fields, 1, keep_alive=True, length=None, chunked=True, until_close=False)
    assert (StreamObserver.of(head) is not None) == watched
