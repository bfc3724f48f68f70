"""Keeps what tells how a response ended, while it passes. Observing a stream never delays it."""

from __future__ import annotations

import re
from collections import deque
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Final

from cfp.proxy.http.messages import ResponseHead

if TYPE_CHECKING:
    from cfp.proxy.http.content_coding import StreamDecoder

_MAX_TEXT: Final = 4 * 1024 * 1024
_TAIL: Final = 8 * 1024  # for an error event, which is small
_MEMBER: Final = b'"response":'
# An event with a part of the output: of a text, of a reasoning summary, or of a tool's arguments. The mark alone may
# end any text.
_OUTPUT_MARK: Final = b'.delta"'
_CUT: Final = len(_OUTPUT_MARK) - 1  # bytes of the mark that the piece before may have
_OUTPUT: Final = re.compile(rb'"type": ?"response\.[a-z_.]{1,64}\.delta"')
# Longer than the text before that member: `data: {"type":"response.incomplete","sequence_number":12,`.
_OVERLAP: Final = 256
_CODINGS: Final = frozenset({b"gzip", b"x-gzip", b"deflate", b"zstd"})


class StreamObserver:
    """Keeps the last event with a whole response, the stream's tail, or a JSON response that is no stream.

    Only `response.created`, `.in_progress` and the three ending events have a `"response":` member, and no text
    inside a JSON string can look like one, since its quotes are escaped. So each piece costs one search, where
    `EventStreamParser` would cut it into lines and build each event. An event or a body of more than 4 MiB is not
    kept, nor is anything of a body that cannot be decoded within its limits.

    is_event   an event stream, else one JSON object
    is_opaque  the body could not be decoded: nothing is known of it
    output_at  when the first part of the output came, by the monotonic clock; None before, and without a stream
    """

    is_opaque = False
    output_at: float | None = None
    _overlap = b""
    _size = 0
    _tail_size = 0

    def __init__(self, *, sse: bool, decoder: StreamDecoder | None = None, undecided: bool = False) -> None:
        """`undecided`: the body's first byte says whether it is one JSON value or a stream."""
        self.is_event = sse
        self._undecided = undecided
        self._decoder = decoder
        self._open = not sse
        self._pieces: list[bytes] = []
        self._tail: deque[bytes] = deque()

    @classmethod
    def of(cls, head: ResponseHead, *, asked_for_stream: bool = False) -> StreamObserver | None:
        """Return an observer for this response; None where its coding is unknown, or it is neither stream nor JSON.

        asked_for_stream  the body is a stream whatever its type says, unless it is JSON (direct Codex reads it so)
        """
        fields = head.fields
        sse = _is_stream(fields.get(b"content-type", b""))
        if sse is None:
            sse = True if asked_for_stream else None
        undecided = asked_for_stream and sse is False
        coding = fields.get(b"content-encoding", b"identity").strip().lower()
        if sse is None or coding == b"identity":
            return None if sse is None else cls(sse=sse, undecided=undecided)
        if coding not in _CODINGS:
            return None
        from cfp.proxy.http.content_coding import StreamDecoder  # noqa: PLC0415  few providers compress a stream

        return cls(sse=sse, decoder=StreamDecoder(coding), undecided=undecided)

    def feed(self, piece: bytes) -> None:
        """Observe one more piece of the body."""
        if self._decoder is not None:
            decoded = None if self.is_opaque else self._decoder.feed(piece)
            self.is_opaque = decoded is None
            piece = decoded or b""
        if not piece:
            return
        if self._undecided:
            first = piece.lstrip()[:1]
            self._undecided = not first
            if first not in {b"", b"{", b"["}:
                self.is_event, self._open = True, False
                self._pieces, self._size = [], 0
        self._keep_tail(piece)
        if self._open:
            end = _find_end(piece) if self.is_event else -1
            self._keep(piece if end < 0 else piece[:end])
            if end < 0:
                return
            self._open = False
            piece = piece[end:]
        window = self._overlap + piece if self._overlap else piece
        # The quote first: it tells apart nearly all pieces of a byte, and a search takes longer than all else here.
        if self.output_at is None and b'"' in piece and window.find(_OUTPUT_MARK, -len(piece) - _CUT) >= 0:
            self.output_at = monotonic() if _OUTPUT.search(window) else None
        at = window.rfind(_MEMBER)
        if at < 0:
            self._overlap = window[-_OVERLAP:]
            return
        start = max(window.rfind(b"\n", 0, at), window.rfind(b"\r", 0, at)) + 1
        end = _find_end(window, at)
        if end < 0:
            line, self._overlap, self._open = window[start:], b"", True
        else:
            line, self._overlap = window[start:end], window[end:][-_OVERLAP:]
        self._pieces, self._size = [line], len(line)

    @property
    def text(self) -> bytes | None:
        """The kept text, None without any: a `data:` line where `is_event`, else a whole body."""
        return b"".join(self._pieces) if self._pieces and self._size <= _MAX_TEXT else None

    @property
    def tail(self) -> bytes:
        """The last pieces of the body, 8 KiB or more; they may begin in the middle of a line."""
        return b"".join(self._tail)

    def _keep_tail(self, piece: bytes) -> None:
        tail = self._tail
        tail.append(piece)
        self._tail_size += len(piece)
        while self._tail_size - len(tail[0]) >= _TAIL:
            self._tail_size -= len(tail.popleft())

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= _MAX_TEXT:
            self._pieces.append(piece)
        else:
            self._pieces.clear()


def _find_end(text: bytes, start: int = 0) -> int:
    """Return the place of the first line end, -1 without one (WHATWG HTML 9.2.6: CR, LF or both)."""
    line_feed = text.find(b"\n", start)
    carriage_return = text.find(b"\r", start, len(text) if line_feed < 0 else line_feed)
    return line_feed if carriage_return < 0 else carriage_return


@lru_cache(16)  # an upstream has few spellings of its types
def _is_stream(content_type: bytes) -> bool | None:
    """Whether the type says that the body is an event stream (True) or JSON (False); None: neither."""
    kind = content_type.lower().partition(b";")[0].strip()
    if kind == b"text/event-stream":
        return True
    return False if kind == b"application/json" or kind.endswith(b"+json") else None
