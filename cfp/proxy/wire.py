"""HTTP/1.1 on both legs: bytes in, heads, data and ends out. No IO, no clock.

llhttp (Node's parser, through httptools) does the framing and is strict by default: both a length and a transfer
coding, two lengths, bad chunks, bare CR or LF and folded lines are errors. What it lets pass and we do not is in
`RequestParser._fault` and `ResponseParser._fault`.

    request    RequestHead  bytes*  Trailers?  END        repeated; `Malformed` is always the last event
    response   ResponseHead(1xx)*  ResponseHead  bytes*  Trailers?  END

Behind a protocol switch nothing is HTTP: a parser keeps what it was fed of that in `rest`, and `Opaque` takes over.

How the bytes are cut into reads changes nothing but where one piece of data ends and the next begins.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, TypeAlias

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser

Headers: TypeAlias = list[tuple[bytes, bytes, bytes]]
Piece: TypeAlias = bytes | bytearray | memoryview

METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"})
_TOO_LARGE: Final = "the head is too large"
_START_LINE: Final = 1024  # what a head may have besides its target and fields
# RFC 9112 4: tab, space, visible characters and what is beyond ASCII. llhttp takes any byte but CR and LF there.
_REASON: Final = bytes({9, *range(32, 127), *range(128, 256)})
LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Mark(enum.Enum):
    END = "end"


END: Final = Mark.END


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

    length   Content-Length, None where there is none
    upgrade  a protocol switch is asked for: nothing behind this head can be read as HTTP
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


RequestEvent: TypeAlias = RequestHead | bytes | Trailers | Mark | Malformed
ResponseEvent: TypeAlias = ResponseHead | bytes | Trailers | Mark | Malformed


class _Stop(Exception):
    """Leaves llhttp from inside a callback; `feed` knows why."""


class _Collector:
    """The header fields of one message, with a limit on their size.

    This runs for every field of every message: what need not be done for each is done once, at the head's end.
    """

    def __init__(self, max_head: int) -> None:
        self._max_head = max_head
        self._stopped: Malformed | None = None
        self.rest = b""
        self._quiet = 0  # bytes since the last event, before this read
        self._fed = 0  # bytes of this read
        self._begin()

    def _begin(self) -> None:
        self._start = b""
        self._headers: Headers = []
        self._fields: dict[bytes, bytes] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        value = value.rstrip(b" \t")
        key = name.lower()
        self._headers.append((key, name, value))
        fields = self._fields
        if key in fields:
            value = fields[key] + b", " + value
        fields[key] = value

    def _stop(self, fault: Fault, reason: str) -> None:
        self._stopped = Malformed(fault, reason)
        raise _Stop

    def _check_size(self) -> None:
        """Refuse a head that is too large; it cannot be where so little has been read."""
        if self._quiet + self._fed > self._max_head:
            size = len(self._start) + sum(len(name) + len(value) + 4 for _, name, value in self._headers)
            if size > self._max_head:
                self._stop(Fault.HEAD_TOO_LARGE, _TOO_LARGE)

    def _overlong(self, events: list[RequestEvent] | list[ResponseEvent]) -> bool:
        """Whether bytes keep coming that make no event: one endless line, which only piles up in the parser."""
        self._quiet = 0 if events else self._quiet + self._fed
        return self._quiet > self._max_head + _START_LINE

    def _framing(self) -> tuple[int | None, bool]:
        coding = self._fields.get(b"transfer-encoding")
        if coding is None:
            length = self._fields.get(b"content-length")
            return (None if length is None else int(length)), False
        if coding.lower() != b"chunked":
            self._stop(Fault.FRAMING, "the only transfer coding understood is chunked")
        return None, True


class RequestParser(_Collector):
    """The client's side of one connection. `mid_head`: a head has begun to arrive."""

    def __init__(self, max_head: int = 65536) -> None:
        super().__init__(max_head)
        self._events: list[RequestEvent] = []
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._last = False
        self.mid_head = False

    def feed(self, data: bytes | memoryview) -> list[RequestEvent]:
        """Return what these bytes complete. After `Malformed`, a close or an upgrade everything is ignored."""
        if self._parser is None:
            return []
        events = self._events = []
        self._fed = len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as switch:
            self.close()
            self.rest = bytes(data[switch.args[0] :])
        except HttpParserError as error:
            self.close()
            if not (self._last and events and events[-1] is END):
                events.append(self._stopped or Malformed(Fault.FRAMING, str(error)))
        else:
            if self._last and events and events[-1] is END:
                self.close()
            elif self._overlong(events):
                self.close()
                events.append(Malformed(Fault.HEAD_TOO_LARGE, _TOO_LARGE))
        return events

    def close(self) -> None:
        """Let go of llhttp, which refers back to us."""
        self._parser = None

    def on_message_begin(self) -> None:
        self._begin()
        self.mid_head = True

    def on_url(self, url: bytes) -> None:
        self._start += url

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None  # noqa: S101  it is the one calling
        self._check_size()
        method: bytes = parser.get_method()
        version: str = parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            self._stop(Fault.VERSION, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        if method not in METHODS:
            self._stop(Fault.METHOD, "this method is not served here")
        host = self._fields.get(b"host")
        if (host is None and version == "1.1") or (host is not None and b"," in host):
            self._stop(Fault.FRAMING, "exactly one Host is needed")
        length, chunked = self._framing()
        if chunked and version == "1.0":
            self._stop(Fault.FRAMING, "HTTP/1.0 has no transfer codings")
        self.mid_head = False
        head = RequestHead(
            method,
            self._start,
            self._headers,
            self._fields,
            int(version[2]),
            parser.should_keep_alive(),
            length,
            chunked,
            parser.should_upgrade(),
        )
        self._events.append(head)
        self._last = head.upgrade or not head.keep_alive
        self._begin()

    def on_body(self, body: bytes) -> None:
        self._events.append(body)

    def on_message_complete(self) -> None:
        if self._headers:
            self._check_size()
            self._events.append(Trailers(self._headers))
        self._events.append(END)


class ResponseParser(_Collector):
    """The upstream's side of one connection; `expect` goes before each response."""

    def __init__(self, max_head: int = 65536) -> None:
        super().__init__(max_head)
        self._events: list[ResponseEvent] = []
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._bodiless = False
        self._switch = False
        self._interim = False
        self._idle = True
        self._until_close = False

    def expect(self, *, bodiless: bool = False, switch: bool = False) -> None:
        """Await one response; `bodiless` after HEAD, whose answer has no body; `switch`: a 101 is an answer too."""
        self._bodiless = bodiless
        self._switch = switch
        self._idle = False

    def feed(self, data: bytes | memoryview) -> list[ResponseEvent]:
        if self._parser is None:
            return []
        events = self._events = []
        self._fed = len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as switch:
            self.close()
            self.rest = bytes(data[switch.args[0] :])
            if not self._idle:
                events.append(Malformed(Fault.FRAMING, "it switched protocols"))
        except HttpParserError as error:
            self.close()
            if self._stopped or not self._idle:
                events.append(self._stopped or Malformed(Fault.FRAMING, str(error)))
        else:
            if self._overlong(events):
                self.close()
                events.append(Malformed(Fault.HEAD_TOO_LARGE, _TOO_LARGE))
        return events

    def eof(self) -> list[ResponseEvent]:
        """The upstream closed: the end of a body that has no other end, or a cut."""
        if self._parser is None or self._idle:
            return []
        self.close()
        if self._until_close:
            self._idle = True
            return [END]
        return [Malformed(Fault.CLOSED, "the connection was closed before the response was complete")]

    def close(self) -> None:
        self._parser = None

    def on_message_begin(self) -> None:
        if self._idle:
            self._stop(Fault.FRAMING, "it sent what nobody asked for")
        self._begin()

    def on_status(self, status: bytes) -> None:
        self._start += status

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None  # noqa: S101  it is the one calling
        self._check_size()
        version: str = parser.get_http_version()
        status: int = parser.get_status_code()
        if version not in {"1.1", "1.0"} or status < 100:
            self._stop(Fault.VERSION, "it does not speak HTTP/1.1")
        if self._start != b"OK" and self._start.translate(None, _REASON):
            self._stop(Fault.FRAMING, "its reason phrase has control characters")
        if status == 101 and not (self._switch and parser.should_upgrade()):
            self._stop(Fault.VERSION, "it switched protocols")
        length, chunked = self._framing()
        empty = self._bodiless or status < 200 or status in {204, 304}
        self._until_close = not (empty or chunked or length is not None)
        head = ResponseHead(
            status,
            self._start,
            self._headers,
            self._fields,
            int(version[2]),
            parser.should_keep_alive() and not self._bodiless,
            length,
            chunked,
            self._until_close,
        )
        self._events.append(head)
        self._begin()
        self._interim = status < 200 and status != 101
        if self._bodiless and not self._interim:
            # llhttp cannot be told that no body follows: say the end here and never read on.
            self._idle = True
            self._events.append(END)
            raise _Stop

    def on_body(self, body: bytes) -> None:
        self._events.append(body)

    def on_message_complete(self) -> None:
        if self._headers:
            self._check_size()
            self._events.append(Trailers(self._headers))
        if not self._interim:
            self._events.append(END)
            self._idle = True


class Opaque:
    """In the place of either parser once the protocol has been switched: bytes are bytes, and a close is an end."""

    mid_head = False

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        return [bytes(data)]

    def eof(self) -> list[Mark]:
        return [END]

    def close(self) -> None:
        """Hold nothing."""


def chunk(pieces: list[bytes]) -> list[Piece]:
    """One chunk around the pieces, which must not be empty in sum."""
    return [b"%x\r\n" % sum(map(len, pieces)), *pieces, b"\r\n"]
