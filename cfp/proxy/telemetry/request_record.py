"""What a request and its stream tell: allow-listed facts only, taken from copies on the way, never delaying them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from time import monotonic, time
from typing import Final

from cfp.proxy.http.messages import ResponseHead

_HELD: Final = 4 * 1024 * 1024
_MEMBER: Final = b'"response":'
_OVERLAP: Final = 256  # more than `data: {"type":"response.incomplete","sequence_number":12,` before that member


class StreamObserver:
    """Keeps the last event that carries a whole response, or a small JSON answer, and reads it when all is sent.

    Only `response.created`, `.in_progress` and the three ending events have a `"response":` member, and no text
    inside a JSON string can look like one: so one search for it is all that a piece costs. Memory is bounded: what
    is larger than 4 MiB is not told.
    """

    _tail = b""
    _size = 0

    def __init__(self, *, sse: bool) -> None:
        self.is_event = sse
        self._open = not sse
        self._kept: list[bytes] = []

    @classmethod
    def of(cls, head: ResponseHead) -> StreamObserver | None:
        """None where the body is of another type, or in a content coding."""
        fields = head.fields
        sse = _is_stream(fields.get(b"content-type", b""), fields.get(b"content-encoding", b"identity"))
        return None if sse is None else cls(sse=sse)

    def feed(self, piece: bytes) -> None:
        if self._open:
            end = piece.find(b"\n") if self.is_event else -1
            self._keep(piece if end < 0 else piece[:end])
            if end < 0:
                return
            self._open = False
            piece = piece[end:]
        window = self._tail + piece if self._tail else piece
        at = window.rfind(_MEMBER)
        if at < 0:
            self._tail = window[-_OVERLAP:]
            return
        start = window.rfind(b"\n", 0, at) + 1
        end = window.find(b"\n", at)
        if end < 0:
            line, self._tail, self._open = window[start:], b"", True
        else:
            line, self._tail = window[start:end], window[end:][-_OVERLAP:]
        self._kept, self._size = [line], len(line)

    @property
    def text(self) -> bytes | None:
        """What `told` can read; None where nothing was kept. `is_event`: it is an event's line, else a whole body."""
        return b"".join(self._kept) if self._kept and self._size <= _HELD else None

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= _HELD:
            self._kept.append(piece)
        else:
            self._kept.clear()


@lru_cache(16)  # an upstream spells its types in few ways
def _is_stream(content_type: bytes, coding: bytes) -> bool | None:
    """None: neither a stream nor a whole JSON answer that can be read as it is."""
    content_type = content_type.lower()
    if coding.lower() != b"identity":
        return None
    if content_type.startswith(b"text/event-stream"):
        return True
    return False if content_type.startswith(b"application/json") else None


class RequestRecord:
    """One request's facts while it runs; `lines` makes its log line of them.

    Times are seconds of the monotonic clock, `at` is the wall clock's. Not a dataclass: one is made for every
    request, and most facts keep their default.
    """

    status: int | None = None
    sent_at: float | None = None
    response_at: float | None = None
    first_byte_at: float | None = None
    ended_at: float | None = None
    eligible: bool = False
    model: str | None = None
    tier_before: str | None = None
    tier_after: str | None = None
    injected: bool = False
    effective_policy: str | None = None
    stream: bool | None = None
    json_error: str | None = None
    content_type: bytes | None = None
    error_type: str | None = None
    transport: str = "http"
    observer: StreamObserver | None = None

    def __init__(self, number: int, method: bytes, target: bytes) -> None:
        self.number = number
        self.method = method
        self.target = target
        self.wall_time = time()
        self.began_at = monotonic()

    def begin_response(self, head: ResponseHead) -> None:
        """The upstream's final head has come."""
        self.response_at = monotonic()
        self.status = head.status
        self.content_type = head.fields.get(b"content-type")
        if self.eligible:
            self.observer = StreamObserver.of(head)

    def observe(self, pieces: Sequence[bytes]) -> None:
        """These pieces of the body are with the client."""
        if self.first_byte_at is None:
            self.first_byte_at = monotonic()
        if self.observer is not None:
            for piece in pieces:
                self.observer.feed(piece)
