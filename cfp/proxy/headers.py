"""Which header fields go on: hop-by-hop ones never, identity only where the user's own sign-in is passed on."""

from __future__ import annotations

from typing import Final, NamedTuple

from cfp.proxy.wire import Headers, RequestHead, ResponseHead

LOOP_FIELD: Final = b"x-codex-fast-proxy-hop"

# RFC 9110 7.6.1
HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
# What says who the user is at OpenAI: with another provider's key it must stay here.
IDENTITY: Final = frozenset(
    {
        b"authorization",
        b"cookie",
        b"chatgpt-account-id",
        b"openai-organization",
        b"openai-project",
        b"proxy-authorization",
    }
)
# Said anew for the upstream leg. Expect has been answered by us.
_OURS: Final = frozenset({b"host", b"content-length", b"expect", LOOP_FIELD})
_DROP: Final = HOP_BY_HOP | _OURS
_DROP_IDENTITY: Final = _DROP | IDENTITY
_DROP_RESPONSE: Final = HOP_BY_HOP


class Outbound(NamedTuple):
    """What the upstream's head says differently from the client's; a tuple, since every request makes one.

    length         of the body as it goes out; None: chunked where the client's was, else no body
    authorization  the provider's key as a field value; None passes the client's sign-in on
    hint           x-codex-routing-hint, where it must change
    """

    target: bytes
    host: bytes
    loop: bytes
    length: int | None
    authorization: bytes | None = None
    hint: bytes | None = None


def named_by_connection(fields: dict[bytes, bytes]) -> frozenset[bytes]:
    """Fields that this message's Connection makes hop-by-hop."""
    listed = fields.get(b"connection")
    if listed is None:
        return frozenset()
    return frozenset(name.strip().lower() for name in listed.split(b","))


def request_head(head: RequestHead, out: Outbound) -> bytes:
    """The head as it goes to the upstream."""
    drop = _DROP if out.authorization is None else _DROP_IDENTITY
    named = named_by_connection(head.fields)
    if named:
        drop |= named
    lines = [head.method, b" ", out.target, b" HTTP/1.1\r\nHost: ", out.host, b"\r\n"]
    _copy(head.headers, drop if out.hint is None else drop | {b"x-codex-routing-hint"}, lines)
    if out.authorization is not None:
        lines += (b"Authorization: ", out.authorization, b"\r\n")
    if out.hint is not None:
        lines += (b"x-codex-routing-hint: ", out.hint, b"\r\n")
    if out.length is not None:
        lines.append(b"Content-Length: %d\r\n" % out.length)
    elif head.chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    seen = head.fields.get(LOOP_FIELD)
    lines += (LOOP_FIELD, b": ", out.loop if seen is None else seen + b", " + out.loop, b"\r\n\r\n")
    return b"".join(lines)


def response_head(head: ResponseHead, *, chunked: bool, close: bool) -> bytes:
    """The head as it goes to the client; the upstream's own Date, Server and length stay."""
    named = named_by_connection(head.fields)
    lines = [b"HTTP/1.1 %d " % head.status, head.reason, b"\r\n"]
    _copy(head.headers, _DROP_RESPONSE | named if named else _DROP_RESPONSE, lines)
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    if close:
        lines.append(b"Connection: close\r\n")
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
