"""What goes to the upstream of a client's body: held until all is there, or framed anew as it comes. No IO.

held       it is looked into; what goes out in its place has a length
streamed   in the client's own framing, length or chunks with their trailers
"""

from __future__ import annotations

from cfp.proxy import headers, wire
from cfp.proxy.wire import Headers, Piece, RequestHead


class Upload:
    """One request's body. `parts` is what goes out for a held one; `complete`: all of it is here."""

    def __init__(self, head: RequestHead, *, complete: bool) -> None:
        self._head = head
        self._unsent: list[bytes] = []
        self._trailers: Headers = []
        self.body: bytes | bytearray | None = None
        self.parts: list[Piece] = []
        self.complete = complete

    def hold(self) -> None:
        """From the beginning: this one is looked into."""
        self.body = b""

    def add(self, piece: bytes) -> int:
        """Keep one more piece of a held body; return its size so far."""
        body = self.body
        if not body:
            self.body = piece  # mostly the only one: no copy
            return len(piece)
        if not isinstance(body, bytearray):
            body = self.body = bytearray(body)
        body += piece
        return len(body)

    def keep(self, piece: bytes) -> None:
        """Keep a piece of a streamed body while there is no connection."""
        self._unsent.append(piece)

    def trail(self, trailers: Headers) -> None:
        """Keep the fields behind the body."""
        self._trailers = trailers

    @property
    def length(self) -> int | None:
        """Of the body that goes out; None where it is chunked, or none."""
        if self.body is None:
            return self._head.length
        return sum(map(len, self.parts))

    def opening(self) -> list[Piece]:
        """What goes out together with the head."""
        if self.body is not None:
            return self.parts
        if not self._head.chunked:
            kept: list[Piece] = [*self._unsent]
            self._unsent = []
            return kept
        kept = wire.chunk(self._unsent) if self._unsent else []
        self._unsent = []
        return kept + self.ending() if self.complete else kept

    def framed(self, piece: bytes) -> list[Piece]:
        """One more piece of a streamed body."""
        return wire.chunk([piece]) if self._head.chunked else [piece]

    def ending(self) -> list[Piece]:
        """The end of a streamed body."""
        return [headers.last_chunk(self._trailers)] if self._head.chunked else []

    def drop(self) -> None:
        """Let go of all bytes."""
        self.body = None
        self.parts, self._unsent = [], []
