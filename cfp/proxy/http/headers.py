"""Heads of forwarded messages, without hop-by-hop fields; with the provider's key, only the fields that may pass."""

from __future__ import annotations

from typing import Final, NamedTuple

from cfp.core import header_names
from cfp.core.tiers.names import DEFAULT
from cfp.proxy.credentials import AuthOverride
from cfp.proxy.http.messages import Headers, RequestHead, ResponseHead

# RFC 9110 7.6.3: a gateway must send it; ours holds a pseudonym, by which a looping request is recognised.
VIA: Final = b"via"
HINT: Final = b"x-codex-routing-hint"


def _as_bytes(names: frozenset[str]) -> frozenset[bytes]:
    return frozenset(name.encode() for name in names)


HOP_BY_HOP: Final = _as_bytes(header_names.HOP_BY_HOP)
IDENTITY: Final = _as_bytes(header_names.IDENTITY)
# Via is extended, not forwarded as it came.
_OURS: Final = _as_bytes(header_names.RECOMPUTED) | {VIA}
_DROP: Final = HOP_BY_HOP | _OURS
# Alternatives of the upstream's own origin (RFC 7838), and a browser's redirect: they would lead around the proxy.
_DROP_RESPONSE: Final = HOP_BY_HOP | {b"alt-svc", b"refresh"}
# Neither leg compresses frames: each connection would need a coder of its own (RFC 7692).
_EXTENSIONS: Final = frozenset({b"sec-websocket-extensions"})
# RFC 9110 6.5.1: fields that a recipient must know before the body are never forwarded as trailers.
_NO_TRAILER: Final = (
    HOP_BY_HOP
    | IDENTITY
    | frozenset(
        {
            *(b"host", b"content-length", b"trailer", b"expect", b"max-forwards", b"range", b"pragma", b"via"),
            *(b"age", b"cache-control", b"date", b"expires", b"location", b"retry-after", b"vary", b"warning"),
            *(b"content-encoding", b"content-range", b"content-type", b"set-cookie", b"www-authenticate"),
        }
    )
)
_OK: Final = b"HTTP/1.1 200 OK\r\n"
_SWITCH: Final = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


class ForwardProxy(NamedTuple):
    """An HTTP proxy that requests the upstream on our behalf, in absolute-form (RFC 9112 3.2.2).

    prefix         the upstream's scheme and authority, before the target
    authorization  the value of Proxy-Authorization
    """

    prefix: bytes
    authorization: bytes | None


class HeadRewrite(NamedTuple):
    """The differences between the client's head and the one that the upstream gets. A tuple: it is made per request.

    via            our pseudonym
    override       the provider's key and the fields that pass beside it; None passes the client's on
    hint           x-codex-routing-hint, where it changes
    expect         the client's Expect is passed on, since only the upstream knows whether it wants the body
    switch         the connection is to become a WebSocket
    forward_proxy  the outbound proxy that requests the upstream for us
    """

    target: bytes
    host: bytes
    via: bytes
    override: AuthOverride | None = None
    hint: bytes | None = None
    expect: bool = False
    switch: bool = False
    forward_proxy: ForwardProxy | None = None


def named_by_connection(fields: dict[bytes, bytes]) -> frozenset[bytes]:
    """Return the names that the message's Connection field declares hop-by-hop."""
    value = fields.get(b"connection")
    if value is None:
        return frozenset()
    return frozenset(name.strip().lower() for name in value.split(b","))


class _RewrittenHead(NamedTuple):
    """A rewritten head without its length: it serves all requests whose heads differ in the length only."""

    rewrite: HeadRewrite
    before: bytes
    behind: bytes


def request_head(head: RequestHead, rewrite: HeadRewrite, length: int | None) -> bytes:
    """Return the head for the upstream; `length` is that of the sent body, None without a body or a known length."""
    text: _RewrittenHead | None = head.cache.get(_RewrittenHead)
    if text is None or text.rewrite is not rewrite:
        text = _RewrittenHead(rewrite, _before_length(head, rewrite), _behind_length(head, rewrite))
        head.cache[_RewrittenHead] = text
    if length is not None:
        return b"%bContent-Length: %d\r\n%b" % (text.before, length, text.behind)
    if head.chunked:
        return text.before + b"Transfer-Encoding: chunked\r\n" + text.behind
    return text.before + text.behind


def _before_length(head: RequestHead, rewrite: HeadRewrite) -> bytes:
    """Return the request line, the client's forwarded fields and the Authorization."""
    drop = _DROP | named_by_connection(head.fields)
    if rewrite.switch:
        drop |= _EXTENSIONS
    if rewrite.hint is not None:
        drop |= {HINT}
    target = rewrite.target if rewrite.forward_proxy is None else rewrite.forward_proxy.prefix + rewrite.target
    lines = [head.method, b" ", target, b" HTTP/1.1\r\nHost: ", rewrite.host, b"\r\n"]
    if rewrite.override is None:
        _copy(head.headers, drop, lines)
    else:
        passing = rewrite.override.passing
        for key, name, value in head.headers:
            if key in passing and key not in drop:
                lines += (name, b": ", value, b"\r\n")
        lines += (b"Authorization: ", rewrite.override.authorization, b"\r\n")
    if rewrite.hint is not None:
        lines += (HINT, b": ", rewrite.hint, b"\r\n")
    return b"".join(lines)


def _behind_length(head: RequestHead, rewrite: HeadRewrite) -> bytes:
    """Return the fields for the next hop, and the end of the head."""
    lines = []
    if rewrite.forward_proxy is not None and rewrite.forward_proxy.authorization is not None:
        lines += [b"Proxy-Authorization: ", rewrite.forward_proxy.authorization, b"\r\n"]
    if rewrite.expect:
        lines.append(b"Expect: 100-continue\r\n")
    te = head.fields.get(b"te")
    if rewrite.switch:
        lines.append(_SWITCH)
    elif te is not None and b"trailers" in te.lower():
        lines.append(b"TE: trailers\r\nConnection: TE\r\n")
    via = head.fields.get(VIA)
    version = b"1.1 " if head.minor else b"1.0 "
    lines += [b"Via: " if via is None else b"Via: %s, " % via, version, rewrite.via, b"\r\n\r\n"]
    return b"".join(lines)


def response_head(head: ResponseHead, *, chunked: bool, close: bool) -> bytes:
    """Return the head for the client; the upstream's own Date, Server and Content-Length stay."""
    drop = _DROP_RESPONSE
    if b"connection" in head.fields:
        # Content-Length stays even if Connection names it: without it the client would see another end of the body.
        drop |= named_by_connection(head.fields) - {b"content-length"}
    lines = [
        _OK if head.status == 200 and head.reason == b"OK" else b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)
    ]
    _copy(head.headers, drop, lines)
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    lines.append(b"Connection: close\r\n\r\n" if close else b"\r\n")
    return b"".join(lines)


def switch_head(head: ResponseHead) -> bytes:
    """Return the 101 for the client, which speaks WebSocket from then on."""
    lines = [b"HTTP/1.1 101 ", head.reason, b"\r\n", _SWITCH]
    _copy(head.headers, _DROP_RESPONSE | named_by_connection(head.fields), lines)
    lines.append(b"\r\n")
    return b"".join(lines)


def last_chunk(trailers: Headers) -> bytes:
    """Return the end of a chunked body, with the trailers that may be forwarded."""
    lines = [b"0\r\n"]
    _copy(trailers, _NO_TRAILER, lines)
    lines.append(b"\r\n")
    return b"".join(lines)


def _copy(headers: Headers, drop: frozenset[bytes], lines: list[bytes]) -> None:
    for key, name, value in headers:
        if key not in drop:
            lines += (name, b": ", value, b"\r\n")


def with_tier(hint: bytes, tier: str | None) -> bytes:
    """Set the tier in `model=M[;tier=T]` to the one that is sent; the standard tier is not named (Codex 0.169)."""
    parts = [part for part in hint.split(b";") if not part.strip().lower().startswith(b"tier=")]
    return b";".join(parts if tier in {None, DEFAULT} else [*parts, b"tier=" + str(tier).encode()])
