"""What goes to the upstream of a client's body: held until all is there, or framed anew as it comes. No IO.

held       it is looked into; what goes out in its place has a length
streamed   in the client's own framing, length or chunks with their trailers
"""

from __future__ import annotations

from collections.abc import Sequence

from cfp.proxy.http import headers, messages
from cfp.proxy.http.messages import Body, Headers, Piece, RequestHead


class RequestBody:
    """One request's body. `parts` is what goes out for a held one; `complete`: all of it is here.

    whole     the body, where it came together with its head; nothing where it comes in pieces, or there is none
    borrowed  it lies in a buffer, and so does what was made of it: before the next read it must be sent, by `join`,
              or copied, by `copy_borrowed`
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
        """Copy what is borrowed, and return the body."""
        if self.borrowed:
            self.borrowed = False
            self.whole = bytes(self.whole)
            self.parts = [bytes(part) for part in self.parts]
            if self.body is not None:
                self.body = self.whole
        return self.whole if self.body is None else self.body

    def join(self, head: bytes) -> bytes:
        """Return the head and what is borrowed in one, which is what remains of it."""
        self.borrowed = False
        self._sent = text = b"".join((head, *(self.parts or (self.whole,))))
        return text

    def restore_original(self) -> None:
        """What goes out from here on is what came."""
        body = self.body or b""
        if self._sent:  # of the parts nothing but their lengths is what it was
            _, member, rest = map(len, self.parts)
            view, behind = memoryview(self._sent), len(self._sent) - rest
            self.parts = (view[behind - member - (len(body) - rest) : behind - member], view[behind:])
            self._sent = b""
        else:
            self.parts = (body,)

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

    def discard(self) -> None:
        """Let go of a body that need not be sent again: a stream may last for minutes."""
        self.body, self.whole, self.parts, self._sent = None, b"", (), b""

    def queue(self, piece: bytes) -> None:
        """Keep a piece of a streamed body while there is no connection."""
        self._unsent = [*self._unsent, piece]

    def set_trailers(self, trailers: Headers) -> None:
        """Keep the fields behind the body."""
        self._trailers = trailers

    def opening(self) -> tuple[int | None, Sequence[Piece]]:
        """The body's length, None where it is chunked or none, and what of it goes out together with the head."""
        if self.body is not None:
            return sum(map(len, self.parts)), self.parts
        length = self._head.length
        if self.whole:
            return length, (self.whole,)
        unsent, self._unsent = self._unsent, ()
        if not self._head.chunked:
            return length, unsent
        kept = messages.chunk(unsent) if unsent else []
        return None, kept + self.last_parts() if self.complete else kept

    def frame(self, piece: bytes) -> list[Piece]:
        """One more piece of a streamed body."""
        return messages.chunk([piece]) if self._head.chunked else [piece]

    def last_parts(self) -> list[Piece]:
        """The end of a streamed body."""
        return [headers.last_chunk(self._trailers or [])] if self._head.chunked else []
