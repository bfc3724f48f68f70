"""Forwarded RFC 6455 frames: their boundaries, and the insertion of one member into a text frame. No IO.

The tunnel changes nothing but that member, so any bytes count as a sequence of frames here: reserved opcodes and
bits, wrong masking and wrong lengths are for the two ends to judge.

    frame      header of 2 to 14 bytes, then the payload; a client's is masked with the key in its header
    fragment   a frame that is a part of a message; control frames may stand between fragments
"""

from __future__ import annotations

import binascii
import hashlib
from typing import Final, NamedTuple, TypeAlias

from cfp.proxy.http.messages import Piece, RequestHead, ResponseHead

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
CLOSE: Final = 0x8
_FIN: Final = 0x80
_MASKED: Final = 0x80
_LONG: Final = {126: 2, 127: 8}
# Frames in one read, each of which costs some microseconds: more come from nobody who has something to say.
_MAX_FRAMES: Final = 4096
_ACCEPT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3


class Frame(NamedTuple):
    """A whole data frame: `raw` has all its bytes, its payload begins at `start`, `key` is empty without a mask."""

    raw: bytes
    start: int
    key: bytes

    @property
    def opcode(self) -> int:
        return self.raw[0] & 0x0F

    @property
    def final(self) -> bool:
        return bool(self.raw[0] & _FIN)

    @property
    def is_text(self) -> bool:
        """Whether this is a whole text message without the reserved bits of extensions."""
        return self.raw[0] == _FIN | TEXT

    def payload(self) -> bytes:
        """Return the payload, unmasked."""
        data = self.raw[self.start :]
        return apply_mask(data, self.key) if self.key else data


class OversizedHeader(NamedTuple):
    """The header of a data frame that is too large to hold; its payload follows as bytes."""

    raw: bytes


FrameEvent: TypeAlias = bytes | Frame | OversizedHeader


class FrameReader:
    """Cuts a byte stream into frames: data frames of up to `hold` bytes come as one `Frame`, the rest as bytes.

    The events joined are the bytes that were fed, without the `pending` ones that wait for the rest of their frame.

    is_opaque  one read had too many frames: everything since then comes as bytes, and no frame is told apart
    """

    def __init__(self, hold: int) -> None:
        self.is_opaque = False
        self._hold = hold
        self._pending = bytearray()
        self._size = 0  # of the frame that `_pending` begins with, 0 while its header is incomplete
        self._start = 0
        self._pass_bytes = 0  # bytes of a frame that is not held which are still to come

    @property
    def pending(self) -> bytes:
        return bytes(self._pending)

    @property
    def pending_size(self) -> int:
        return len(self._pending)

    @property
    def at_boundary(self) -> bool:
        """Whether the last frame is complete and no other one has begun."""
        return not (self._pending or self._pass_bytes or self.is_opaque)

    def feed(self, data: bytes) -> list[FrameEvent]:
        """Return the frames and bytes that this data completes."""
        events: list[FrameEvent] = []
        at, end = 0, len(data)
        while at < end:
            if self.is_opaque or len(events) >= _MAX_FRAMES:
                events.append(bytes(self._pending) + data[at:])
                self.is_opaque, self._pending, self._size, self._pass_bytes = True, bytearray(), 0, 0
                break
            if self._pass_bytes:
                piece = data[at : at + self._pass_bytes]
                self._pass_bytes -= len(piece)
                events.append(piece)
                at += len(piece)
                continue
            missing = (self._size or self._header_size()) - len(self._pending)
            self._pending += data[at : at + missing]
            at += missing
            if not self._size and len(self._pending) >= self._header_size():
                self._open(events)
            if self._size and len(self._pending) == self._size:
                self._close(events)
        return events

    def _header_size(self) -> int:
        if len(self._pending) < 2:
            return 2
        second = self._pending[1]
        return 2 + _LONG.get(second & 0x7F, 0) + (4 if second & _MASKED else 0)

    def _open(self, events: list[FrameEvent]) -> None:
        """Begin the frame whose header is complete: hold it, or pass it on as bytes."""
        header = self._pending
        length = header[1] & 0x7F
        if length in _LONG:
            length = int.from_bytes(header[2 : 2 + _LONG[length]], "big")
        control = header[0] & 0x08
        if control or length > self._hold:
            raw = bytes(header)
            events.append(raw if control else OversizedHeader(raw))
            self._pass_bytes = length
            self._pending = bytearray()
        else:
            self._start = len(header)
            self._size = self._start + length

    def _close(self, events: list[FrameEvent]) -> None:
        raw, start = bytes(self._pending), self._start
        self._pending = bytearray()
        self._size = 0
        events.append(Frame(raw, start, raw[start - 4 : start] if raw[1] & _MASKED else b""))


class MessageAssembler:
    """Assembles text messages from data frames; a message of more than `limit` bytes is left out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._text: bytearray | None = None

    def add(self, event: FrameEvent) -> bytes | None:
        """Return the message that this event completes, if any."""
        if isinstance(event, OversizedHeader):
            self._text = None
        if not isinstance(event, Frame):
            return None
        if event.is_text:
            self._text = None
            return event.payload() if len(event.raw) - event.start <= self._limit else None
        if event.opcode != CONTINUATION:
            self._text = bytearray() if event.raw[0] & ~_FIN == TEXT else None
        if self._text is None:
            return None
        self._text += event.payload()
        if len(self._text) > self._limit:
            self._text = None
        if not event.final or self._text is None:
            return None
        text, self._text = self._text, None
        return bytes(text)


def apply_mask(data: bytes, key: bytes, offset: int = 0) -> bytes:
    """Mask or unmask `data`, which begins at `offset` of its payload (RFC 6455 5.3)."""
    size = len(data)
    rotated = key[offset % 4 :] + key[: offset % 4]
    stream = (rotated * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")).to_bytes(size, "little")


def splice_member(frame: Frame, opening: int, member: bytes) -> list[Piece]:
    """Return the frame with `member` inserted at offset `opening` of its payload.

    White space pads the member to a multiple of four bytes: so everything behind it keeps its position in the mask
    and is passed on as it came, under the client's own key.
    """
    if frame.key:
        member += b" " * (-len(member) % 4)
        member = apply_mask(member, frame.key, opening)
    payload = memoryview(frame.raw)[frame.start :]
    header = frame_header(frame.raw[0], len(payload) + len(member), frame.key)
    return [header, payload[:opening], member, payload[opening:]]


def with_payload(frame: Frame, payload: bytes) -> list[Piece]:
    """Return the frame with another payload, under the client's own key."""
    header = frame_header(frame.raw[0], len(payload), frame.key)
    return [header, apply_mask(payload, frame.key) if frame.key else payload]


def frame_header(first: int, length: int, key: bytes) -> bytes:
    """Return a frame's header; `first` is its byte of flags and opcode, an empty `key` means no mask."""
    mask = _MASKED if key else 0
    if length < 126:
        return bytes((first, mask | length)) + key
    if length < 1 << 16:
        return bytes((first, mask | 126)) + length.to_bytes(2, "big") + key
    return bytes((first, mask | 127)) + length.to_bytes(8, "big") + key


def close_frame(code: int, key: bytes = b"") -> bytes:
    """Return a Close frame with a status code (RFC 6455 7.4.1)."""
    payload = code.to_bytes(2, "big")
    return frame_header(_FIN | CLOSE, 2, key) + (apply_mask(payload, key) if key else payload)


def is_handshake(head: RequestHead) -> bool:
    """Whether the request is a WebSocket handshake (RFC 6455 4.2.1)."""
    fields = head.fields
    return (
        head.method == b"GET"
        and head.minor == 1
        and not (head.length or head.chunked)
        and fields.get(b"upgrade", b"").lower() == b"websocket"
        and fields.get(b"sec-websocket-version") == b"13"
        and b"sec-websocket-key" in fields
    )


def accepts_handshake(request: RequestHead, response: ResponseHead) -> bool:
    """Whether the response accepts the WebSocket as it was requested: with the client's key and no extension."""
    digest = hashlib.sha1(request.fields[b"sec-websocket-key"] + _ACCEPT, usedforsecurity=False).digest()
    expected = binascii.b2a_base64(digest, newline=False)
    return (
        response.status == 101
        and response.fields.get(b"upgrade", b"").lower() == b"websocket"
        and response.fields.get(b"sec-websocket-accept") == expected
        and b"sec-websocket-extensions" not in response.fields
    )
