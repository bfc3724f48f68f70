"""What HTTP/1.1 is made of on both legs: heads, data, trailers and ends. `parsers` makes them of bytes.

request    RequestHead  bytes*  Trailers?  END        repeated; `Malformed` is always the last event
           RequestHead  memoryview  END               all that a read has brought: the body lies in its buffer
response   ResponseHead(1xx)*  ResponseHead  bytes*  Trailers?  END
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes, bytes]]
Body: TypeAlias = bytes | bytearray | memoryview
Piece: TypeAlias = Body  # of what goes out

LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class MessageEnd(enum.Enum):
    END = "end"


END: Final = MessageEnd.END


class Fault(enum.Enum):
    """Why a message cannot be taken; the value is the status that a client is answered."""

    FRAMING = 400
    METHOD = 405
    HEAD_TOO_LARGE = 431
    CLOSED = 502  # by the upstream, before its answer was complete
    VERSION = 505


@dataclass(frozen=True, slots=True)
class Malformed:
    """The end of what can be read from this connection; `reason` holds nothing that the peer sent."""

    fault: Fault
    reason: str


@dataclass(slots=True)  # not frozen: it is built for every request, and that would cost more than parsing it
class RequestHead:
    """`headers` has the fields in order as (lower-case name, name as sent, value); `fields` joins those of one name.

    length   Content-Length, None where there is none; it is no member of `headers` and `fields`
    upgrade  a protocol switch is asked for: nothing behind this head can be read as HTTP
    notes    what others have found out about these bytes; requests that differ in their length alone share it
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
        """The head of another request that says the same."""
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


@dataclass(slots=True)
class Trailers:
    """The fields behind a chunked body, like those of a head."""

    headers: Headers


RequestEvent: TypeAlias = RequestHead | bytes | memoryview | Trailers | MessageEnd | Malformed
ResponseEvent: TypeAlias = ResponseHead | bytes | Trailers | MessageEnd | Malformed


class OpaqueParser:
    """In the place of either parser once the protocol has been switched: bytes are bytes, and a close is an end."""

    mid_head = False

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        return [bytes(data)]

    def eof(self) -> list[MessageEnd]:
        return [END]

    def close(self) -> None:
        """Hold nothing."""


def chunk(pieces: Sequence[bytes]) -> list[Piece]:
    """One chunk around the pieces, which must not be empty in sum."""
    size = len(pieces[0]) if len(pieces) == 1 else sum(map(len, pieces))
    return [b"%x\r\n" % size, *pieces, b"\r\n"]
