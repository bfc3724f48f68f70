"""The ending of a model request in the log: by its final event, whoever closes first, in every coding and line end.

What direct Codex takes for a completed turn is one, and what it does not is none.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from cfp.codex.event_stream import EventStreamParser
from cfp.layout import Layout
from cfp.proxy.http.content_coding import StreamDecoder, encode
from cfp.proxy.telemetry.response_facts import read_event, read_facts
from cfp.proxy.telemetry.stream_observer import StreamObserver
from tests.proxy.support import Call, asynchronous, upstream, worker

USAGE = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
CREATED = {"type": "response.created", "response": {"service_tier": "auto", "status": "in_progress"}}
DELTA = {"type": "response.output_text.delta", "delta": '"response":{"type":"response.completed"} ' * 20}


def response(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": {"service_tier": "priority", "usage": USAGE, **members}}


# What the provider sends, and (ending, error_type, upstream_error_code) where it closes properly.
COMPLETED, CUT = ("completed", None, None), ("cut", "upstream_cut", None)
STREAMS: dict[str, tuple[list[Any], tuple[str | None, ...]]] = {
    "completed": ([CREATED, DELTA, response("completed")], COMPLETED),
    "completed with odd usage": ([CREATED, response("completed", usage=3, service_tier=["x"])], COMPLETED),
    "incomplete": ([CREATED, DELTA, response("incomplete")], ("incomplete", None, None)),
    "failed": (
        [CREATED, DELTA, response("failed", error={"code": "server_error", "message": "no"})],
        ("failed", "upstream_error", "server_error"),
    ),
    "error": (
        [CREATED, DELTA, {"type": "error", "code": "rate_limit_exceeded", "message": "slow down, Bob"}],
        ("failed", "upstream_error", "rate_limit_exceeded"),
    ),
    "error of a gateway": (
        [{"error": {"type": "insufficient_quota", "message": "pay"}}],
        ("failed", "upstream_error", "insufficient_quota"),
    ),
    "error whose code is a sentence": (
        [CREATED, {"type": "error", "error": {"code": "Bob said: no"}}],
        ("failed", "upstream_error", None),
    ),
    "a stream that ends early": ([CREATED, DELTA], CUT),
    "events without a response": ([DELTA], CUT),
    "a web page": (b"<html>data: none</html>", ("failed", "upstream_not_sse", None)),
    "nothing": (b"", ("failed", "upstream_not_sse", None)),
}
CODINGS = [b"identity", b"gzip", b"deflate", b"zstd"]
NEWLINES = [b"\n", b"\r\n", b"\r"]
CLOSERS = ["provider", "provider without a last chunk", "client after the final event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One response of the provider, and who closes."""

    name: str
    coding: bytes
    newline: bytes
    closer: str

    @property
    def body(self) -> bytes:
        return body_of(self.name, self.newline)

    @property
    def expected(self) -> tuple[str | None, ...]:
        """The ending, error_type and upstream_error_code of the log line."""
        ending = STREAMS[self.name][1]
        has_final_event = ending[0] in {"completed", "incomplete"} or ending[1] == "upstream_error"
        if has_final_event or self.closer == "provider":
            return ending
        if self.closer == "client after the final event":
            return "left", "client_left", None
        return CUT


def body_of(name: str, newline: bytes) -> bytes:
    """Return the bytes of a stream with these line ends, or of a web page."""
    events = STREAMS[name][0]
    if isinstance(events, bytes):
        return events
    lines = (b"event: x" + newline + b"data: " + json.dumps(event).encode() + newline * 2 for event in events)
    return b": hello" + newline * 2 + b"".join(lines)


CASES = {
    f"case-{number}": Case(name=name, coding=coding, newline=newline, closer=closer)
    for number, (name, coding, newline, closer) in enumerate(product(STREAMS, CODINGS, NEWLINES, CLOSERS))
}


async def _answer(call: Call, left: asyncio.Event) -> None:
    """Send the response of the case that the request names as its model, in three chunks."""
    case = CASES[json.loads(call.request.body)["model"]]
    body = encode(case.coding, [case.body]) if case.coding != b"identity" else case.body
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    await call.send(head + b"Content-Encoding: " + case.coding + b"\r\n\r\n")
    third = len(body) // 3 + 1
    for piece in filter(None, (body[:third], body[third : 2 * third], body[2 * third :])):
        await call.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    if case.closer == "client after the final event":
        await left.wait()
    with suppress(ConnectionError):
        if case.closer != "provider without a last chunk":
            await call.send(b"0\r\n\r\n")
    call.writer.close()


@pytest.mark.parametrize("coding", CODINGS)
def test_the_final_event_decides(tmp_path: Path, coding: bytes) -> None:
    """Every stream with every line end, closed by each side: the log has its ending, tier and usage."""
    cases = {name: case for name, case in CASES.items() if case.coding == coding}
    _run(tmp_path, cases)
    lines = {line["model"]: line for line in _log(tmp_path)}
    judged = {name: tuple(lines[name][field] for field in FIELDS) for name in cases}
    wrong = {cases[name]: ending for name, ending in judged.items() if ending != cases[name].expected}
    assert {} == wrong
    for name, case in cases.items():
        if case.name in {"completed", "incomplete", "failed"}:
            assert ("priority", 7) == (lines[name]["response_service_tier"], lines[name]["usage"]["output_tokens"])
        first = lines[name]["first_output_ms"]
        assert (b'.delta"' in case.body) == (first is not None)
        assert first is None or lines[name]["first_byte_ms"] <= first <= lines[name]["duration_ms"]


@asynchronous
async def _run(home: Path, cases: Mapping[str, Case]) -> None:
    """Send a request for each case through one worker."""
    left = asyncio.Event()
    async with upstream(lambda call: _answer(call, left)) as up, worker(home, up.base) as running:
        for name, case in cases.items():
            left.clear()
            client = await running.client()
            client.post(json.dumps({"model": name, "stream": True}).encode(), b"Connection: close")
            await client.head()
            if case.closer == "client after the final event":
                size = len(encode(case.coding, [case.body]) if case.coding != b"identity" else case.body)
                while size > 0:
                    length = int((await client.reader.readuntil(b"\r\n"))[:-2], 16)
                    await client.reader.readexactly(length + 2)
                    size -= length
            else:
                await client.closed()
            await client.close()
            left.set()


def _log(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Layout(home).request_log.read_text().splitlines()]


FIELDS = ("ending", "error_type", "upstream_error_code")


@pytest.mark.parametrize(
    ("head", "body", "stream", "expected"),
    [
        (b"", b'{"status":"completed","output":[]}', False, COMPLETED),
        (b"application/json", b'{"output":[]}', False, COMPLETED),
        (b"application/json", b'{"status":"incomplete"}', False, ("incomplete", None, None)),
        (
            b"application/json",
            b'{"status":"failed","error":{"code":"server_error"}}',
            False,
            ("failed", "upstream_error", "server_error"),
        ),
        (b"application/json", b'{"error":{"type":"x"}}', True, ("failed", "upstream_error", "x")),
        (b"application/json", b'{"output":[]}', True, ("failed", "upstream_not_sse", None)),
        (b"text/html", b"<html></html>", True, ("failed", "upstream_not_sse", None)),
        (b"", body_of("completed", b"\n"), True, COMPLETED),
        (b"text/plain", body_of("completed", b"\n"), True, COMPLETED),
        (b"application/json", body_of("completed", b"\n"), True, COMPLETED),
        (b"application/json", b"\n\n" + body_of("failed", b"\n"), True, STREAMS["failed"][1]),
        (b"application/json", b'\n {"output":[]}', True, ("failed", "upstream_not_sse", None)),
        (b"application/octet-stream", body_of("error", b"\n"), True, STREAMS["error"][1]),
    ],
)
def test_the_body_decides_and_not_its_type(
    tmp_path: Path, head: bytes, body: bytes, *, stream: bool, expected: tuple[str | None, ...]
) -> None:
    """JSON answers, web pages, and streams with another type or none: direct Codex reads the events alone."""

    @asynchronous
    async def ask() -> None:
        async def reply(call: Call) -> None:
            fields = b"Content-Type: " + head + b"\r\n" if head else b""
            await call.send(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body))

        async with upstream(reply) as up, worker(tmp_path, up.base) as running:
            client = await running.client()
            client.post(json.dumps({"model": "m", "stream": stream}).encode())
            assert body == (await client.response()).body
            await client.close()
        (line,) = running.log()
        known = head != b"" or stream  # a body without a type for a request without a stream is not observed
        assert (expected if known else (None, None, None)) == tuple(line[field] for field in FIELDS)

    ask()


@given(st.sampled_from(list(STREAMS)), st.sampled_from(NEWLINES), st.lists(st.integers(0, 10_000), max_size=8))
def test_the_observer_agrees_with_the_parser(name: str, newline: bytes, at: list[int]) -> None:
    """However it is cut, the observer's facts are those of the last event of the stream with a response."""
    body = body_of(name, newline)
    marks = [0, *sorted(mark % (len(body) + 1) for mark in at), len(body)]
    observer = StreamObserver(sse=True)
    for start, end in pairwise(marks):
        observer.feed(body[start:end])
    events = EventStreamParser().feed(body)
    whole = [facts for event in events if (facts := read_event(b"data: " + event)) is not None]
    facts = read_facts(observer)
    if whole:
        assert facts is not None
        assert (whole[-1].service_tier, whole[-1].usage) == (facts.service_tier, facts.usage)
        assert whole[-1].ending in {None, facts.ending}


@given(st.binary(max_size=2000), st.sampled_from(CODINGS[1:]), st.lists(st.integers(0, 10_000), max_size=5))
def test_a_coding_is_decoded_piece_by_piece(data: bytes, coding: bytes, at: list[int]) -> None:
    """Any cut gives the body back; what is in another coding gives None, and nothing raises."""
    encoded = encode(coding, [data]) + (encode(coding, [data]) if coding != b"deflate" else b"")
    marks = [0, *sorted(mark % (len(encoded) + 1) for mark in at), len(encoded)]
    decoder = StreamDecoder(coding)
    decoded = b"".join(decoder.feed(encoded[start:end]) for start, end in pairwise(marks))
    assert data * (1 if coding == b"deflate" else 2) == decoded
    assert StreamDecoder(coding).feed(b"\xffno such coding" + data) is None


@pytest.mark.parametrize("coding", CODINGS[1:])
def test_a_bomb_is_not_unpacked(coding: bytes) -> None:
    """A piece that grows beyond its limit ends the observation, and its ending is not known."""
    size = 64 * 1024 * 1024
    bomb = zstd.compress(bytes(size)) if coding == b"zstd" else zlib.compress(bytes(size), wbits=31)
    decoder = StreamDecoder(b"gzip" if coding == b"deflate" else coding)
    assert decoder.feed(bomb) is None
