"""Responses on their way from the upstream to the client: heads are filtered and bodies framed for the client. No IO.

unsized body    chunked for HTTP/1.1; for HTTP/1.0 it ends where the connection closes
trailers        sent behind a chunked body only
sized body      unchanged, with the upstream's own length
held answer     an answer with one of these statuses is held back until it is complete, or larger than a limit; a 429
                with Retry-After is not
redirect        held back until it is released with another Location, or answered otherwise
401             403 for the client, where the key is not its own
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from cfp.proxy.http import headers, messages
from cfp.proxy.http.messages import END, Headers, Malformed, Piece, RequestHead, ResponseEvent, ResponseHead, Trailers

HOLD_LIMIT: Final = 64 * 1024


class Held(NamedTuple):
    """The answers that are held back, by their statuses, and the bytes of a body that is."""

    statuses: Collection[int] = ()
    limit: int = HOLD_LIMIT


class ResponseRelay:
    """One response. After each `process`, `output` must be written.

    output       bytes for the client
    pieces       the pieces of the body in `output`
    head         the final response's head
    started      `output` has had that head
    holding      such an answer or a redirect is held back
    held_pieces  its body so far
    ended        the response is complete
    malformed    the event that ended the response too early
    close        the client's connection ends with this response
    until_close  the client's body ends where its connection closes
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

    def __init__(
        self,
        request: RequestHead,
        held: Held,
        *,
        masks_401: bool = False,
        awaits_continue: bool = False,
    ) -> None:
        """`masks_401`: a 401 is not about the client's own login, which it would renew, and might lose by that."""
        self._request = request
        self._masks_401 = masks_401
        self._held = held
        self._awaits_continue = awaits_continue

    def process(self, events: Sequence[ResponseEvent], *, close: bool) -> None:
        """Turn the upstream's events into output; `close`: the client's connection ends with this response."""
        output: list[Piece] = []
        pieces: list[bytes] = []
        for event in events:
            if isinstance(event, bytes):
                pieces.append(event)
            elif event is END:
                self.ended = True
            elif isinstance(event, ResponseHead):
                self._process_head(event, output, close=close)
            elif isinstance(event, Trailers):
                self._trailers = event.headers
            elif isinstance(event, Malformed):
                self.malformed = event
        self.output, self.pieces = output, pieces
        if not self.holding:
            self._frame(output, pieces)
            return
        self.held_pieces, self.pieces = [*self.held_pieces, *pieces], ()
        if sum(map(len, self.held_pieces)) > self._held.limit and not (self.head and self.head.is_redirect):
            self.release_held(close=close)

    def release_held(self, *, close: bool) -> None:
        """Stop holding the response and output it."""
        assert self.head is not None  # noqa: S101  only a response with a head is held
        self.holding = False
        self.pieces, self.held_pieces = self.held_pieces, ()
        self.output = output = [*self.output, self._start(self.head, close=close)]
        self._frame(output, self.pieces)

    def _process_head(self, head: ResponseHead, output: list[Piece], *, close: bool) -> None:
        if head.status < 200:
            # 100 is for a client that waits for it; HTTP/1.0 has no interim responses.
            if (head.status != 100 or self._awaits_continue) and self._request.minor:
                output.append(headers.response_head(head, chunked=False, close=False))
            return
        self.head = head
        is_dated = head.status == 429 and b"retry-after" in head.fields
        if head.is_redirect or (head.status in self._held.statuses and not is_dated):
            self.holding = True
        else:
            output.append(self._start(head, close=close))

    def _start(self, head: ResponseHead, *, close: bool) -> bytes:
        request = self._request
        if head.length is None and request.method != b"HEAD" and head.status not in {204, 304}:
            self._chunked = request.minor == 1
            self.until_close = not self._chunked
        self.close = close or self.until_close
        self.started = True
        if head.status == 401 and self._masks_401:
            head = replace(head, status=403, reason=b"Forbidden")
        return headers.response_head(head, chunked=self._chunked, close=self.close)

    def _frame(self, output: list[Piece], pieces: Sequence[bytes]) -> None:
        if not self._chunked:
            output += pieces
            return
        if pieces:
            output += messages.chunk(pieces)
        if self.ended:
            output.append(headers.last_chunk(self._trailers) if self._trailers else messages.LAST_CHUNK)
