"""The parser of requests, and what it shares with that of responses: bytes into the events of `messages`. No IO.

llhttp (Node's parser, through httptools) does the framing and is strict by default: both a length and a transfer
coding, two lengths, bad chunks, bare CR or LF and folded lines are errors. The two `on_headers_complete` refuse what
llhttp accepts and the worker does not. What is accepted of an upstream beside that: `response_parser`.

The bytes behind a protocol switch are not HTTP: the parser keeps those that it was fed in `rest`, and `OpaqueParser`
replaces it.

The events do not depend on how the bytes are cut into reads, except for the boundaries between body pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from cfp.proxy.http.head_cache import HeadCache, head_of
from cfp.proxy.http.messages import (
    END,
    Fault,
    Headers,
    Malformed,
    RequestEvent,
    RequestHead,
    Trailers,
)

METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"})
ALLOW: Final = b", ".join(sorted(METHODS))
TOO_LARGE: Final = "the head is too large"
_START_LINE: Final = 1024  # bytes that a head may have besides its target and fields


class Stop(Exception):
    """Raised in a callback to leave llhttp; `feed` handles it."""


class Collector:
    """Collects the header fields of one message and limits their size.

    `on_header` runs for every field of every message, so anything that can be done once per head is done at its end.
    """

    on_header: Callable[[bytes, bytes], None]

    def __init__(self, max_head: int) -> None:
        self._max_head = max_head
        self._fault: Malformed | None = None
        self.rest = b""
        # Their sum bounds the size of an incomplete head: it may have begun in the last read with an event.
        self._event_read = 0  # bytes of the last read that completed an event
        self._eventless = 0  # bytes of the reads since then, without this one
        self._fed = 0  # bytes of this read
        self._start = b""
        self._fields: list[tuple[bytes, bytes]] = []
        append = self._fields.append

        def on_header(name: bytes, value: bytes) -> None:
            append((name, value))

        self.on_header = on_header

    def _take_fields(self) -> tuple[Headers, dict[bytes, bytes]]:
        """Return the collected fields as a head's `headers` and `fields`, and forget them."""
        headers: Headers = []
        fields: dict[bytes, bytes] = {}
        for name, text in self._fields:
            key, value = name.lower(), text.rstrip(b" \t")
            headers.append((key, name, value))
            fields[key] = fields[key] + b", " + value if key in fields else value
        self._fields.clear()
        return headers, fields

    def _refuse(self, fault: Fault, reason: str) -> None:
        self._fault = Malformed(fault, reason)
        raise Stop

    def _check_size(self) -> None:
        """Refuse a head that is too large; called where the reads had enough bytes for one."""
        size = len(self._start) + sum(len(name) + len(value) + 4 for name, value in self._fields)
        if size > self._max_head:
            self._refuse(Fault.HEAD_TOO_LARGE, TOO_LARGE)

    def _overlong(self) -> bool:
        """Whether bytes keep coming without an event: an endless line, which piles up in the parser."""
        self._eventless += self._fed
        return self._eventless > self._max_head + _START_LINE

    def _framing(self, fields: dict[bytes, bytes]) -> tuple[int | None, bool]:
        """Return the body's length and whether it is chunked."""
        coding = fields.get(b"transfer-encoding")
        if coding is None:
            length = fields.get(b"content-length")
            return (None if length is None else int(length)), False
        if coding.lower() != b"chunked":
            self._refuse(Fault.FRAMING, "the only transfer coding understood is chunked")
        return None, True


class RequestParser(Collector):
    """Parses the requests of one client connection. `mid_head`: a head has begun to arrive and is incomplete."""

    def __init__(self, max_head: int = 65536, head_cache: HeadCache | None = None) -> None:
        super().__init__(max_head)
        self._events: list[RequestEvent] = []
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._last_request = False
        self.mid_head = False
        self._head_cache = head_cache
        self._body_left = 0  # bytes left of a body whose head came from the cache: llhttp does not see such a request
        self._at_boundary = head_cache is not None  # llhttp has had whole messages only, and nothing behind them

    def feed(self, data: bytes | memoryview) -> list[RequestEvent]:
        """Return the events that these bytes complete. After `Malformed`, a close or an upgrade bytes are ignored.

        A body that came together with its head, and with nothing else, is a slice of `data`.
        """
        events: list[RequestEvent] = []
        while data and self._parser is not None:
            if self._body_left:
                data = self._take_body(data, events)
                continue
            entry = self._head_cache.find(data) if self._at_boundary and self._head_cache is not None else None
            if entry is None:
                events += self._parse(data)
                break
            head, size = entry
            body = data[size:]
            if head.length == len(body) != 0:
                if events:  # other events came before: the body must outlive this read
                    body = bytes(body)
                return [*events, head, body, END]
            events.append(head)
            self._body_left, data = head.length or 0, body
            if not self._body_left:
                events.append(END)
        return events

    def _take_body(self, data: bytes | memoryview, events: list[RequestEvent]) -> bytes | memoryview:
        """Take the body that `data` begins with; return the bytes behind it."""
        left, size = self._body_left, len(data)
        if size < left:
            self._body_left = left - size
            events.append(bytes(data))
            return b""
        self._body_left = 0
        events.append(bytes(data) if size == left else bytes(data[:left]))
        events.append(END)
        return data[left:]

    def _parse(self, data: bytes | memoryview) -> list[RequestEvent]:
        """Parse with llhttp."""
        parser = self._parser
        assert parser is not None  # noqa: S101  `feed` has checked
        events = self._events = []
        self._fed = len(data)
        try:
            parser.feed_data(data)
        except HttpParserUpgrade as switch:
            self.close()
            self.rest = bytes(data[switch.args[0] :])
        except HttpParserError as error:
            self.close()
            if not (self._last_request and events and events[-1] is END):
                events.append(self._fault or Malformed(Fault.FRAMING, str(error)))
        else:
            if events:
                self._event_read, self._eventless = self._fed, 0
                if self._last_request and events[-1] is END:
                    self.close()
            elif self._overlong():
                self.close()
                events.append(Malformed(Fault.HEAD_TOO_LARGE, TOO_LARGE))
        if self._head_cache is not None:
            self._update_cache(data, events, self._head_cache)
        return events

    def _update_cache(self, data: bytes | memoryview, events: Sequence[RequestEvent], head_cache: HeadCache) -> None:
        """Cache a head that llhttp parsed from the start of these bytes, and note whether it is at a boundary."""
        text = b""
        if self._at_boundary and events and isinstance(events[0], RequestHead):
            text = head_of(data)
            head_cache.keep(text, events[0])
        body = sum(len(event) for event in events if isinstance(event, bytes))
        self._at_boundary = bool(events) and events[-1] is END and len(text) + body == self._fed

    def close(self) -> None:
        """Free llhttp, which holds a reference to this object."""
        self._parser = None

    def on_message_begin(self) -> None:
        self._start = b""
        self.mid_head = True

    def on_url(self, url: bytes) -> None:
        self._start += url

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None  # noqa: S101  it is the one calling
        if self._event_read + self._eventless + self._fed > self._max_head:
            self._check_size()
        method: bytes = parser.get_method()
        version: str = parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            self._refuse(Fault.VERSION, "only HTTP/1.1 and HTTP/1.0 are supported")
        if method not in METHODS:
            self._refuse(Fault.METHOD, "the proxy does not serve this method")
        headers, fields = self._take_fields()
        host = fields.get(b"host")
        if (host is None and version == "1.1") or (host is not None and b"," in host):
            self._refuse(Fault.FRAMING, "exactly one Host is needed")
        length, chunked = self._framing(fields)
        if chunked and version == "1.0":
            self._refuse(Fault.FRAMING, "HTTP/1.0 has no transfer codings")
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
        self._last_request = head.upgrade or not head.keep_alive

    def on_body(self, body: bytes) -> None:
        self._events.append(body)

    def on_message_complete(self) -> None:
        if self._fields:
            if self._event_read + self._eventless + self._fed > self._max_head:
                self._check_size()
            self._events.append(Trailers(self._take_fields()[0]))
        self._events.append(END)
