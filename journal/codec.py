"""The encoding of a log: one frame per record, with checksum and length, numbered from 0.

    frame = crc32 of the JSON (8 hex digits) SP length of the JSON (6 hex digits) SP JSON LF

Prefix rule: a log ends before its first invalid frame or the first gap in the numbers. The rest is a torn tail, or
zeros of reserved space.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from journal.values import Json

HEADER_SIZE = 16  # two hex numbers and two spaces
MAX_LENGTH = 0xFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedLog:
    """The records of a log's valid prefix, and the prefix's length in bytes."""

    records: tuple[Json, ...]
    length: int


def frame(number: int, record: Json) -> bytes:
    """Encode one record as a frame. Raises ValueError where it is too long for the length field."""
    body = json.dumps({"q": number, **record}, separators=(",", ":")).encode("ascii")
    if len(body) > MAX_LENGTH:
        raise ValueError("record too long")
    return _header(body) + body + b"\n"


def frames(records: Iterable[Json]) -> bytes:
    """Encode records, numbered from 0."""
    return b"".join(frame(number, record) for number, record in enumerate(records))


def parse(data: bytes) -> ParsedLog:
    """Parse the valid prefix of a log. Never raises."""
    records = []
    length = 0
    for number, (body, end) in enumerate(_bodies(data)):
        try:
            record = json.loads(body)
        except ValueError:
            break
        if not isinstance(record, dict) or record.pop("q", None) != number:
            break
        records.append(record)
        length = end
    return ParsedLog(records=tuple(records), length=length)


def _bodies(data: bytes) -> Iterator[tuple[bytes, int]]:
    start = 0
    while True:
        head = data[start : start + HEADER_SIZE]
        try:
            end = start + HEADER_SIZE + int(head[9:15], 16)
        except ValueError:
            return
        body = data[start + HEADER_SIZE : end]
        # Comparing the headers' bytes, not their numbers, allows exactly one spelling of a frame.
        if head != _header(body) or data[end : end + 1] != b"\n":
            return
        yield body, end + 1
        start = end + 1


def _header(body: bytes) -> bytes:
    return b"%08x %06x " % (zlib.crc32(body), len(body))
