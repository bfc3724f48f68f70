"""Removal and replacement of one member of a JSON object, where all other bytes stay. The text must be valid JSON."""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from cfp.proxy.http.messages import Body

# Possessive, so that a string of many megabytes needs no stack. In valid JSON whatever is not matched is white space,
# a comma, a colon, a number or a literal.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_COLON: Final = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_SCALAR: Final = re.compile(rb"[^ \t\r\n,}]+")
_NEXT: Final = re.compile(rb"[ \t\r\n]*,")
_PREVIOUS: Final = re.compile(rb",[ \t\r\n]*\Z")


class Member(NamedTuple):
    """The offsets of a member of the object: of its name, of its value, and behind its value."""

    start: int
    value: int
    end: int


def members_named(text: bytes, name: str) -> list[Member]:
    """Return the members of the outermost object with this name, in any spelling of it, in their order."""
    places: list[Member] = []
    depth, start, value = 0, -1, -1
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in b"}]":
            depth -= 1
            if depth == 1 and value >= 0:
                places.append(Member(start, value, token.end()))
                value = -1
            continue
        if depth == 1 and value == token.start() and first not in b"{[":
            places.append(Member(start, value, token.end()))
            value = -1
        elif depth == 1 and value < 0 and first == b'"'[0]:
            colon = _COLON.match(text, token.end())
            if colon is not None and _is_name(token.group(), name):
                start, value = token.start(), colon.end()
                scalar = None if text[value] in b'"{[' else _SCALAR.match(text, value)
                if scalar is not None:
                    places.append(Member(start, value, scalar.end()))
                    value = -1
        if first in b"{[":
            depth += 1
    return places


def with_value(body: Body, name: str, value: str) -> bytes:
    """Return the text with this string as the value of each member of the name."""
    text = bytes(body)
    for member in reversed(members_named(text, name)):
        text = text[: member.value] + json.dumps(value).encode() + text[member.end :]
    return text


def without(body: Body, name: str) -> bytes:
    """Return the text without the members of the name, each with one of the commas beside it."""
    text = bytes(body)
    while members := members_named(text, name):
        start, _, end = members[-1]
        behind = _NEXT.match(text, end)
        if behind is not None:
            end = behind.end()
        else:
            before = _PREVIOUS.search(text, max(0, start - _longest_gap(text, start)), start)
            start = start if before is None else before.start()
        text = text[:start] + text[end:]
    return text


def _longest_gap(text: bytes, start: int) -> int:
    """Return how many bytes before `start` are white space, and one more."""
    gap = 1
    while start > gap and text[start - gap] in b" \t\r\n":
        gap += 1
    return gap


def _is_name(token: bytes, name: str) -> bool:
    return token == b'"%b"' % name.encode() or (b"\\" in token and json.loads(token) == name)
