"""Response heads that RFC 9112 lets a recipient accept though no sender may write them, in a sender's form. Pure.

line feeds alone        section 2.2
equal lengths           section 6.3: one length takes their place
a length and a coding   section 6.3: the coding wins, the length goes

Direct Codex accepts these, too. The form that comes out has one reading only. What came may have had another one for
somebody between the provider and here, so the connection must not be used again.
"""

from __future__ import annotations

import re
from typing import Final

HEAD_END: Final = b"\r\n\r\n"
_END: Final = re.compile(rb"\n\r?\n")
_BEGINS: Final = b"HTTP/1."


def may_be_head(text: bytes | bytearray) -> bool:
    """Whether the text can be the beginning of a response of HTTP/1.x, and not of another protocol."""
    return text[: len(_BEGINS)] == _BEGINS[: len(text)]


def split_head(text: bytearray, searched: int = 0) -> tuple[bytearray, bytearray]:
    """Return the head that the text begins with, empty where it is incomplete, and the bytes behind it.

    searched  bytes at the beginning that are known to have no end of a head
    """
    end = _END.search(text, max(0, searched - len(HEAD_END)))
    at = 0 if end is None else end.end()
    return text[:at], text[at:]


def strict_head(head: bytes) -> bytes:
    """Return the head in a sender's form; whatever is wrong with it besides stays for the parser to refuse."""
    lines = [line.removesuffix(b"\r") for line in head.split(b"\n")[:-2]]
    start, *fields = lines
    named = [(line.partition(b":")[0].lower(), line) for line in fields]
    names = {name for name, _ in named}
    lengths = [value for name, line in named if name == b"content-length" for value in _values(line)]
    if b"transfer-encoding" in names:
        kept = [line for name, line in named if name != b"content-length"]
    elif len(lengths) > 1 and _are_equal(lengths):
        kept = [line for name, line in named if name != b"content-length"]
        kept.append(b"Content-Length: " + lengths[0])
    else:
        kept = fields
    return b"\r\n".join([start, *kept, b"", b""])


def _values(line: bytes) -> list[bytes]:
    return [value.strip(b" \t") for value in line.partition(b":")[2].split(b",")]


def _are_equal(lengths: list[bytes]) -> bool:
    digits = all(length.isdigit() for length in lengths)
    return digits and len({length.lstrip(b"0") for length in lengths}) == 1
