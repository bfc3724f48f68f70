"""The parts of HTTP/1.1 messages on both legs: heads, body pieces, trailers and ends, as the parsers make them.

request    RequestHead  bytes*  Trailers?  END        repeated; `Malformed` is always the last event
           RequestHead  memoryview  END               one read brought the whole request: the body lies in its buffer
response   ResponseHead(1xx)*  ResponseHead  bytes*  Trailers?  END
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes, bytes]]
Body: TypeAlias = bytes | bytearray | memoryview
Piece: TypeAlias = Body  # of the bytes that are written to a connection

LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class MessageEnd(enum.Enum):
    """The event behind the last part of a message."""

    END = "end"


END: Final = MessageEnd.END


class Fault(enum.Enum):
    """The reason for which a message is refused; the value is the status for a client."""

    FRAMING = 400
    METHOD = 405
    HEAD_TOO_LARGE = 431
    CLOSED = 502  # by the upstream, before its response was complete
    VERSION = 505


@dataclass(frozen=True, slots=True)
class Malformed:
    """The last event of a connection that cannot be parsed any further; `reason` has no text from the peer."""

    fault: Fault
    reason: str


@dataclass(slots=True)  # not frozen: that would make building one, as each request does, slower than parsing it
class RequestHead:
    """A request's start line and header fields.

    headers  the fields in order as (lower-case name, name as sent, value)
    fields   the same by lower-case name; the values of one name are joined with commas
    length   Content-Length, None where there is none; `headers` and `fields` do not have it
    upgrade  the request switches protocols: nothing behind this head can be parsed as HTTP
    cache    values derived from this head; requests that differ only in their length share it
    """

    method: bytes
    target: bytes
    headers: Headers
    fields: dict[bytes, bytes]
    minor: int
    keep_alive: bool
    length: int | None
    chunked: bool
    upgrade: bool
    cache: dict[object, Any] = field(default_factory=dict)

    def of_length(self, length: int) -> RequestHead:
        """Return the head of a request that differs in the length alone; both share the cache."""
        return RequestHead(
            self.method,
            self.target,
            self.headers,
            self.fields,
            self.minor,
            self.keep_alive,
            length,
            self.chunked,
            self.upgrade,
            self.cache,
        )


@dataclass(slots=True)
class ResponseHead:
    """`until_close`: the body ends where the connection ends (RFC 9112 6.3)."""

    status: int
    reason: bytes
    headers: Headers
    fields: dict[bytes, bytes]
    minor: int
    keep_alive: bool
    length: int | None
    chunked: bool
    until_close: bool

    @property
    def is_redirect(self) -> bool:
        """Whether a client might follow the response: a 3xx with a Location (RFC 9110 15.4); a 304 is none."""
        return 300 <= self.status < 400 and self.status != 304 and b"location" in self.fields


@dataclass(slots=True)
class Trailers:
    """The fields behind a chunked body; `headers` is like a head's."""

    headers: Headers


RequestEvent: TypeAlias = RequestHead | bytes | memoryview | Trailers | MessageEnd | Malformed
ResponseEvent: TypeAlias = ResponseHead | bytes | Trailers | MessageEnd | Malformed


class OpaqueParser:
    """Replaces either parser after a protocol switch: bytes pass as they are, and a close is an end."""

    mid_head = False

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        return [bytes(data)]

    def eof(self) -> list[MessageEnd]:
        return [END]

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


def chunk(pieces: Sequence[bytes]) -> list[Piece]:
    """Return one chunk with these pieces, which must have at least one byte together."""
    size = len(pieces[0]) if len(pieces) == 1 else sum(map(len, pieces))
    return [b"%x\r\n" % size, *pieces, b"\r\n"]
