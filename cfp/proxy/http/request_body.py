"""Request bodies on their way to the upstream: held until they are complete, or streamed as they come. No IO.

held       an inspected body; the body that is sent in its place has a length
streamed   any other; it keeps the client's framing, a length or chunks with trailers
"""

from __future__ import annotations

from collections.abc import Sequence

from cfp.proxy.http import headers, messages
from cfp.proxy.http.messages import Body, Headers, Piece, RequestHead


class RequestBody:
    """One request's body.

    body      a held body so far; None where it is streamed
    parts     the bytes that are sent for a held body
    whole     a body that came together with its head; empty where it comes in pieces, or there is none
    borrowed  `whole` and `parts` lie in the read buffer: before the next read they must be sent, by `join`, or
              copied, by `copy_borrowed`
    complete  all of the body has arrived
    """

    body: Body | None = None
    parts: Sequence[Piece] = ()
    _sent = b""
    _unsent: Sequence[bytes] = ()
    _trailers: Headers | None = None

    def __init__(self, head: RequestHead, whole: Body = b"", *, complete: bool) -> None:
        self._head = head
        self.whole = whole
        self.borrowed = isinstance(whole, memoryview)
        self.complete = complete

    def copy_borrowed(self) -> Body:
        """Copy the borrowed bytes out of the read buffer, and return the body."""
        if self.borrowed:
            self.borrowed = False
            self.whole = bytes(self.whole)
            self.parts = [bytes(part) for part in self.parts]
            if self.body is not None:
                self.body = self.whole
        return self.whole if self.body is None else self.body

    def join(self, head: bytes) -> bytes:
        """Return the head and the borrowed bytes as one text, which is the only copy of the body from then on."""
        self.borrowed = False
        self._sent = text = b"".join((head, *(self.parts or (self.whole,))))
        return text

    def restore_original(self) -> None:
        """Set `parts` to the body as the client sent it."""
        body = self.body or b""
        if self._sent:  # the read buffer has been overwritten: of the parts only the lengths are still right
            _, member, rest = map(len, self.parts)
            view, behind = memoryview(self._sent), len(self._sent) - rest
            self.parts = (view[behind - member - (len(body) - rest) : behind - member], view[behind:])
            self._sent = b""
        else:
            self.parts = (body,)

    def hold(self) -> None:
        """Hold this body, which is inspected; called before its first piece."""
        self.body = b""

    def add(self, piece: bytes) -> int:
        """Append a piece to a held body; return its size so far in bytes."""
        body = self.body
        if not body:
            self.body = piece  # mostly the only piece: no copy
            return len(piece)
        if not isinstance(body, bytearray):
            body = self.body = bytearray(body)
        body += piece
        return len(body)

    def discard(self) -> None:
        """Free a body that is not sent again: the response may stream for minutes."""
        self.body, self.whole, self.parts, self._sent = None, b"", (), b""

    def queue(self, piece: bytes) -> None:
        """Keep a piece of a streamed body until there is a connection."""
        self._unsent = [*self._unsent, piece]

    def set_trailers(self, trailers: Headers) -> None:
        """Keep the trailers of the body."""
        self._trailers = trailers

    def opening(self) -> tuple[int | None, Sequence[Piece]]:
        """Return the length of the body, None without a known one, and the parts to send together with the head."""
        if self.body is not None:
            return sum(map(len, self.parts)), self.parts
        length = self._head.length
        if self.whole:
            return length, (self.whole,)
        unsent, self._unsent = self._unsent, ()
        if not self._head.chunked:
            return length, unsent
        parts = messages.chunk(unsent) if unsent else []
        return None, parts + self.last_parts() if self.complete else parts

    def frame(self, piece: bytes) -> list[Piece]:
        """Return one more piece of a streamed body, framed."""
        return messages.chunk([piece]) if self._head.chunked else [piece]

    def last_parts(self) -> list[Piece]:
        """Return the end of a streamed body."""
        return [headers.last_chunk(self._trailers or [])] if self._head.chunked else []
