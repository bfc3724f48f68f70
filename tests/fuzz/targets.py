"""Properties that hold for any bytes: one function per parser, which raises where its property fails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import h11
from wsproto.frame_protocol import FrameProtocol, Opcode
from wsproto.frame_protocol import ParseFailed as Unreadable

from cfp.proxy.http import content_coding
from cfp.proxy.http.head_cache import HeadCache
from cfp.proxy.http.json_splice import inject_tier
from cfp.proxy.http.messages import END, Malformed, RequestHead, ResponseHead
from cfp.proxy.http.parsers import RequestParser
from cfp.proxy.http.response_parser import ResponseParser
from cfp.proxy.http.websocket_frames import Frame, FrameReader, MessageAssembler, splice_member
from cfp.proxy.telemetry.response_facts import read_facts
from cfp.proxy.telemetry.stream_observer import StreamObserver
from tests.proxy.support import merged, read_by_h11

FIXTURES = Path(__file__).parents[2] / "fixtures"
SEEDS = {"request": "wire/refused", "response": "wire/refused_responses", "stream": "sse"}
STARTS = {
    "request": [b"\0POST /v1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n"],
    "response": [
        b"\0\0HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"\0\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n00000000000000000000000000\r\n\r\n",
    ],
    "body": [b'\0{"model":"m","service_tier":null}', b'\1 { "a" : [1e400, "\\ud83d"] } ', b"\2{}"],
    "frames": [b"\0\x81\x82abcd\x1a\x1f", b"\0\x01\x01{\x89\x00\x80\x01}", b"\0\x82\x7f" + bytes(8)],
    "stream": [b'\0data: {"type":"response.completed","response":{"service_tier":"priority"}}\n\n'],
}


HOLD = 200
# RFC 9112 7.1 sets no bound on the digits of a chunk's size, and llhttp none on zeros in front; h11 takes twenty.
MANY_DIGITS = re.compile(rb"\n[0-9A-Fa-f]{21}")
CODINGS = (b"identity", b"zstd", b"gzip", b"deflate")


def _cut(data: bytes, at: int) -> tuple[bytes, bytes]:
    return data[: at % (len(data) + 1)], data[at % (len(data) + 1) :]


def request(data: bytes) -> None:
    """Cuts change nothing, no event follows a fault, and h11 reads every complete request in the same way."""
    text, at = data[1:], data[0] if data else 0
    whole, pieces = RequestParser(), RequestParser()
    events = merged(whole.feed(text))
    assert events == merged([event for piece in _cut(text, at * 7) for event in pieces.feed(piece)])
    head_cache = HeadCache()
    for _ in range(2):
        assert events == merged(RequestParser(head_cache=head_cache).feed(text))
    assert not any(isinstance(event, Malformed) for event in events[:-1])
    heads = [event for event in events if isinstance(event, RequestHead)]
    if any(head.upgrade or head.minor == 0 for head in heads) or MANY_DIGITS.search(text):
        return
    read_by_h11(text, sum(event is END for event in events))


def response(data: bytes) -> None:
    """Cuts change nothing, and a complete response is complete for h11 too, with the same body."""
    text, at = data[2:], data[0] if data else 0
    bodiless = len(data) > 1 and bool(data[1] & 1)
    outcomes = []
    for pieces in ((text,), _cut(text, at * 7)):
        parser = ResponseParser()
        parser.expect(bodiless=bodiless)
        outcomes.append(merged([event for piece in pieces for event in parser.feed(piece)] + parser.eof()))
    assert outcomes[0] == outcomes[1]
    events = outcomes[0]
    finals = [event for event in events if isinstance(event, ResponseHead) and event.status >= 200]
    assert len(finals) <= 1
    if END not in events or not finals or finals[0].minor == 0 or MANY_DIGITS.search(text):
        return
    ours = b"".join(event for event in events[: events.index(END)] if isinstance(event, bytes))
    assert ours == _body_by_h11(text, bodiless=bodiless)


def _body_by_h11(text: bytes, *, bodiless: bool) -> bytes:
    """Return the body that h11 reads behind the final head, without the empty lines before it, which llhttp skips."""
    text = text.lstrip(b"\r\n")
    while text[9:10] == b"1":
        text = text.partition(b"\r\n\r\n")[2].lstrip(b"\r\n")
    connection = h11.Connection(h11.CLIENT)
    method = "HEAD" if bodiless else "GET"
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(text)
    body = b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            connection.receive_data(b"")
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    return body


def body(data: bytes) -> None:
    """One more member and no other change, in every coding; a body that cannot be read does not change."""
    coding, plain = CODINGS[data[0] % 4 if data else 0], data[1:]
    packed = plain if coding == b"identity" or not data or data[0] & 4 else content_coding.encode(coding, [plain])
    try:
        spliced = inject_tier(packed, "priority", coding=coding, cap=1 << 16)
    except content_coding.TooLarge:
        return
    after = b"".join(map(bytes, spliced.parts))
    if not spliced.injected:
        assert after == packed
        return
    before = packed if coding == b"identity" else content_coding.decode(coding, packed, 1 << 16)
    after = after if coding == b"identity" else content_coding.decode(coding, after, 1 << 17)
    start = before.index(b"{") + 1
    assert after[:start] == before[:start]
    assert after.endswith(before[start:])
    assert b'"service_tier":"priority"' in after[start : len(after) - len(before) + start]
    try:
        old = json.loads(before, object_pairs_hook=list, parse_int=str, parse_float=str)
    except ValueError:
        return  # msgspec lets bytes that are no UTF-8 pass inside strings; the upstream will say so
    assert json.loads(after, object_pairs_hook=list, parse_int=str, parse_float=str)[1:] == old


def frames(data: bytes) -> None:
    """Frames pass unchanged, messages are those of wsproto, and wsproto reads the spliced member in them."""
    text, at = data[1:], data[0] if data else 0
    reader, messages = FrameReader(HOLD), MessageAssembler(HOLD)
    events = [event for piece in _cut(text, at * 7) for event in reader.feed(piece)]
    assert b"".join(event if isinstance(event, bytes) else event.raw for event in events) + reader.pending == text
    ours = [message for event in events if (message := messages.add(event)) is not None]
    for client in (True, False):
        try:
            theirs = _texts(text, client=client)
        except (Unreadable, UnicodeDecodeError):
            continue
        if all(len(message) <= HOLD for message in theirs):
            assert ours[: len(theirs)] == theirs
    for event in events:
        if isinstance(event, Frame) and event.is_text:
            spliced = inject_tier(event.payload(), "priority")
            if spliced.injected:
                parts = splice_member(event, len(spliced.parts[0]), bytes(spliced.parts[1]))
                (again,) = FrameReader(1 << 20).feed(b"".join(map(bytes, parts)))
                assert isinstance(again, Frame)
                assert inject_tier(again.payload(), None).members is not None
                assert again.payload().endswith(event.payload()[len(spliced.parts[0]) :])


def _texts(text: bytes, *, client: bool) -> list[bytes]:
    protocol = FrameProtocol(client=client, extensions=[])
    protocol.receive_bytes(text)
    messages, parts = [], b""
    for seen in protocol.received_frames():
        if seen.opcode is Opcode.TEXT:
            parts += str(seen.payload).encode()
            if seen.message_finished:
                messages.append(parts)
                parts = b""
    return messages


def stream(data: bytes) -> None:
    """For any stream and any cuts, observing never fails and reports the same facts."""
    text, at = data[1:], data[0] if data else 0
    facts = []
    for pieces in ((text,), _cut(text, at * 7)):
        observer = StreamObserver(sse=True)
        for piece in pieces:
            observer.feed(piece)
        facts.append(read_facts(observer))
    assert facts[0] == facts[1]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "request": request,
    "response": response,
    "body": body,
    "frames": frames,
    "stream": stream,
}


@cache
def seeds(name: str) -> list[bytes]:
    """Return the first inputs: the fixtures behind two bytes of choice, and some texts of its own."""
    files = sorted((FIXTURES / SEEDS[name]).glob("*")) if name in SEEDS else []
    return [*STARTS[name], *(b"\0\0" + path.read_bytes() for path in files if path.is_file())]
