"""Insertion of `service_tier` into a JSON object. Only the object's top level is inspected.

msgspec reads escaped and duplicate keys as the upstream's parser would; a body that it cannot read stays unchanged.
No other byte changes, so numbers, order and white space survive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from cfp.core.traffic.kinds import MEMORY, METADATA, SUBAGENT
from cfp.proxy.http import content_coding
from cfp.proxy.http.messages import Body, Piece

_ABSENT: Final = msgspec.Raw()
_ABSENT_OR_NULL: Final = {b"", b"null"}
_NAME: Final = "service_tier"
_BRACE: Final = ord("{")
_QUOTE: Final = ord('"')
_EMPTY: Final = re.compile(rb"[ \t\r\n]*\}")


class Members(msgspec.Struct, gc=False):
    """The inspected members of a body or a WebSocket message, with the types that nearly all of them have.

    service_tier  UNSET where there is none; null is read as raw JSON, since it is a value but not a string
    type          the message's type, as in `response.create`
    generate      False in a message that only warms up the connection (Codex 0.169)
    """

    service_tier: str | UnsetType = UNSET
    stream: bool = False
    model: str | None = None
    type: str | None = None
    generate: bool = True


class _Markers(msgspec.Struct, gc=False):
    """The members of `client_metadata` that Codex also sends as header fields (0.171)."""

    subagent: str = msgspec.field(name=SUBAGENT.decode(), default="")
    metadata: str = msgspec.field(name=METADATA.decode(), default="")
    memory: str = msgspec.field(name=MEMORY.decode(), default="")


class _MessageMembers(Members, gc=False):
    """The members of a WebSocket message, which has no head of its own."""

    client_metadata: _Markers | None = None


class _RawMembers(msgspec.Struct):
    """Those members as raw JSON: a value of any type is accepted, and the upstream judges it."""

    service_tier: msgspec.Raw = _ABSENT
    stream: msgspec.Raw = _ABSENT
    model: msgspec.Raw = _ABSENT
    type: msgspec.Raw = _ABSENT
    generate: msgspec.Raw = _ABSENT
    client_metadata: msgspec.Raw = _ABSENT


_decoder: Final = msgspec.json.Decoder(Members)
message_decoder: Final[msgspec.json.Decoder[Members]] = msgspec.json.Decoder(_MessageMembers)
_markers_decoder: Final = msgspec.json.Decoder(_Markers)
_raw_decoder: Final = msgspec.json.Decoder(_RawMembers)


class SplicedBody(msgspec.Struct):
    """A body after inspection: `parts` are sent in order; `members` is None where it cannot be read, for `error`.

    injected  the member was added, as the second of three parts of a body without coding
    changed   the member was added, replaced or removed
    """

    parts: list[Piece]
    members: Members | None
    error: str | None = None
    injected: bool = False
    changed: bool = False


def inject_tier(
    body: Body,
    tier: str | None,
    *,
    refused_models: Container[str | None] = (),
    coding: bytes = b"identity",
    cap: int = 1 << 28,
    decoder: msgspec.json.Decoder[Members] = _decoder,
    choose: Callable[[Members], str | UnsetType | None] | None = None,
) -> SplicedBody:
    """Add `"service_tier"` to a JSON object that has none; a `tier` of None only inspects it.

    A body in a content coding is decoded for the inspection; it is encoded again only where it changed. Raises
    content_coding.TooLarge where the decoded body has more than `cap` bytes.

    refused_models  models that get no tier
    decoder         `message_decoder` for a WebSocket message
    choose          returns the value that the member gets, UNSET for no member, None for no change; it decides in the
                    place of `tier` and `refused_models`
    """
    decoded = body
    if coding not in {b"identity", b""}:
        try:
            decoded = content_coding.decode(coding, body, cap)
        except content_coding.Undecodable:
            return SplicedBody([body], None, "content_coding")
    elif len(body) > cap:
        raise content_coding.TooLarge
    try:
        members = _read(decoded, decoder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return SplicedBody([body], None, "not_a_json_object")
    except RecursionError:
        return SplicedBody([body], None, "nested_too_deep")
    if choose is not None:
        return _with_choice(body, decoded, members, choose(members), coding)
    if tier is None or members.service_tier is not UNSET or members.model in refused_models:
        return SplicedBody([body], members)
    return _changed(body, decoded, members, splice(decoded, tier), coding, injected=True)


def _changed(
    body: Body, decoded: Body, members: Members, parts: list[Piece], coding: bytes, *, injected: bool
) -> SplicedBody:
    if decoded is not body:
        parts = [content_coding.encode(coding, parts)]
    return SplicedBody(parts, members, injected=injected, changed=True)


def _with_choice(
    body: Body, decoded: Body, members: Members, chosen: str | UnsetType | None, coding: bytes
) -> SplicedBody:
    """Give the member this value, as `choose` returns it."""
    present = members.service_tier
    if chosen is None or chosen == present:
        return SplicedBody([body], members)
    if present is UNSET and chosen is not UNSET:
        return _changed(body, decoded, members, splice(decoded, chosen), coding, injected=True)
    from cfp.proxy.http.json_members import with_value, without  # noqa: PLC0415  few users have rules

    text = without(decoded, _NAME) if chosen is UNSET else with_value(decoded, _NAME, chosen)
    return _changed(body, decoded, members, [text], coding, injected=False)


def markers_of(members: Members) -> dict[bytes, bytes]:
    """Return the markers of a WebSocket message by the names of the header fields; empty where it has none."""
    markers = members.client_metadata if isinstance(members, _MessageMembers) else None
    if markers is None:
        return {}
    pairs = ((SUBAGENT, markers.subagent), (METADATA, markers.metadata), (MEMORY, markers.memory))
    return {name: value.encode() for name, value in pairs if value}


def _markers_in(text: msgspec.Raw) -> _Markers | None:
    try:
        return _markers_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _read(text: Body, decoder: msgspec.json.Decoder[Members]) -> Members:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raw = _raw_decoder.decode(text)
    values = (
        UNSET if raw.service_tier is _ABSENT else _text_of(raw.service_tier),
        bytes(raw.stream) == b"true",
        _text_of(raw.model) if bytes(raw.model) not in _ABSENT_OR_NULL else None,
        _text_of(raw.type) if bytes(raw.type) not in _ABSENT_OR_NULL else None,
        bytes(raw.generate) != b"false",
    )
    markers = _markers_in(raw.client_metadata)
    return Members(*values) if markers is None else _MessageMembers(*values, markers)


def splice(body: Body, tier: str) -> list[Piece]:
    """Return the object's text in parts, with the member right after its opening brace; the text is not copied."""
    opening = 1 if body[0] == _BRACE else bytes(body).index(b"{") + 1
    view = body if isinstance(body, memoryview) else memoryview(body)
    has_members = body[opening] == _QUOTE or _EMPTY.match(body, opening) is None
    return [view[:opening], _member(tier)[has_members], view[opening:]]


@lru_cache(8)
def _member(tier: str) -> tuple[bytes, bytes]:
    """Return the member for an empty object, and for one with other members."""
    member = b'"service_tier":"%b"' % tier.encode()
    return member, member + b","


def _text_of(text: msgspec.Raw) -> str:
    """Return a string's characters, or the beginning of any other value's JSON."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "?"
    return value if isinstance(value, str) else bytes(text)[:40].decode("utf-8", "replace")
