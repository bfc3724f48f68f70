"""The parser of the upstream's responses: it accepts the framing that direct Codex accepts, where it has one reading.

A head that llhttp refuses is parsed a second time, in the form that `strict_heads` gives it. The table of the forms,
with what direct Codex makes of each, is in tests/proxy/http/framing.py.
"""

from __future__ import annotations

from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from cfp.proxy.http.messages import END, Fault, Malformed, ResponseEvent, ResponseHead, Trailers
from cfp.proxy.http.parsers import TOO_LARGE, Collector, Stop
from cfp.proxy.http.strict_heads import HEAD_END, may_be_head, split_head, strict_head

_LINE_ENDS: Final = b"\r\n"
_MOST_FIELDS: Final = 100  # of a response; Codex's own parser (httparse) has no room for more
_MOST_INTERIM: Final = 100  # responses before the final one, each of which costs a copy of what follows it
_TOO_MANY_INTERIM: Final = "it sent too many interim responses"
_TOO_MANY: Final = "the head has too many fields"
# RFC 9112 4: tab, space, visible characters and bytes beyond ASCII. llhttp accepts any byte but CR and LF.
_REASON_BYTES: Final = bytes({9, *range(32, 127), *range(128, 256)})


class ResponseParser(Collector):
    """Parses the responses of one upstream connection; `expect` must be called before each response."""

    def __init__(self, max_head: int = 65536) -> None:
        super().__init__(max_head)
        self._events: list[ResponseEvent] = []
        self._parser: HttpResponseParser | None = self._new_parser()
        self._head_due = False  # the final head is not complete
        self._begun = bytearray()  # the bytes of a head that llhttp has had in part
        self._interim_count = 0
        self._rewriting = False  # llhttp has refused a head: the next ones are rewritten
        self._bodiless = False
        self._switch = False
        self._interim = False
        self._idle = True
        self._until_close = False

    def expect(self, *, bodiless: bool = False, switch: bool = False) -> None:
        """Expect one response; `bodiless`: after HEAD it has no body; `switch`: a 101 is a final response."""
        self._bodiless = bodiless
        self._switch = switch
        self._idle = False
        self._head_due = True
        self._interim_count = 0
        self._begun.clear()

    def feed(self, data: bytes | memoryview) -> list[ResponseEvent]:
        """Return the events that these bytes complete."""
        if not self._head_due or self._parser is None:
            return self._parse(data)
        if self._rewriting:
            return self._parse_rewritten(data)
        return self._or_rewritten(self._parse(data), data)

    def _or_rewritten(self, events: list[ResponseEvent], data: bytes | memoryview) -> list[ResponseEvent]:
        """Return the events; where llhttp has refused a head, those of the rewritten one in the refusal's place."""
        if not self._head_due:
            return events
        self._begun += data
        refused = bool(events) and isinstance(events[-1], Malformed)
        interim = events[:-1] if refused else events
        if self._has_too_many(len(interim)):
            return [Malformed(Fault.FRAMING, _TOO_MANY_INTERIM)]
        for _ in interim:
            self._begun = self._begun.lstrip(_LINE_ENDS).partition(HEAD_END)[2]
        begun = self._begun.lstrip(_LINE_ENDS)
        if not refused or self._fault is not None or not may_be_head(begun):
            return events
        self._begun, self._rewriting, self._parser = bytearray(), True, self._new_parser()
        self._fields.clear()
        return [*interim, *self._parse_rewritten(begun)]

    def _has_too_many(self, count: int) -> bool:
        """Count interim responses, or a final one; too many of them end the connection."""
        self._interim_count += count
        if self._interim_count > _MOST_INTERIM:
            self.close()
        return self._interim_count > _MOST_INTERIM

    def _parse_rewritten(self, data: bytes | bytearray | memoryview) -> list[ResponseEvent]:
        """Parse heads that are rewritten, up to the final one, and the bytes behind it."""
        events: list[ResponseEvent] = []
        searched = len(self._begun)
        self._begun += data
        while self._head_due and self._parser is not None:
            head, rest = split_head(self._begun, searched)
            if not head:
                if len(self._begun) > self._max_head:
                    self.close()
                    events.append(Malformed(Fault.HEAD_TOO_LARGE, TOO_LARGE))
                return events
            self._begun, searched = rest, 0
            if self._has_too_many(1):
                return [Malformed(Fault.FRAMING, _TOO_MANY_INTERIM)]
            events += self._parse(strict_head(bytes(head)))
        behind, self._begun = bytes(self._begun), bytearray()
        return events + self._parse(behind) if behind else events

    def _new_parser(self) -> HttpResponseParser:
        parser = HttpResponseParser(self)
        # RFC 9112 7.1.1 has recipients accept white space there. It moves no byte of the data.
        parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        return parser

    def _parse(self, data: bytes | memoryview) -> list[ResponseEvent]:
        """Parse with llhttp."""
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
            if self._fault or not self._idle:
                events.append(self._fault or Malformed(Fault.FRAMING, str(error)))
        else:
            if events:
                self._event_read, self._eventless = self._fed, 0
            elif self._overlong():
                self.close()
                events.append(Malformed(Fault.HEAD_TOO_LARGE, TOO_LARGE))
        return events

    def eof(self) -> list[ResponseEvent]:
        """Return the events of a close by the upstream: the end of a body without a length, or a cut."""
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
            self._refuse(Fault.FRAMING, "it sent a response without a request")
        self._start = b""

    def on_status(self, status: bytes) -> None:
        self._start += status

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None  # noqa: S101  it is the one calling
        if self._event_read + self._eventless + self._fed > self._max_head:
            self._check_size()
        version: str = parser.get_http_version()
        status: int = parser.get_status_code()
        reason, bodiless = self._start, self._bodiless
        if version not in {"1.1", "1.0"} or status < 100:
            self._refuse(Fault.VERSION, "it does not speak HTTP/1.1")
        if reason != b"OK" and reason.translate(None, _REASON_BYTES):
            self._refuse(Fault.FRAMING, "its reason phrase has control characters")
        if status == 101 and not (self._switch and parser.should_upgrade()):
            self._refuse(Fault.VERSION, "it switched protocols")
        headers, fields = self._take_fields()
        if len(headers) > _MOST_FIELDS:
            self._refuse(Fault.HEAD_TOO_LARGE, _TOO_MANY)
        if fields.get(b"transfer-encoding", b"").lower() == b"identity":
            del fields[b"transfer-encoding"]  # no coding: the body ends with the connection (RFC 9112 6.3)
        length, chunked = self._framing(fields)
        if chunked and version == "1.0":
            self._refuse(Fault.FRAMING, "HTTP/1.0 has no transfer codings")
        if status < 200 and (length or chunked):
            self._refuse(Fault.FRAMING, "an interim response has a body")
        sized = chunked or length is not None or bodiless or status < 200 or status in {204, 304}
        self._until_close = not sized
        minor = int(version == "1.1")
        keep_alive = parser.should_keep_alive() and not (bodiless or self._rewriting)
        self._events.append(
            ResponseHead(status, reason, headers, fields, minor, keep_alive, length, chunked, not sized)
        )
        self._interim = self._head_due = status < 200 and status != 101
        if bodiless and not self._interim:
            # llhttp has no way to expect a response without a body: end it here and stop parsing.
            self._idle = True
            self._events.append(END)
            raise Stop

    def on_body(self, body: bytes) -> None:
        self._events.append(body)

    def on_message_complete(self) -> None:
        if self._fields:
            if self._event_read + self._eventless + self._fed > self._max_head:
                self._check_size()
            self._events.append(Trailers(self._take_fields()[0]))
        if not self._interim:
            self._events.append(END)
            self._idle = True
