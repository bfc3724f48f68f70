"""(body, tier) -> the same body with one member more, or the body itself. Only the top level is looked into.

msgspec sees escaped spellings of the key and duplicates as the upstream's parser would; what it cannot read is left
as it is. The splice touches no other byte, so numbers, order and spacing survive.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from cfp.proxy.http import content_coding
from cfp.proxy.http.messages import Body, Piece

_ABSENT: Final = msgspec.Raw()
_NOTHING: Final = {b"", b"null"}
_BRACE: Final = ord("{")
_QUOTE: Final = ord('"')
_EMPTY: Final = re.compile(rb"[ \t\r\n]*\}")


class Members(msgspec.Struct, gc=False):
    """What a body or a WebSocket message says, read as what nearly every one has: text where text belongs.

    service_tier  UNSET where there is none; null is one, and no text
    type          of a message
    generate      False in one that only warms up (Codex 0.169)
    """

    service_tier: str | UnsetType = UNSET
    stream: bool = False
    model: str | None = None
    type: str | None = None
    generate: bool = True


class _Odd(msgspec.Struct):
    """Raw, so that a member of any type is accepted and left to the upstream to judge."""

    service_tier: msgspec.Raw = _ABSENT
    stream: msgspec.Raw = _ABSENT
    model: msgspec.Raw = _ABSENT
    type: msgspec.Raw = _ABSENT
    generate: msgspec.Raw = _ABSENT


_usual: Final = msgspec.json.Decoder(Members)
_odd: Final = msgspec.json.Decoder(_Odd)


class SplicedBody(msgspec.Struct):
    """`parts` go out in order; `members` is None where the body could not be read, and `error` says why."""

    parts: list[Piece]
    members: Members | None
    error: str | None = None
    injected: bool = False


def inject_tier(
    body: Body,
    tier: str | None,
    *,
    refused: Collection[str | None] = (),
    coding: bytes = b"identity",
    cap: int = 1 << 28,
) -> SplicedBody:
    """Add `"service_tier"` to a JSON object that has none; None leaves it out.

    A body in a content coding is looked at decoded, goes out in the same coding where it changed and as it came where
    it did not. Raises codings.TooLarge.

    refused  models that are asked without it
    """
    plain = body
    if coding not in {b"identity", b""}:
        try:
            plain = content_coding.decode(coding, body, cap)
        except content_coding.Undecodable:
            return SplicedBody([body], None, "content_coding")
    elif len(body) > cap:
        raise content_coding.TooLarge
    try:
        members = _read(plain)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return SplicedBody([body], None, "not_a_json_object")
    except RecursionError:
        return SplicedBody([body], None, "nested_too_deep")
    if tier is None or members.service_tier is not UNSET or members.model in refused:
        return SplicedBody([body], members)
    parts = splice(plain, tier)
    if plain is not body:
        parts = [content_coding.encode(coding, parts)]
    return SplicedBody(parts, members, injected=True)


def _read(text: Body) -> Members:
    try:
        return _usual.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = _odd.decode(text)
    return Members(
        UNSET if found.service_tier is _ABSENT else _shown(found.service_tier),
        bytes(found.stream) == b"true",
        _shown(found.model) if bytes(found.model) not in _NOTHING else None,
        _shown(found.type) if bytes(found.type) not in _NOTHING else None,
        bytes(found.generate) != b"false",
    )


def splice(body: Body, tier: str) -> list[Piece]:
    """Return an object's text with the member right after its opening brace, without copying the text."""
    opening = 1 if body[0] == _BRACE else bytes(body).index(b"{") + 1
    view = body if isinstance(body, memoryview) else memoryview(body)
    more = body[opening] == _QUOTE or _EMPTY.match(body, opening) is None
    return [view[:opening], _member(tier)[more], view[opening:]]


@lru_cache(8)
def _member(tier: str) -> tuple[bytes, bytes]:
    """As the only one, and with more behind it."""
    only = b'"service_tier":"%b"' % tier.encode()
    return only, only + b","


def _shown(text: msgspec.Raw) -> str:
    """A text's characters, or the JSON of what is none."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "?"
    return value if isinstance(value, str) else bytes(text)[:40].decode("utf-8", "replace")
