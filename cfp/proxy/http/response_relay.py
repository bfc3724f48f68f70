"""What goes to the client of what the upstream answers: heads filtered, bodies framed anew. No IO.

unsized body    chunked for HTTP/1.1, ended by closing for HTTP/1.0
trailers        behind a chunked body; others have no place for them
sized body      as it is, with the upstream's own length
refusal         a 4xx that may be about our own tier is held back until it is complete, or larger than 64 KiB
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cfp.proxy.http import headers, messages
from cfp.proxy.http.messages import END, Headers, Malformed, Piece, RequestHead, ResponseEvent, ResponseHead, Trailers

HOLD_LIMIT: Final = 64 * 1024


class ResponseRelay:
    """One response on its way. After each `take`: `out` is to be written, `pieces` are the body in it.

    head         of the final response; `started` says whether it has gone into `out`
    holding      a refusal is held back: `held` has its body
    until_close  the body that goes out ends where the client's connection does
    """

    output: Sequence[Piece] = ()
    pieces: Sequence[bytes] = ()
    held_pieces: Sequence[bytes] = ()
    head: ResponseHead | None = None
    started = False
    holding = False
    ended = False
    malformed: Malformed | None = None
    close = False
    until_close = False
    _chunked = False
    _trailers: Headers | None = None

    def __init__(self, request: RequestHead, *, hold_refusal: bool, awaits_continue: bool = False) -> None:
        self._request = request
        self._hold_refusal = hold_refusal
        self._awaits_continue = awaits_continue

    def process(self, events: Sequence[ResponseEvent], *, close: bool) -> None:
        """Take what came; `close`: the client's connection ends with this response."""
        out: list[Piece] = []
        pieces: list[bytes] = []
        for event in events:
            if isinstance(event, bytes):
                pieces.append(event)
            elif event is END:
                self.ended = True
            elif isinstance(event, ResponseHead):
                self._take_head(event, out, close=close)
            elif isinstance(event, Trailers):
                self._trailers = event.headers
            elif isinstance(event, Malformed):
                self.malformed = event
        self.output, self.pieces = out, pieces
        if not self.holding:
            self._frame(out, pieces)
            return
        self.held_pieces, self.pieces = [*self.held_pieces, *pieces], ()
        if sum(map(len, self.held_pieces)) > HOLD_LIMIT:
            self.release_held(close=close)

    def release_held(self, *, close: bool) -> None:
        """Pass on what was held."""
        assert self.head is not None  # noqa: S101  or nothing would be held
        self.holding = False
        self.pieces, self.held_pieces = self.held_pieces, ()
        self.output = out = [*self.output, self._start(self.head, close=close)]
        self._frame(out, self.pieces)

    def _take_head(self, head: ResponseHead, out: list[Piece], *, close: bool) -> None:
        if head.status < 200:
            # 100 is for who waits for it; HTTP/1.0 knows no interim responses.
            if (head.status != 100 or self._awaits_continue) and self._request.minor:
                out.append(headers.response_head(head, chunked=False, close=False))
            return
        self.head = head
        if self._hold_refusal and 400 <= head.status < 500:
            self.holding = True
        else:
            out.append(self._start(head, close=close))

    def _start(self, head: ResponseHead, *, close: bool) -> bytes:
        request = self._request
        if head.length is None and request.method != b"HEAD" and head.status not in {204, 304}:
            self._chunked = request.minor == 1
            self.until_close = not self._chunked
        self.close = close or self.until_close
        self.started = True
        return headers.response_head(head, chunked=self._chunked, close=self.close)

    def _frame(self, out: list[Piece], pieces: Sequence[bytes]) -> None:
        if not self._chunked:
            out += pieces
            return
        if pieces:
            out += messages.chunk(pieces)
        if self.ended:
            out.append(headers.last_chunk(self._trailers) if self._trailers else messages.LAST_CHUNK)
