"""HTTP/1.1 on both legs: bytes in, what `wire` names out. No IO, no clock.

llhttp (Node's parser, through httptools) does the framing and is strict by default: both a length and a transfer
coding, two lengths, bad chunks, bare CR or LF and folded lines are errors. What it lets pass and we do not is in the
two `on_headers_complete`.

Behind a protocol switch nothing is HTTP: a parser keeps what it was fed of that in `rest`, and `Opaque` takes over.

How the bytes are cut into reads changes nothing but where one piece of data ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser

from cfp.proxy.http.head_cache import HeadCache, head_of
from cfp.proxy.http.messages import (
    END,
    Fault,
    Headers,
    Malformed,
    RequestEvent,
    RequestHead,
    ResponseEvent,
    ResponseHead,
    Trailers,
)

METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"})
ALLOW: Final = b", ".join(sorted(METHODS))
_TOO_LARGE: Final = "the head is too large"
_START_LINE: Final = 1024  # what a head may have besides its target and fields
# RFC 9112 4: tab, space, visible characters and what is beyond ASCII. llhttp takes any byte but CR and LF there.
_REASON: Final = bytes({9, *range(32, 127), *range(128, 256)})


class _Stop(Exception):
    """Leaves llhttp from inside a callback; `feed` knows why."""


class _Collector:
    """The header fields of one message, with a limit on their size.

    `on_header` runs for every field of every message: what need not be done for each is done once, at the head's end.
    """

    on_header: Callable[[bytes, bytes], None]

    def __init__(self, max_head: int) -> None:
        self._max_head = max_head
        self._stopped: Malformed | None = None
        self.rest = b""
        self._shared = 0  # bytes of the last read with an event: a head may have begun behind it
        self._quiet = 0  # bytes of the reads since, before this one
        self._fed = 0  # bytes of this read
        self._start = b""
        self._found: list[tuple[bytes, bytes]] = []
        append = self._found.append

        def on_header(name: bytes, value: bytes) -> None:
            append((name, value))

        self.on_header = on_header

    def _take_fields(self) -> tuple[Headers, dict[bytes, bytes]]:
        """What was collected, as `headers` and `fields` of a head."""
        headers: Headers = []
        fields: dict[bytes, bytes] = {}
        for name, text in self._found:
            key, value = name.lower(), text.rstrip(b" \t")
            headers.append((key, name, value))
            fields[key] = fields[key] + b", " + value if key in fields else value
        self._found.clear()
        return headers, fields

    def _stop(self, fault: Fault, reason: str) -> None:
        self._stopped = Malformed(fault, reason)
        raise _Stop

    def _check_size(self) -> None:
        """Refuse a head that is too large; called where enough has been read for one."""
        size = len(self._start) + sum(len(name) + len(value) + 4 for name, value in self._found)
        if size > self._max_head:
            self._stop(Fault.HEAD_TOO_LARGE, _TOO_LARGE)

    def _overlong(self) -> bool:
        """Whether bytes keep coming that make no event: one endless line, which only piles up in the parser."""
        self._quiet += self._fed
        return self._quiet > self._max_head + _START_LINE

    def _framing(self, fields: dict[bytes, bytes]) -> tuple[int | None, bool]:
        coding = fields.get(b"transfer-encoding")
        if coding is None:
            length = fields.get(b"content-length")
            return (None if length is None else int(length)), False
        if coding.lower() != b"chunked":
            self._stop(Fault.FRAMING, "the only transfer coding understood is chunked")
        return None, True


class RequestParser(_Collector):
    """The client's side of one connection. `mid_head`: a head has begun to arrive."""

    def __init__(self, max_head: int = 65536, head_cache: HeadCache | None = None) -> None:
        super().__init__(max_head)
        self._events: list[RequestEvent] = []
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._last = False
        self.mid_head = False
        self._head_cache = head_cache
        self._awaited = 0  # bytes of the body behind a head that was known: llhttp sees nothing of such a request
        self._between = head_cache is not None  # llhttp has seen whole messages only, and nothing behind them

    def feed(self, data: bytes | memoryview) -> list[RequestEvent]:
        """Return what these bytes complete. After `Malformed`, a close or an upgrade everything is ignored.

        A body that came together with its head, and with nothing else, is a part of `data`.
        """
        events: list[RequestEvent] = []
        while data and self._parser is not None:
            if self._awaited:
                data = self._take_body(data, events)
                continue
            known = self._head_cache.find(data) if self._between and self._head_cache is not None else None
            if known is None:
                events += self._parse(data)
                break
            head, size = known
            body = data[size:]
            if head.length == len(body) != 0:
                if events:  # only behind nothing else it need not be copied
                    body = bytes(body)
                return [*events, head, body, END]
            events.append(head)
            self._awaited, data = head.length or 0, body
            if not self._awaited:
                events.append(END)
        return events

    def _take_body(self, data: bytes | memoryview, events: list[RequestEvent]) -> bytes | memoryview:
        """Return what is behind the body."""
        awaited, size = self._awaited, len(data)
        if size < awaited:
            self._awaited = awaited - size
            events.append(bytes(data))
            return b""
        self._awaited = 0
        events.append(bytes(data) if size == awaited else bytes(data[:awaited]))
        events.append(END)
        return data[awaited:]

    def _parse(self, data: bytes | memoryview) -> list[RequestEvent]:
        """The same by llhttp."""
        parser = self._parser
        assert parser is not None  # noqa: S101  `feed` has looked
        events = self._events = []
        self._fed = len(data)
        try:
            parser.feed_data(data)
        except HttpParserUpgrade as switch:
            self.close()
            self.rest = bytes(data[switch.args[0] :])
        except HttpParserError as error:
            self.close()
            if not (self._last and events and events[-1] is END):
                events.append(self._stopped or Malformed(Fault.FRAMING, str(error)))
        else:
            if events:
                self._shared, self._quiet = self._fed, 0
                if self._last and events[-1] is END:
                    self.close()
            elif self._overlong():
                self.close()
                events.append(Malformed(Fault.HEAD_TOO_LARGE, _TOO_LARGE))
        if self._head_cache is not None:
            self._learn(data, events, self._head_cache)
        return events

    def _learn(self, data: bytes | memoryview, events: Sequence[RequestEvent], head_cache: HeadCache) -> None:
        """Note where llhttp stands, and the head that it has read from the beginning of these bytes on."""
        text = b""
        if self._between and events and isinstance(events[0], RequestHead):
            text = head_of(data)
            head_cache.keep(text, events[0])
        body = sum(len(event) for event in events if isinstance(event, bytes))
        self._between = bool(events) and events[-1] is END and len(text) + body == self._fed

    def close(self) -> None:
        """Let go of llhttp, which refers back to us."""
        self._parser = None

    def on_message_begin(self) -> None:
        self._start = b""
        self.mid_head = True

    def on_url(self, url: bytes) -> None:
        self._start += url

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None  # noqa: S101  it is the one calling
        if self._shared + self._quiet + self._fed > self._max_head:
            self._check_size()
        method: bytes = parser.get_method()
        version: str = parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            self._stop(Fault.VERSION, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        if method not in METHODS:
            self._stop(Fault.METHOD, "this method is not served here")
        headers, fields = self._take_fields()
        host = fields.get(b"host")
        if (host is None and version == "1.1") or (host is not None and b"," in host):
            self._stop(Fault.FRAMING, "exactly one Host is needed")
        length, chunked = self._framing(fields)
        if chunked and version == "1.0":
            self._stop(Fault.FRAMING, "HTTP/1.0 has no transfer codings")
        if fields.pop(b"content-length", None) is not None:
            headers = [field for field in headers if field[0] != b"content-length"]
        self.mid_head = False
        head = RequestHead(
            method,
            self._start,
            headers,
            fields,
            int(version[2]),
            parser.should_keep_alive(),
            length,
            chunked,
            parser.should_upgrade(),
        )
        self._events.append(head)
        self._last = head.upgrade or not head.keep_alive

    def on_body(self, body: bytes) -> None:
        self._events.append(body)

    def on_message_complete(self) -> None:
        if self._found:
            if self._shared + self._quiet + self._fed > self._max_head:
                self._check_size()
            self._events.append(Trailers(self._take_fields()[0]))
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
            if events:
                self._shared, self._quiet = self._fed, 0
            elif self._overlong():
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
        self._start = b""

    def on_status(self, status: bytes) -> None:
        self._start += status

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None  # noqa: S101  it is the one calling
        if self._shared + self._quiet + self._fed > self._max_head:
            self._check_size()
        version: str = parser.get_http_version()
        status: int = parser.get_status_code()
        reason, bodiless = self._start, self._bodiless
        if version not in {"1.1", "1.0"} or status < 100:
            self._stop(Fault.VERSION, "it does not speak HTTP/1.1")
        if reason != b"OK" and reason.translate(None, _REASON):
            self._stop(Fault.FRAMING, "its reason phrase has control characters")
        if status == 101 and not (self._switch and parser.should_upgrade()):
            self._stop(Fault.VERSION, "it switched protocols")
        headers, fields = self._take_fields()
        length, chunked = self._framing(fields)
        if status < 200 and (length or chunked):
            self._stop(Fault.FRAMING, "an interim response has a body")
        sized = chunked or length is not None or bodiless or status < 200 or status in {204, 304}
        self._until_close = not sized
        minor, keep_alive = int(version == "1.1"), parser.should_keep_alive() and not bodiless
        self._events.append(
            ResponseHead(status, reason, headers, fields, minor, keep_alive, length, chunked, not sized)
        )
        self._interim = status < 200 and status != 101
        if bodiless and not self._interim:
            # llhttp cannot be told that no body follows: say the end here and never read on.
            self._idle = True
            self._events.append(END)
            raise _Stop

    def on_body(self, body: bytes) -> None:
        self._events.append(body)

    def on_message_complete(self) -> None:
        if self._found:
            if self._shared + self._quiet + self._fed > self._max_head:
                self._check_size()
            self._events.append(Trailers(self._take_fields()[0]))
        if not self._interim:
            self._events.append(END)
            self._idle = True
