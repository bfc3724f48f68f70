"""The two parsers: valid and refused messages, and independence of the cuts between reads."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.http.head_cache import HeadCache
from cfp.proxy.http.messages import (
    END,
    Fault,
    Malformed,
    RequestEvent,
    RequestHead,
    ResponseEvent,
    ResponseHead,
    Trailers,
    chunk,
)
from cfp.proxy.http.parsers import RequestParser
from cfp.proxy.http.response_parser import ResponseParser
from tests.proxy.support import merged, read_by_h11

WIRE = Path(__file__).parents[3] / "fixtures" / "wire"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
HOST = b"Host: localhost\r\n"

tokens = st.text(st.sampled_from("abcXYZ019-_.!~"), min_size=1, max_size=12).map(str.encode)
values = st.lists(st.sampled_from([b"a", b"B=1", b"x y", b'"q"', b"\xc3\xa9", b"\t.", b","]), max_size=4).map(
    b"".join
)
bodies = st.lists(st.binary(min_size=1, max_size=40), max_size=5)


def render(method: str, fields: list[tuple[bytes, bytes]], body: list[bytes], *, chunked: bool) -> bytes:
    lines = [b"%s /v1/x?y=1 HTTP/1.1\r\n" % method.encode(), HOST]
    lines += [b"X-%s: %s\r\n" % (name, value.strip()) for name, value in fields]
    if chunked:
        framed = b"".join(b"".join(map(bytes, chunk([piece]))) for piece in body)
        return b"".join([*lines, b"Transfer-Encoding: chunked\r\n\r\n", framed, b"0\r\n\r\n"])
    whole = b"".join(body)
    return b"".join([*lines, b"Content-Length: %d\r\n\r\n" % len(whole), whole])


requests = st.builds(
    render, st.sampled_from(METHODS), st.lists(st.tuples(tokens, values), max_size=4), bodies, chunked=st.booleans()
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw bytes that are nearly requests: a valid sequence with some of it replaced, repeated or left out."""
    text = b"".join(draw(st.lists(requests, min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 6))
        put = draw(st.sampled_from([b"", b"\r", b"\n", b"\r\n", b" ", b":", b"0", b"\0", b"chunked", b"\r\n ", b"5"]))
        text = text[:at] + put + text[at + length :]
    return text


def cut(text: bytes, at: list[int]) -> list[bytes]:
    marks = [0, *sorted({mark % (len(text) + 1) for mark in at}), len(text)]
    return [text[start:end] for start, end in pairwise(marks)]


def requests_in(pieces: list[bytes], head_cache: HeadCache | None = None) -> list[RequestEvent]:
    parser = RequestParser(head_cache=head_cache)
    return merged([event for piece in pieces for event in parser.feed(piece)])


def responses_in(pieces: list[bytes], *, bodiless: bool = False) -> list[ResponseEvent]:
    parser = ResponseParser()
    parser.expect(bodiless=bodiless)
    events = [event for piece in pieces for event in parser.feed(piece)]
    events += parser.eof()
    return merged(events)


@pytest.mark.parametrize("path", sorted((WIRE / "refused").iterdir()), ids=lambda path: path.stem)
def test_ambiguous_requests_are_refused(path: Path) -> None:
    """The last event has the reason, and a refused request never gets an END."""
    events = requests_in([path.read_bytes()])
    assert isinstance(events[-1], Malformed)
    heads = sum(isinstance(event, RequestHead) for event in events)
    allowed = 1 if path.stem == "second_request_hidden_behind_body" else 0
    assert (sum(event is END for event in events), heads <= 1 + allowed) == (allowed, True)


@pytest.mark.parametrize("path", sorted((WIRE / "refused_responses").iterdir()), ids=lambda path: path.stem)
def test_ambiguous_responses_are_refused(path: Path) -> None:
    """A response that two parsers could read differently never gets an END."""
    events = responses_in([path.read_bytes()])
    assert isinstance(events[-1], Malformed)
    assert END not in events


@given(st.lists(requests, min_size=1, max_size=3), st.lists(st.integers(0, 10_000), max_size=8), st.data())
def test_cuts_change_nothing(sequence: list[bytes], at: list[int], data: st.DataObject) -> None:
    """The events do not depend on how the bytes are cut into reads, not even for a connection's last request."""
    if data.draw(st.booleans()):
        sequence[-1] = sequence[-1].replace(HOST, HOST + b"Connection: close\r\n")
    text = b"".join(sequence)
    whole = requests_in([text])
    assert requests_in(cut(text, at)) == whole
    assert requests_in([bytes([byte]) for byte in text]) == whole
    assert sum(event is END for event in whole) == len(sequence)


@given(damaged(), st.lists(st.integers(0, 10_000), max_size=8))
def test_cuts_change_nothing_in_damaged_requests(text: bytes, at: list[int]) -> None:
    """No cut makes a refused request valid."""
    assert requests_in(cut(text, at)) == requests_in([text])


SPECIAL = (b"", b"", b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n", b"Expect: 100-continue\r\n")
LENGTHS = (b"+1", b"01", b"1 ", b"1_0", b"", b"1\r\nX: y", b"1\r\nContent-Length: 1", b"9" * 21, b"0x1", b"\xb2")


@st.composite
def repeated(draw: st.DrawFn) -> list[list[bytes]]:
    """Draw the reads of several connections: few heads in many requests, and invalid bytes between them."""
    lines = st.tuples(st.lists(st.tuples(tokens, values), max_size=2), st.sampled_from(SPECIAL))
    heads = draw(st.lists(lines, min_size=1, max_size=2))
    connections = []
    for _ in range(draw(st.integers(1, 4))):
        reads: list[bytes] = []
        for fields, special in draw(st.lists(st.sampled_from(heads), min_size=1, max_size=4)):
            body = draw(st.sampled_from([b"", b"a", b"abc" * 5, b"GET / HTTP/1.1\r\n\r\n"]))
            text = render("POST", fields, [body] if body else [], chunked=draw(st.integers(0, 5)) == 0)
            text = text.replace(HOST, HOST + special)
            if draw(st.integers(0, 5)) == 0:
                text = text.replace(b"Length: %d" % len(body), b"Length: " + draw(st.sampled_from(LENGTHS)))
            text += draw(st.sampled_from([b"", b"", b"\r\n", b"\r", b"0"]))
            reads += cut(text, draw(st.lists(st.integers(0, 10_000), max_size=2)))
            if len(reads) > 1 and draw(st.integers(0, 3)) == 0:
                reads[-2:] = [b"".join(reads[-2:])]
        connections.append([read for read in reads if read])
    return connections


@given(repeated())
def test_the_head_cache_changes_no_event(connections: list[list[bytes]]) -> None:
    """Whatever other requests the cache has seen, the events are those of a parser without a cache."""
    head_cache = HeadCache()
    for pieces in connections:
        assert requests_in(pieces, head_cache) == requests_in(pieces)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_head_cache_accepts_only_lengths(length: bytes) -> None:
    """A length that is no number, or one that llhttp would refuse, is for llhttp to judge."""
    head_cache = HeadCache()
    text = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %b\r\n\r\nabc"
    assert requests_in([text % b"3"], head_cache)[-1] is END
    assert requests_in([text % length], head_cache) == requests_in([text % length])


@given(st.lists(damaged(), min_size=2, max_size=4), st.lists(st.integers(0, 10_000), max_size=2))
def test_the_head_cache_accepts_no_refused_request(texts: list[bytes], at: list[int]) -> None:
    """A cached head makes no bad request good, and no good one bad."""
    head_cache = HeadCache()
    for text in [*texts, *texts]:
        assert requests_in(cut(text, at), head_cache) == requests_in([text])


def test_heads_of_the_same_bytes_share_their_cache() -> None:
    """Heads that differ in their length alone share one cache; another head has its own."""
    head_cache = HeadCache()
    text = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\nX: y\r\n\r\n%b"
    bodies = [b"a", b"", b"abc" * 500]
    cached = [requests_in([text % (len(body), body)], head_cache)[0] for body in bodies]
    other = requests_in([text.replace(b"y", b"z") % (1, b"a")], head_cache)[0]
    assert all(isinstance(head, RequestHead) for head in (*cached, other))
    first, *rest = (head.cache for head in cached if isinstance(head, RequestHead))
    assert all(notes is first for notes in rest)
    assert isinstance(other, RequestHead)
    assert other.cache is not first
    assert [head.length for head in cached if isinstance(head, RequestHead)] == [1, 0, 1500]


def complete(events: list[RequestEvent]) -> list[tuple[bytes, bytes, bytes]]:
    completed, head, body = [], None, b""
    for event in events:
        if isinstance(event, RequestHead):
            head, body = event, b""
        elif isinstance(event, bytes):
            body += event
        elif event is END and head is not None:
            completed.append((head.method, head.target, body))
    return completed


@given(damaged())
def test_another_parser_reads_the_same_requests(text: bytes) -> None:
    """Every complete request ends at the same byte for h11: request smuggling needs a difference there."""
    events = requests_in([text])
    ours = complete(events)
    if any(isinstance(event, RequestHead) and (event.upgrade or event.minor == 0) for event in events):
        return
    assert read_by_h11(text, len(ours)) == ours


@pytest.mark.parametrize(
    ("target", "expected"),
    [(b"/", b"/"), (b"http://h/x?y", b"http://h/x?y"), (b"*", b"*"), (b"/%2e%2e/", b"/%2e%2e/")],
)
def test_targets_are_kept_as_sent(target: bytes, expected: bytes) -> None:
    """Targets are neither decoded nor normalised."""
    (head, end) = requests_in([b"OPTIONS " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n"])
    assert isinstance(head, RequestHead)
    assert (head.target, end) == (expected, END)


def test_a_head_has_the_framing_of_its_body() -> None:
    """Length, coding, persistence and upgrade come from the head; values lose only the white space around them."""
    text = b"POST / HTTP/1.1\r\nHost:  h \t\r\nContent-Length: 3\r\nConnection: close\r\nA: x\r\na: y\r\n\r\nabc"
    head, data, end = requests_in([text])
    assert isinstance(head, RequestHead)
    assert (head.length, head.chunked, head.keep_alive, head.upgrade) == (3, False, False, False)
    assert head.fields == {b"host": b"h", b"connection": b"close", b"a": b"x, y"}
    assert (data, end) == (b"abc", END)


def test_bytes_behind_a_close_or_upgrade_are_ignored() -> None:
    """Bytes behind a request that ends the connection, or behind an upgrade, are not parsed as HTTP."""
    for field in (b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n"):
        text = b"GET / HTTP/1.1\r\n" + HOST + field + b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n"
        for pieces in ([text], [bytes([byte]) for byte in text]):
            head, end = requests_in(pieces)
            assert isinstance(head, RequestHead)
            assert end is END


@pytest.mark.parametrize("fill", [b"X: " + b"a" * 70_000 + b"\r\n", b"X: y\r\n" * 20_000])
def test_heads_are_bounded(fill: bytes) -> None:
    """The limit is 64 KiB, in one line or many, in one read or many, for trailers too; memory stays bounded."""
    head = b"POST / HTTP/1.1\r\n" + HOST + fill + b"\r\n"
    trailer = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + fill + b"\r\n"
    endless = b"POST / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200_000
    extension = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 200_000
    for text in (head, trailer, endless, extension):
        events = requests_in([text[start : start + 1000] for start in range(0, len(text), 1000)])
        assert events[-1] == Malformed(Fault.HEAD_TOO_LARGE, "the head is too large")
    assert requests_in([head])[-1] == Malformed(Fault.HEAD_TOO_LARGE, "the head is too large")


def test_a_head_below_the_bound_passes_with_a_large_body() -> None:
    """The limit is for heads: a body in the same read does not count."""
    head = b"POST / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 60_000 + b"\r\nContent-Length: 300000\r\n\r\n"
    assert requests_in([head + bytes(300_000)])[-1] is END


def test_a_head_behind_another_request_is_bounded_too() -> None:
    """The limit holds for a head that begins in the read in which the request before it ends."""
    first = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\na"
    for size, bad in ((60_000, False), (70_000, True)):
        second = b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * size + b"\r\n\r\n"
        events = requests_in([first + second[:-20], second[-20:]])
        assert (events[-1] == Malformed(Fault.HEAD_TOO_LARGE, "the head is too large")) is bad


def test_a_101_is_final_where_a_switch_was_requested() -> None:
    """A 101 has an END like any response, and the bytes behind it are kept; one that was not requested is refused."""
    head = b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    for rest in (b"", b"\x81\x01a"):
        parser = ResponseParser()
        parser.expect(switch=True)
        answer, end = parser.feed(head + rest)
        assert isinstance(answer, ResponseHead)
        assert (answer.status, end, parser.rest) == (101, END, rest)
    for text in (head.replace(b"Upgrade: websocket\r\n", b""), head.replace(b"101", b"200")):
        parser.expect(switch=True)
        assert END not in parser.feed(text)
    assert isinstance(responses_in([head])[-1], Malformed)


def test_interim_responses_come_before_the_final_one() -> None:
    """1xx heads have neither a body nor an END of their own."""
    text = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    )
    events = responses_in([text])
    assert [event.status for event in events if isinstance(event, ResponseHead)] == [100, 103, 200]
    assert events[-2:] == [b"a", END]


@pytest.mark.parametrize("field", [b"Content-Length: 2", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("status", [b"100", b"103", b"104"])
def test_an_interim_response_with_a_body_is_refused(status: bytes, field: bytes) -> None:
    """A 1xx has no body (RFC 9110 8.6, RFC 9112 6.1): with one, parsers would disagree where the next head begins."""
    (event,) = responses_in([b"HTTP/1.1 " + status + b" X\r\n" + field + b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"])
    assert event == Malformed(Fault.FRAMING, "an interim response has a body")


@pytest.mark.parametrize(
    ("head", "bodiless"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", False),
    ],
)
def test_responses_without_a_body_end_with_their_head(head: bytes, *, bodiless: bool) -> None:
    """Responses to HEAD, and 204 and 304, have no body whatever their fields declare (RFC 9112 6.3)."""
    for pieces in ([head], [bytes([byte]) for byte in head]):
        first, last = responses_in(pieces, bodiless=bodiless)
        assert isinstance(first, ResponseHead)
        assert (first.until_close, last) == (False, END)


def test_a_body_without_length_ends_with_the_connection() -> None:
    """Only for such a body is the connection's end the end of the response."""
    head, data, end = responses_in([b"HTTP/1.1 200 OK\r\n\r\n", b"ab", b"c"])
    assert isinstance(head, ResponseHead)
    assert (head.until_close, head.keep_alive, data, end) == (True, False, b"abc", END)
    for text in (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", b"HTTP/1.1 200 OK\r\nTransfer-Enc", b""):
        assert isinstance(responses_in([text])[-1], Malformed)


def test_a_response_without_a_request_is_refused() -> None:
    """Bytes behind a response make the connection unusable, not the response."""
    parser = ResponseParser()
    parser.expect()
    _, end, unasked = parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    assert end is END
    assert isinstance(unasked, Malformed)
    assert parser.feed(b"more") == []


@given(bodies, st.lists(st.integers(0, 10_000), max_size=8), st.booleans())
def test_chunks_are_read_as_written(body: list[bytes], at: list[int], trailer: bool) -> None:  # noqa: FBT001  hypothesis fills it in
    """A body framed by `chunk` is parsed back under any cuts; trailers come between the data and the END."""
    framed = b"".join(b"".join(map(bytes, chunk([piece, b""]))) for piece in body)
    end = b"0\r\nX-Sum: 1\r\n\r\n" if trailer else b"0\r\n\r\n"
    events = responses_in(cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + end, at))
    trailers = [Trailers([(b"x-sum", b"X-Sum", b"1")])] if trailer else []
    assert events[1:] == [*([b"".join(body)] if body else []), *trailers, END]
