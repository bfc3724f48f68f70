"""Bytes to text and back: byte order mark, UTF-8, newlines, and the place of an error."""

from __future__ import annotations

from dataclasses import dataclass

from journal.values import Unmergeable

BOM = b"\xef\xbb\xbf"


class Unparseable(Unmergeable):
    """A text that its format does not allow.

    line, column  1-based place, 0 where it is unknown
    reason        names the error without a quote of the text, which may hold secrets
    """

    def __init__(self, reason: str, *, line: int = 0, column: int = 0) -> None:
        super().__init__(f"{reason} (line {line}, column {column})" if line else reason)
        self.reason = reason
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A text without its byte order mark."""

    bom: bool
    text: str

    def encode(self, text: str) -> bytes:
        """Return `text` as bytes, with the mark where the original had one."""
        return (BOM if self.bom else b"") + text.encode()


def decode(data: bytes | None) -> Decoded:
    """Read UTF-8 with or without a byte order mark; None is the empty text. Raises Unparseable."""
    data = data or b""
    bom = data.startswith(BOM)
    body = data[len(BOM) :] if bom else data
    try:
        return Decoded(bom=bom, text=body.decode())
    except UnicodeDecodeError as error:
        good = body[: error.start].decode()
        raise Unparseable("it is not UTF-8", **line_and_column(good, len(good))) from None


def line_and_column(text: str, offset: int) -> dict[str, int]:
    """Name the line and column of an offset."""
    return {"line": text.count("\n", 0, offset) + 1, "column": offset - text.rfind("\n", 0, offset)}


def newline_of(text: str) -> str:
    """Return the line ending of the first line."""
    end = text.find("\n")
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"
