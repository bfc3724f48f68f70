"""Which header fields go on: hop-by-hop ones never, identity only where the user's own sign-in is passed on."""

from __future__ import annotations

from typing import Final, NamedTuple

from cfp.proxy.http.messages import Headers, RequestHead, ResponseHead

# RFC 9110 7.6.3: what a gateway must say anyway tells it of a request that comes back. Its name is a pseudonym.
VIA: Final = b"via"
HINT: Final = b"x-codex-routing-hint"
# RFC 9110 7.6.1, and what is said to a proxy as such (11.7)
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
# What says who the user is at OpenAI: with another provider's key it must stay here.
IDENTITY: Final = frozenset(
    {
        b"authorization",
        b"cookie",
        b"chatgpt-account-id",
        b"openai-organization",
        b"openai-project",
    }
)
# Said anew for the upstream leg.
_OURS: Final = frozenset({b"host", b"content-length", b"expect", VIA})
_DROP: Final = HOP_BY_HOP | _OURS
_DROP_IDENTITY: Final = _DROP | IDENTITY
_DROP_RESPONSE: Final = HOP_BY_HOP
# Neither leg compresses frames: each would need a coder of its own for every connection (RFC 7692).
_EXTENSIONS: Final = frozenset({b"sec-websocket-extensions"})
# RFC 9110 6.5.1: what must be known before the body is no trailer, whoever sends it as one.
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
    """What a request says for a proxy on its way: the upstream's scheme and host, and who asks."""

    prefix: bytes
    authorization: bytes | None


class HeadRewrite(NamedTuple):
    """What the upstream's head says differently from the client's; a tuple, since every request makes one.

    via            our pseudonym
    authorization  the provider's key as a field value; None passes the client's sign-in on
    hint           x-codex-routing-hint, where it must change
    expect         the client's Expect goes on: it is the upstream that may want no body
    switch         the connection is to become a WebSocket
    through        an outbound proxy is to ask the upstream for us
    """

    target: bytes
    host: bytes
    via: bytes
    authorization: bytes | None = None
    hint: bytes | None = None
    expect: bool = False
    switch: bool = False
    forward_proxy: ForwardProxy | None = None


def named_by_connection(fields: dict[bytes, bytes]) -> frozenset[bytes]:
    """Fields that this message's Connection makes hop-by-hop."""
    listed = fields.get(b"connection")
    if listed is None:
        return frozenset()
    return frozenset(name.strip().lower() for name in listed.split(b","))


class _Opening(NamedTuple):
    """A head that went to the upstream, without its length: the next one of these bytes goes out the same."""

    out: HeadRewrite
    before: bytes
    behind: bytes


def request_head(head: RequestHead, out: HeadRewrite, length: int | None) -> bytes:
    """The head as it goes to the upstream; `length` of the body as it goes out, None: none, or of no known length."""
    kept: _Opening | None = head.cache.get(_Opening)
    if kept is None or kept.out is not out:
        kept = head.cache[_Opening] = _Opening(out, _before_length(head, out), _behind_length(head, out))
    if length is not None:
        return b"%bContent-Length: %d\r\n%b" % (kept.before, length, kept.behind)
    if head.chunked:
        return kept.before + b"Transfer-Encoding: chunked\r\n" + kept.behind
    return kept.before + kept.behind


def _before_length(head: RequestHead, out: HeadRewrite) -> bytes:
    """What the client says, but for what must not go on, and who asks."""
    drop = _DROP if out.authorization is None else _DROP_IDENTITY
    drop |= named_by_connection(head.fields)
    if out.switch:
        drop |= _EXTENSIONS
    if out.hint is not None:
        drop |= {HINT}
    target = out.target if out.forward_proxy is None else out.forward_proxy.prefix + out.target
    lines = [head.method, b" ", target, b" HTTP/1.1\r\nHost: ", out.host, b"\r\n"]
    _copy(head.headers, drop, lines)
    if out.authorization is not None:
        lines += (b"Authorization: ", out.authorization, b"\r\n")
    if out.hint is not None:
        lines += (HINT, b": ", out.hint, b"\r\n")
    return b"".join(lines)


def _behind_length(head: RequestHead, out: HeadRewrite) -> bytes:
    """What is said to whoever is next on the way."""
    lines = []
    if out.forward_proxy is not None and out.forward_proxy.authorization is not None:
        lines += [b"Proxy-Authorization: ", out.forward_proxy.authorization, b"\r\n"]
    if out.expect:
        lines.append(b"Expect: 100-continue\r\n")
    wanted = head.fields.get(b"te")
    if out.switch:
        lines.append(_SWITCH)
    elif wanted is not None and b"trailers" in wanted.lower():
        lines.append(b"TE: trailers\r\nConnection: TE\r\n")
    seen = head.fields.get(VIA)
    version = b"1.1 " if head.minor else b"1.0 "
    lines += [b"Via: " if seen is None else b"Via: %s, " % seen, version, out.via, b"\r\n\r\n"]
    return b"".join(lines)


def response_head(head: ResponseHead, *, chunked: bool, close: bool) -> bytes:
    """The head as it goes to the client; the upstream's own Date, Server and length stay."""
    drop = _DROP_RESPONSE
    if b"connection" in head.fields:
        # Whatever Connection names: without its length a body would end elsewhere for the client.
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
    """The 101 as it goes to the client, which then speaks WebSocket."""
    lines = [b"HTTP/1.1 101 ", head.reason, b"\r\n", _SWITCH]
    _copy(head.headers, _DROP_RESPONSE | named_by_connection(head.fields), lines)
    lines.append(b"\r\n")
    return b"".join(lines)


def last_chunk(trailers: Headers) -> bytes:
    """The end of a chunked body, with those fields behind it that may stand there."""
    lines = [b"0\r\n"]
    _copy(trailers, _NO_TRAILER, lines)
    lines.append(b"\r\n")
    return b"".join(lines)


def _copy(headers: Headers, drop: frozenset[bytes], lines: list[bytes]) -> None:
    for key, name, value in headers:
        if key not in drop:
            lines += (name, b": ", value, b"\r\n")


def with_tier(hint: bytes, tier: bytes) -> bytes:
    """Make `model=M[;tier=T]` agree with the tier that we put in (Codex 0.169)."""
    kept = [part for part in hint.split(b";") if not part.strip().lower().startswith(b"tier=")]
    return b";".join([*kept, b"tier=" + tier])
