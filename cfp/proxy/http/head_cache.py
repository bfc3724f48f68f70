"""The heads of requests that were read last, by their bytes.

The requests of one turn have the same head but for its length, and each may come on a connection of its own (Codex
0.169): what has been found out about such bytes need not be found out again.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cfp.proxy.http.messages import RequestHead

_END: Final = b"\r\n\r\n"
_LARGEST: Final = 8192  # a larger one is not remembered
_DIGITS: Final = 18
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,%d})[ \t]*(?=\r\n)" % _DIGITS, re.IGNORECASE)
_MOST: Final = 8


class _Known(NamedTuple):
    """A head, what stands before and behind the digits of its length, and how many bytes each of that has."""

    before: bytes
    after: bytes
    start: int
    rest: int
    head: RequestHead


def head_of(data: bytes | memoryview) -> bytes:
    """The bytes up to the first empty line; nothing where they are too many."""
    text = bytes(data[:_LARGEST])
    return text[: text.find(_END) + len(_END)] if _END in text else b""


class HeadCache:
    """The heads of requests with a length that were read last, by their bytes. One serves all connections."""

    def __init__(self) -> None:
        self._known: list[_Known] = []
        self._longest = 0  # bytes that a head like one of them can have

    def find(self, data: bytes | memoryview) -> tuple[RequestHead, int] | None:
        """The head that these bytes begin with and its size, where the same has been read before."""
        text = bytes(data[: self._longest])
        end = text.find(_END) + len(_END)
        for before, after, start, rest, head in self._known:
            if text.startswith(before) and text.endswith(after, 0, end):
                digits = text[start : end - rest]
                if digits.isdigit() and len(digits) <= _DIGITS:
                    length = int(digits)
                    return (head if head.length == length else head.of_length(length)), end
        return None

    def keep(self, text: bytes, head: RequestHead) -> None:
        """Remember what llhttp has made of it, if the next one may be the same."""
        found = _LENGTH.search(text)
        if found is not None and head.keep_alive and not head.upgrade:
            start, end = found.span(1)
            self._known.insert(0, _Known(text[:start], text[end:], start, len(text) - end, head))
            del self._known[_MOST:]
            self._longest = max(known.start + _DIGITS + known.rest for known in self._known)
