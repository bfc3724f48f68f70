"""The heads of requests that were read last, by their bytes.

The requests of one turn have the same head but for its length, and each may come on a connection of its own (Codex
0.169): what has been found out about such bytes need not be found out again.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cfp.proxy.wire import RequestHead

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)
_MOST: Final = 8


class _Known(NamedTuple):
    """A head, and what stands before and behind the digits of its length."""

    before: bytes
    after: bytes
    head: RequestHead


class Heads:
    """The heads of requests with a length that were read last, by their bytes. One serves all connections."""

    def __init__(self) -> None:
        self._known: list[_Known] = []

    def find(self, text: bytes) -> RequestHead | None:
        """`text` is all of a head, with the empty line."""
        for before, after, head in self._known:
            if text.startswith(before) and text.endswith(after):
                digits = text[len(before) : -len(after)]
                if digits.isdigit() and len(digits) <= 18:
                    length = int(digits)
                    return head if head.length == length else head.of_length(length)
        return None

    def keep(self, text: bytes, head: RequestHead) -> None:
        """Remember what llhttp has made of it, if the next one may be the same."""
        found = _LENGTH.search(text)
        if found is not None and head.keep_alive and not head.upgrade:
            self._known.insert(0, _Known(text[: found.start(1)], text[found.end(1) :], head))
            del self._known[_MOST:]
