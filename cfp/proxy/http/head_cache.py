"""Parsed request heads, cached by their bytes.

All requests of one turn have the same head except for its Content-Length, and each may come on its own connection
(Codex 0.169), so a parsed head and everything derived from it is reused.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cfp.proxy.http.messages import RequestHead

_END: Final = b"\r\n\r\n"
_MAX_SIZE: Final = 8192  # a larger head is not cached
_MAX_DIGITS: Final = 18
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,%d})[ \t]*(?=\r\n)" % _MAX_DIGITS, re.IGNORECASE)
_MAX_ENTRIES: Final = 8


class _Entry(NamedTuple):
    """A head as the bytes before and behind the digits of its length, and the number of bytes of each."""

    before: bytes
    after: bytes
    start: int
    rest: int
    head: RequestHead


def head_of(data: bytes | memoryview) -> bytes:
    """Return the bytes up to the first empty line; empty where the head is incomplete or too large."""
    text = bytes(data[:_MAX_SIZE])
    return text[: text.find(_END) + len(_END)] if _END in text else b""


class HeadCache:
    """The newest request heads that have a Content-Length. All connections of a worker share one cache."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._longest = 0  # bytes that a head matching one of the entries can have

    def find(self, data: bytes | memoryview) -> tuple[RequestHead, int] | None:
        """Return the cached head that the data begins with, and its size in bytes; None where there is none."""
        text = bytes(data[: self._longest])
        end = text.find(_END) + len(_END)
        for before, after, start, rest, head in self._entries:
            if text.startswith(before) and text.endswith(after, 0, end):
                digits = text[start : end - rest]
                if digits.isdigit() and len(digits) <= _MAX_DIGITS:
                    length = int(digits)
                    return (head if head.length == length else head.of_length(length)), end
        return None

    def keep(self, text: bytes, head: RequestHead) -> None:
        """Cache a head that llhttp parsed from these bytes, if the next request may have the same one."""
        match = _LENGTH.search(text)
        if match is not None and head.keep_alive and not head.upgrade:
            start, end = match.span(1)
            self._entries.insert(0, _Entry(text[:start], text[end:], start, len(text) - end, head))
            del self._entries[_MAX_ENTRIES:]
            self._longest = max(entry.start + _MAX_DIGITS + entry.rest for entry in self._entries)
