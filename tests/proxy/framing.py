"""The forms of a response, and what direct Codex makes of each: all three pinned CLIs gave the same column.

The real CLIs answered with the text of the turn (`direct`) or with an error, over a raw socket that sent these bytes
and closed. The worker and a verification do the same but where `why_not` has the reason. Two reasons recur: a form
that two readers of RFC 9112 frame differently lets bytes of one response pass for another one, and a transfer coding
that nobody undoes leaves a body that nobody can read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

TEXT: Final = "FRAMED"


def event(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


_MESSAGE: Final = {
    "type": "message",
    "role": "assistant",
    "id": "m",
    "content": [{"type": "output_text", "text": TEXT}],
}
_USAGE: Final = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
BODY: Final = (
    event("response.created", response={"id": "r"})
    + event("response.output_item.done", item=_MESSAGE)
    + event("response.completed", response={"id": "r", "usage": _USAGE})
)
_SIZE: Final = len(BODY)
_OK: Final = b"HTTP/1.1 200 OK\r\n"
_TYPE: Final = b"Content-Type: text/event-stream\r\n"
_LENGTH: Final = b"Content-Length: %d\r\n" % _SIZE
_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
_TWO_READINGS: Final = "readers disagree whether chunked is the last coding, and so where the body ends"
_NOT_UNDONE: Final = "a coding that nobody undoes"


def chunks(body: bytes = BODY, size: bytes = b"%x", end: bytes = b"\r\n", last: bytes = b"0\r\n\r\n") -> bytes:
    half = len(body) // 2
    return b"".join(size % len(part) + end + part + end for part in (body[:half], body[half:])) + last


def lf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n")


@dataclass(frozen=True, slots=True)
class Form:
    """`why_not`: the reason why the worker refuses what direct Codex accepts."""

    name: str
    response: bytes
    direct: bool = True
    why_not: str = ""

    @property
    def served(self) -> bool:
        return self.direct and not self.why_not


def sized(name: str, head: bytes, *, direct: bool = True, why_not: str = "") -> Form:
    """A form whose body follows as it is; `head` is everything behind the status line and the type."""
    return Form(name, _OK + _TYPE + head + b"\r\n" + BODY, direct, why_not)


def coded(name: str, head: bytes, body: bytes | None = None, *, direct: bool = True, why_not: str = "") -> Form:
    """A form whose body is in chunks."""
    return Form(name, _OK + _TYPE + head + b"\r\n" + (chunks() if body is None else body), direct, why_not)


def started(name: str, start: bytes, *, direct: bool = True) -> Form:
    """A form with another beginning."""
    return Form(name, start + _TYPE + _LENGTH + b"\r\n" + BODY, direct)


def _fields(count: int) -> bytes:
    return b"".join(b"X-%d: 1\r\n" % number for number in range(count))


def _padding(size: int) -> bytes:
    return b"X-Padding: " + b"x" * size + b"\r\n"


FORMS: Final = (
    sized("a length", _LENGTH),
    sized("two equal lengths", _LENGTH + _LENGTH),
    sized("two equal lengths in one field", b"Content-Length: %d, %d\r\n" % (_SIZE, _SIZE)),
    sized("equal lengths, one with a zero", _LENGTH + b"Content-Length: 0%d\r\n" % _SIZE),
    sized("two different lengths", _LENGTH + b"Content-Length: %d\r\n" % (_SIZE - 5), direct=False),
    sized("a longer length second", _LENGTH + b"Content-Length: %d\r\n" % (_SIZE + 5), direct=False),
    sized("a length with a sign", b"Content-Length: +%d\r\n" % _SIZE, direct=False),
    sized("a negative length", b"Content-Length: -1\r\n", direct=False),
    sized("a hexadecimal length", b"Content-Length: 0x%x\r\n" % _SIZE, direct=False),
    sized("an empty length", b"Content-Length: \r\n", direct=False),
    sized("a length beyond 64 bits", b"Content-Length: " + b"9" * 23 + b"\r\n", direct=False),
    coded("chunked", _CHUNKED),
    coded("Chunked", b"Transfer-Encoding: Chunked\r\n"),
    coded("length before chunked", _LENGTH + _CHUNKED),
    coded("length behind chunked", _CHUNKED + b"Content-Length: 5\r\n"),
    coded("no length and chunked", b"Content-Length: 0\r\n" + _CHUNKED),
    coded("a bad length and chunked", b"Content-Length: x\r\n" + _CHUNKED),
    coded("two lengths and chunked", _LENGTH + b"Content-Length: 7\r\n" + _CHUNKED),
    coded("trailers", _CHUNKED, chunks(last=b"0\r\nX-T: 1\r\n\r\n")),
    coded("a space behind a size", _CHUNKED, chunks(size=b"%x ")),
    coded("spaces behind sizes", _CHUNKED, chunks(size=b"%x    ", last=b"0   \r\n\r\n")),
    coded("a tab behind a size", _CHUNKED, chunks(size=b"%x\t")),
    coded("a space before a size", _CHUNKED, chunks(size=b" %x"), direct=False),
    coded("0x before a size", _CHUNKED, chunks(size=b"0x%x"), direct=False),
    coded("a size beyond 64 bits", _CHUNKED, b"f" * 21 + b"\r\n" + BODY, direct=False),
    coded("an extension", _CHUNKED, chunks(size=b"%x;a=b")),
    coded(
        "an extension with spaces",
        _CHUNKED,
        chunks(size=b"%x ; a=b"),
        why_not="no sender is known, and readers have disagreed where an extension ends",
    ),
    coded("a line feed in an extension", _CHUNKED, chunks(size=b"%x;a\nb"), direct=False),
    coded("line feeds alone behind sizes", _CHUNKED, chunks(end=b"\n", last=b"0\n\n"), direct=False),
    sized("identity", b"Transfer-Encoding: identity\r\n"),
    sized("identity and a length", b"Transfer-Encoding: identity\r\n" + _LENGTH),
    sized("identity and a shorter length", b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n"),
    coded("identity, chunked", b"Transfer-Encoding: identity, chunked\r\n", why_not=_TWO_READINGS),
    coded("identity and chunked", b"Transfer-Encoding: identity\r\n" + _CHUNKED, why_not=_TWO_READINGS),
    sized("chunked, identity", b"Transfer-Encoding: chunked, identity\r\n", why_not=_TWO_READINGS),
    sized("chunked and identity", _CHUNKED + b"Transfer-Encoding: identity\r\n", why_not=_TWO_READINGS),
    coded("chunked, chunked", b"Transfer-Encoding: chunked, chunked\r\n", why_not=_TWO_READINGS),
    coded("chunked and chunked", _CHUNKED + _CHUNKED, why_not=_TWO_READINGS),
    coded(", chunked", b"Transfer-Encoding: , chunked\r\n", why_not=_TWO_READINGS),
    coded("chunked,", b"Transfer-Encoding: chunked,\r\n", direct=False),
    sized("an empty coding", b"Transfer-Encoding: \r\n", why_not=_TWO_READINGS),
    coded("gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n", why_not=_NOT_UNDONE),
    sized("an unknown coding", b"Transfer-Encoding: x-own\r\n", why_not=_NOT_UNDONE),
    sized("until the close", b""),
    sized("until the close, which keep-alive denies", b"Connection: keep-alive\r\n"),
    started("HTTP/1.0", b"HTTP/1.0 200 OK\r\n"),
    Form("HTTP/1.0 until the close", b"HTTP/1.0 200 OK\r\n" + _TYPE + b"\r\n" + BODY),
    Form("HTTP/1.0 chunked", b"HTTP/1.0 200 OK\r\n" + _TYPE + _CHUNKED + b"\r\n" + chunks(), direct=False),
    started("HTTP/1.2", b"HTTP/1.2 200 OK\r\n", direct=False),
    started("HTTP/2.0", b"HTTP/2.0 200 OK\r\n", direct=False),
    started("http in lower case", b"http/1.1 200 OK\r\n", direct=False),
    started("no reason", b"HTTP/1.1 200\r\n"),
    started("an empty reason", b"HTTP/1.1 200 \r\n"),
    started("a reason beyond ASCII", b"HTTP/1.1 200 \xe5\xa5\xbd\r\n"),
    started("a control character in the reason", b"HTTP/1.1 200 O\x01K\r\n", direct=False),
    started("two spaces before the status", b"HTTP/1.1  200 OK\r\n", direct=False),
    started("an empty line first", b"\r\n" + _OK),
    started("a line feed first", b"\n" + _OK),
    started("100 first", b"HTTP/1.1 100 Continue\r\n\r\n" + _OK),
    Form("line feeds alone", lf(_OK + _TYPE + _LENGTH + b"\r\n") + BODY),
    Form("line feeds alone, chunked", lf(_OK + _TYPE + _CHUNKED + b"\r\n") + chunks()),
    Form("line feeds alone in some lines", lf(_OK) + _TYPE + lf(_LENGTH) + b"\r\n" + BODY),
    Form("a line feed alone at the end", _OK + _TYPE + _LENGTH + b"\n" + BODY),
    Form(
        "line feeds alone, 103 first",
        lf(b"HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n" + _OK + _TYPE + _LENGTH) + b"\n" + BODY,
    ),
    Form(
        "103 first, then line feeds alone",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + lf(_OK + _TYPE + _LENGTH) + b"\n" + BODY,
    ),
    sized("70 KB", _padding(70_000) + _LENGTH),
    sized("390 KB", _padding(390_000) + _LENGTH),
    sized("450 KB", _padding(450_000) + _LENGTH, why_not="memory; direct Codex, too, accepts it by chance only"),
    sized("100 fields", _fields(98) + _LENGTH),
    sized("101 fields", _fields(99) + _LENGTH, direct=False),
    sized("a folded line", b"X-A: 1\r\n 2\r\n" + _LENGTH, direct=False),
    sized("a space before a colon", b"X-A : 1\r\n" + _LENGTH, direct=False),
    sized("a space before the length's colon", b"Content-Length : %d\r\n" % _SIZE, direct=False),
    sized("a carriage return in a value", b"X-A: 1\r2\r\n" + _LENGTH, direct=False),
    sized("two carriage returns at a line's end", b"X-A: 1\r\r\n" + _LENGTH, direct=False),
    sized("NUL in a value", b"X-A: 1\0\r\n" + _LENGTH, direct=False),
    sized("bytes beyond ASCII in a value", b"X-A: \xc3\xa9\r\n" + _LENGTH),
    sized("a name that is no token", b"X(y): 1\r\n" + _LENGTH, direct=False),
    sized("an empty name", b": 1\r\n" + _LENGTH, direct=False),
    sized("a line without a colon", b"nothing\r\n" + _LENGTH, direct=False),
    Form("a space before the first field", _OK + b" X: 1\r\n" + _TYPE + _LENGTH + b"\r\n" + BODY, direct=False),
    Form("another response behind the body", _OK + _TYPE + _LENGTH + b"\r\n" + BODY + b"HTTP/1.1 200 OK\r\n\r\n"),
    Form("no content type", _OK + _LENGTH + b"\r\n" + BODY),
    Form("text/plain", _OK + b"Content-Type: text/plain\r\n" + _LENGTH + b"\r\n" + BODY),
    Form("text/html", _OK + b"Content-Type: text/html\r\n" + _LENGTH + b"\r\n" + BODY),
    Form("application/json", _OK + b"Content-Type: application/json\r\n" + _LENGTH + b"\r\n" + BODY),
)
BY_NAME: Final = {form.name: form for form in FORMS}
