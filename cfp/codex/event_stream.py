"""Event streams (WHATWG HTML 9.2.6), as the Responses API and the dashboard send them: parsing and formatting.

Only the `data` fields are parsed, since the JSON of an event of the Responses API has the event's type too.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MAX_LINE: Final = 32 * 1024 * 1024


class EventStreamParser:
    """Parses a stream piece by piece, however it is cut. A line of more than 32 MiB is left out."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # the pieces of an incomplete line
        self._size = 0  # bytes of that line
        self._data: list[bytes] = []  # the data lines of an incomplete event
        self._started = False  # the place of a byte order mark is behind us
        self._after_cr = False  # a line feed that comes now belongs to the last line end

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of each event that this piece completes; an event without data is none."""
        if not self._started:
            piece = b"".join((*self._line, piece))
            self._line.clear()
            if len(piece) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(piece):
                self._line.append(piece)
                return []
            self._started = True
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
        if not piece:
            return []
        if self._after_cr:
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        *line_ends, rest = _LINE_END.split(piece)
        events = []
        for text in line_ends:
            self._append(text)
            data = self._end_line()
            if data is not None:
                events.append(data)
        self._append(rest)
        return events

    def _append(self, text: bytes) -> None:
        self._size += len(text)
        if self._size <= _MAX_LINE:
            self._line.append(text)
        else:
            self._line.clear()

    def _end_line(self) -> bytes | None:
        """Process a complete line; return the event's data where it is the empty line that ends an event."""
        line, size = b"".join(self._line), self._size
        self._line.clear()
        self._size = 0
        if not size and self._data:
            data = b"\n".join(self._data)
            self._data.clear()
            return data
        name, value = parse_field(line)
        if name == b"data":
            self._data.append(value)
        return None


def parse_field(line: bytes) -> tuple[bytes, bytes]:
    """Return the name and the value of a line; a comment has an empty name."""
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")


def json_object(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object of an event's data, or None where it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def format_event(name: str, data: bytes) -> bytes:
    """Return one event with a name; the data must not have line ends."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
