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

from cfp.proxy import codings
from cfp.proxy.wire import Body, Piece

_ABSENT: Final = msgspec.Raw()
_SHORT: Final = 64
_BRACE: Final = ord("{")
_QUOTE: Final = ord('"')
_EMPTY: Final = re.compile(rb"[ \t\r\n]*\}")


class _Members(msgspec.Struct):
    """Raw, so that a member of any type is accepted and left to the upstream to judge."""

    service_tier: msgspec.Raw = _ABSENT
    stream: msgspec.Raw = _ABSENT
    model: msgspec.Raw = _ABSENT


class _Message(_Members):
    type: msgspec.Raw = _ABSENT
    generate: msgspec.Raw = _ABSENT


_decoder: Final = msgspec.json.Decoder(_Members)
MESSAGE: Final[msgspec.json.Decoder[_Members]] = msgspec.json.Decoder(_Message)


class Members(msgspec.Struct):
    """What a body says. `service_tier` is None where it has none; a value that is not text reads as its JSON.

    type      of a WebSocket message
    generate  False in one that only warms up (Codex 0.169)
    """

    service_tier: str | None
    stream: bool
    model: str | None
    type: str | None = None
    generate: bool = True


class Rewritten(msgspec.Struct):
    """`parts` go out in order; `members` is None where the body could not be read, and `error` says why."""

    parts: list[Piece]
    members: Members | None
    error: str | None = None
    injected: bool = False


def rewrite(
    body: Body,
    tier: str | None,
    *,
    refused: Collection[str | None] = (),
    coding: bytes = b"identity",
    cap: int = 1 << 28,
    decoder: msgspec.json.Decoder[_Members] = _decoder,
) -> Rewritten:
    """Add `"service_tier"` to a JSON object that has none; None leaves it out.

    A body in a content coding is looked at decoded, goes out in the same coding where it changed and as it came where
    it did not. Raises codings.TooLarge.

    refused  models that are asked without it
    decoder  MESSAGE for a WebSocket message, which says more of itself than a body
    """
    plain = body
    if coding not in {b"identity", b""}:
        try:
            plain = codings.decode(coding, body, cap)
        except codings.Undecodable:
            return Rewritten([body], None, "content_coding")
    elif len(body) > cap:
        raise codings.TooLarge
    try:
        found = decoder.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Rewritten([body], None, "not_a_json_object")
    except RecursionError:
        return Rewritten([body], None, "nested_too_deep")
    members = _read(found)
    if tier is None or members.service_tier is not None or members.model in refused:
        return Rewritten([body], members)
    parts = splice(plain, tier)
    if plain is not body:
        parts = [codings.encode(coding, parts)]
    return Rewritten(parts, members, injected=True)


def _read(found: _Members) -> Members:
    tier = found.service_tier
    members = Members(
        None if tier is _ABSENT else _shown(bytes(tier)), bytes(found.stream) == b"true", _shown(bytes(found.model))
    )
    if isinstance(found, _Message):
        members.type, members.generate = _shown(bytes(found.type)), bytes(found.generate) != b"false"
    return members


def splice(body: Body, tier: str) -> list[Piece]:
    """Return an object's text with the member right after its opening brace, without copying the text."""
    opening = 1 if body[0] == _BRACE else bytes(body).index(b"{") + 1
    view = memoryview(body)
    more = body[opening] == _QUOTE or _EMPTY.match(body, opening) is None
    return [view[:opening], _member(tier)[more], view[opening:]]


@lru_cache(8)
def _member(tier: str) -> tuple[bytes, bytes]:
    """As the only one, and with more behind it."""
    only = b'"service_tier":"%b"' % tier.encode()
    return only, only + b","


def _shown(text: bytes) -> str | None:
    return _known(text) if len(text) <= _SHORT else _decoded(text)


def _decoded(text: bytes) -> str | None:
    if not text:
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "?"
    return value if isinstance(value, str) else text[:40].decode("utf-8", "replace")


_known: Final = lru_cache(64)(_decoded)  # models have few names
