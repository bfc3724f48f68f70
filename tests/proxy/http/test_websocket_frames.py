"""Frames: they are passed on unchanged, and a text gets one more member, as another parser confirms."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

from cfp.proxy.http.json_splice import inject_tier
from cfp.proxy.http.messages import Piece, RequestHead, ResponseHead
from cfp.proxy.http.parsers import RequestParser
from cfp.proxy.http.response_parser import ResponseParser
from cfp.proxy.http.websocket_frames import (
    Frame,
    FrameReader,
    MessageAssembler,
    OversizedHeader,
    accepts_handshake,
    apply_mask,
    close_frame,
    frame_header,
    is_handshake,
    splice_member,
)

KEYS = st.binary(min_size=4, max_size=4)
SIZES = st.sampled_from([0, 1, 3, 4, 5, 125, 126, 127, 300])
HOLD = 200
TEXTS = st.one_of(
    st.text(max_size=20),
    st.builds(
        lambda model, n: json.dumps({"type": "response.create", "model": model, "n": n}), st.text(max_size=5), SIZES
    ),
)


def joined(pieces: list[Piece]) -> bytes:
    return b"".join(map(bytes, pieces))


def raw(event: bytes | Frame | OversizedHeader) -> bytes:
    return event if isinstance(event, bytes) else event.raw


def frame(first: int, payload: bytes, key: bytes = b"") -> bytes:
    return frame_header(first, len(payload), key) + (apply_mask(payload, key) if key else payload)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw (frames, key) of a valid sequence: whole and fragmented messages, control frames anywhere between."""
    key = draw(st.one_of(st.just(b""), KEYS))
    out = []
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.integers(0, 3)) == 0:
            out.append(frame(draw(st.sampled_from([0x89, 0x8A])), draw(st.binary(max_size=125)), key))
            continue
        text = draw(TEXTS).encode() + b" " * draw(SIZES)
        marks = [0, *sorted(draw(st.lists(st.integers(0, len(text)), max_size=2))), len(text)]
        opcode = draw(st.sampled_from([1, 1, 1, 2]))
        for index, (start, end) in enumerate(pairwise(marks)):
            first = (0x80 if end == len(text) and index == len(marks) - 2 else 0) | (0 if index else opcode)
            out.append(frame(first, text[start:end], key))
    return b"".join(out), key


def cut(data: bytes, at: list[int]) -> list[bytes]:
    marks = [0, *sorted(mark % (len(data) + 1) for mark in at), len(data)]
    return [data[start:end] for start, end in pairwise(marks)]


@given(st.binary(max_size=400), st.lists(st.integers(0, 500), max_size=6))
def test_frames_pass_unchanged(data: bytes, at: list[int]) -> None:
    """For any bytes and any cuts: the events joined are the bytes, and each frame is whole."""
    reader = FrameReader(HOLD)
    events = [event for piece in cut(data, at) for event in reader.feed(piece)]
    assert b"".join(map(raw, events)) + reader.pending == data
    assert reader.at_boundary or data
    for event in events:
        if isinstance(event, Frame):
            again = FrameReader(HOLD)
            assert again.feed(event.raw) == [event]
            assert again.at_boundary


def read_by_wsproto(data: bytes, *, client: bool) -> list[tuple[Opcode, bytes | str]]:
    """Return (opcode, payload) of every message and control frame, as another parser reads them."""
    protocol = FrameProtocol(client=client, extensions=[])
    protocol.receive_bytes(data)
    messages: list[tuple[Opcode, bytes | str]] = []
    parts: list[bytes | str] = []
    for seen in protocol.received_frames():
        payload = bytes(seen.payload) if isinstance(seen.payload, bytearray) else seen.payload
        if seen.opcode.iscontrol():
            messages.append((seen.opcode, payload))  # type: ignore[arg-type]  # no close frame is ever sent here
            continue
        parts.append(payload)  # type: ignore[arg-type]  # text or bytes for data frames
        if seen.message_finished:
            whole = "".join(map(str, parts)) if isinstance(payload, str) else b"".join(map(bytes, parts))  # type: ignore[arg-type]  # one type a message
            messages.append((seen.opcode, whole))
            parts = []
    return messages


@given(conversations(), st.lists(st.integers(0, 3000), max_size=8))
def test_another_parser_reads_the_same_messages(conversation: tuple[bytes, bytes], at: list[int]) -> None:
    """The assembled text messages are those that wsproto reads, without those that are too large."""
    data, key = conversation
    reader, messages = FrameReader(HOLD), MessageAssembler(HOLD)
    seen = [messages.add(event) for piece in cut(data, at) for event in reader.feed(piece)]
    theirs = [text for opcode, text in read_by_wsproto(data, client=not key) if opcode is Opcode.TEXT]
    ours = [text.decode() for text in seen if text is not None]
    assert ours == [text for text in theirs if len(str(text).encode()) <= HOLD]


@given(conversations(), st.lists(st.integers(0, 3000), max_size=8))
def test_the_splice_adds_the_member_only(conversation: tuple[bytes, bytes], at: list[int]) -> None:
    """After the splice another parser reads the same messages, with one more member in each whole text object."""
    data, key = conversation
    reader = FrameReader(1 << 20)
    out = b""
    for piece in cut(data, at):
        for event in reader.feed(piece):
            spliced = inject_tier(event.payload(), "priority") if isinstance(event, Frame) and event.is_text else None
            if spliced is not None and spliced.injected and isinstance(event, Frame):
                out += joined(splice_member(event, len(spliced.parts[0]), bytes(spliced.parts[1])))
            else:
                out += raw(event)
    assert reader.at_boundary
    before, after = read_by_wsproto(data, client=not key), read_by_wsproto(out, client=not key)
    assert [opcode for opcode, _ in before] == [opcode for opcode, _ in after]
    for (_, old), (_, new) in zip(before, after, strict=True):
        if old != new:
            pairs = json.loads(new, object_pairs_hook=list)
            assert pairs[0] == ["service_tier", "priority"] or pairs[0] == ("service_tier", "priority")
            assert pairs[1:] == json.loads(old, object_pairs_hook=list)
            assert str(new).endswith(str(old)[str(old).index("{") + 1 :])


@given(KEYS, st.integers(0, 70_000), st.integers(0, 60), st.binary(min_size=1, max_size=40))
def test_the_mask_fits_behind_the_member(key: bytes, size: int, opening: int, member: bytes) -> None:
    """The header's length is right for every size class, and every byte unmasks to its old value."""
    text = bytes(index * 7 % 251 for index in range(size))
    opening = min(opening, size)
    (whole,) = FrameReader(1 << 20).feed(frame(0x81, text, key))
    assert isinstance(whole, Frame)
    (after,) = FrameReader(1 << 20).feed(joined(splice_member(whole, opening, member)))
    assert isinstance(after, Frame)
    room = len(after.payload()) - size
    assert (room - len(member), room % 4) == (-len(member) % 4, 0)
    assert after.payload() == text[:opening] + member.ljust(room) + text[opening:]
    assert after.key == key


@given(KEYS, st.binary(max_size=50), st.integers(0, 9))
def test_masking_is_its_own_inverse(key: bytes, data: bytes, offset: int) -> None:
    """Masking follows RFC 6455 5.3 byte by byte."""
    expected = bytes(byte ^ key[(offset + index) % 4] for index, byte in enumerate(data))
    assert apply_mask(data, key, offset) == expected
    assert apply_mask(expected, key, offset) == data


@pytest.mark.parametrize("key", [b"", b"abcd"])
def test_a_close_is_read_by_another_parser(key: bytes) -> None:
    """A Close frame has its code, masked or not."""
    protocol = FrameProtocol(client=not key, extensions=[])
    protocol.receive_bytes(close_frame(1001, key))
    (seen,) = protocol.received_frames()
    assert (seen.opcode, seen.payload) == (Opcode.CLOSE, (CloseReason.GOING_AWAY, ""))


def test_large_frames_pass_as_they_come() -> None:
    """Frames larger than `hold` are not kept, whatever length a header declares; their messages are left out."""
    reader, messages = FrameReader(4), MessageAssembler(4)
    large = frame(0x01, b"x" * 5) + frame(0x80, b"y") + frame(0x81, b"z")
    seen = [messages.add(event) for event in reader.feed(large)]
    assert [text for text in seen if text is not None] == [b"z"]
    endless = FrameReader(4)
    assert endless.feed(b"\x81\x7f" + b"\xff" * 8) == [OversizedHeader(b"\x81\x7f" + b"\xff" * 8)]
    assert endless.feed(bytes(100)) == [bytes(100)]
    assert endless.pending == b""


def request(*fields: bytes, method: bytes = b"GET", minor: bytes = b"1") -> RequestHead:
    lines = [method + b" /v1/responses HTTP/1." + minor, b"Host: h", b"Connection: Upgrade", *fields, b"", b""]
    head = RequestParser().feed(b"\r\n".join(lines))[0]
    assert isinstance(head, RequestHead)
    return head


UPGRADE, VERSION = b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="  # with its answer, RFC 6455 1.3


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (request(UPGRADE, VERSION, KEY), True),
        (request(UPGRADE.upper(), VERSION, KEY), True),
        (request(b"Upgrade: h2c", VERSION, KEY), False),
        (request(UPGRADE, b"Sec-WebSocket-Version: 8", KEY), False),
        (request(UPGRADE, VERSION), False),
        (request(UPGRADE, VERSION, KEY, method=b"POST"), False),
        (request(UPGRADE, VERSION, KEY, b"Content-Length: 1"), False),
        (request(UPGRADE, VERSION, KEY, minor=b"0"), False),
    ],
)
def test_only_a_whole_handshake_is_one(head: RequestHead, *, expected: bool) -> None:
    """RFC 6455 4.2.1; a request with a body is none, since the body would hide the bytes behind it."""
    assert is_handshake(head) is expected


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        (b"101 Go", (UPGRADE, b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), True),
        (b"101 Go", (UPGRADE, b"Sec-WebSocket-Accept: other"), False),
        (b"101 Go", (UPGRADE,), False),
        (
            b"101 Go",
            (UPGRADE, b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", b"Sec-WebSocket-Extensions: x"),
            False,
        ),
        (b"200 OK", (UPGRADE, b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), False),
    ],
)
def test_only_the_requested_websocket_is_accepted(
    status: bytes, fields: tuple[bytes, ...], *, expected: bool
) -> None:
    """It must answer the client's key and have no extension, since none was offered."""
    parser = ResponseParser()
    parser.expect(switch=True)
    lines = [b"HTTP/1.1 " + status, b"Connection: Upgrade", *fields, b"Content-Length: 0", b"", b""]
    head = parser.feed(b"\r\n".join(lines))[0]
    assert isinstance(head, ResponseHead)
    assert accepts_handshake(request(UPGRADE, VERSION, KEY), head) is expected
