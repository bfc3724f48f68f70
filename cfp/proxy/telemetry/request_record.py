"""Facts of a request and its response for the log, from an allow-list. Observing a stream never delays it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from time import monotonic, time
from typing import Final

from cfp.proxy.http.messages import ResponseHead

_MAX_TEXT: Final = 4 * 1024 * 1024
_MEMBER: Final = b'"response":'
# Longer than the text before that member: `data: {"type":"response.incomplete","sequence_number":12,`.
_OVERLAP: Final = 256


class StreamObserver:
    """Keeps the last event with a whole response, or a JSON response that is no stream, until its facts are read.

    Only `response.created`, `.in_progress` and the three ending events have a `"response":` member, and no text
    inside a JSON string can look like one, since its quotes are escaped. So each piece costs one search, where
    `EventStreamParser` would cut it into lines and build each event. An event or a body of more than 4 MiB is not
    kept.
    """

    _tail = b""
    _size = 0

    def __init__(self, *, sse: bool) -> None:
        self.is_event = sse
        self._open = not sse
        self._pieces: list[bytes] = []

    @classmethod
    def of(cls, head: ResponseHead) -> StreamObserver | None:
        """Return an observer for this response; None where its body has another type or a content coding."""
        fields = head.fields
        sse = _is_stream(fields.get(b"content-type", b""), fields.get(b"content-encoding", b"identity"))
        return None if sse is None else cls(sse=sse)

    def feed(self, piece: bytes) -> None:
        """Observe one more piece of the body."""
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
        self._pieces, self._size = [line], len(line)

    @property
    def text(self) -> bytes | None:
        """The kept text, None without any: a `data:` line where `is_event`, else a whole body."""
        return b"".join(self._pieces) if self._pieces and self._size <= _MAX_TEXT else None

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= _MAX_TEXT:
            self._pieces.append(piece)
        else:
            self._pieces.clear()


@lru_cache(16)  # an upstream has few spellings of its types
def _is_stream(content_type: bytes, coding: bytes) -> bool | None:
    """Whether the body is an event stream (True) or plain JSON (False); None: neither, or in a content coding."""
    content_type = content_type.lower()
    if coding.lower() != b"identity":
        return None
    if content_type.startswith(b"text/event-stream"):
        return True
    return False if content_type.startswith(b"application/json") else None


class RequestRecord:
    """The facts of one request while it runs; `log_lines` turns them into a line of the log.

    Times (`*_at`) are seconds of the monotonic clock, `wall_time` is when the head arrived by the wall clock. Not a
    dataclass: each request makes one, and most facts keep their default.
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
        """Note the upstream's final head."""
        self.response_at = monotonic()
        self.status = head.status
        self.content_type = head.fields.get(b"content-type")
        if self.eligible:
            self.observer = StreamObserver.of(head)

    def observe(self, pieces: Sequence[bytes]) -> None:
        """Note pieces of the body that have been written to the client."""
        if self.first_byte_at is None:
            self.first_byte_at = monotonic()
        if self.observer is not None:
            for piece in pieces:
                self.observer.feed(piece)
