"""Windows security descriptors as bytes (MS-DTYP 2.4.6), for the tests that judge them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

ALLOWED, DENIED = 0, 1
INHERIT_ONLY, INHERITED = 0x8, 0x10
ALL, READ, RUN = 0x1F01FF, 0x120089, 0x1200A9  # FILE_ALL_ACCESS, FILE_GENERIC_READ, and with the right to execute


@dataclass(frozen=True)
class Entry:
    kind: int
    mask: int
    sid: str
    flags: int = 0


def _sid(text: str) -> bytes:
    _, revision, authority, *numbers = text.split("-")
    head = bytes([int(revision), len(numbers)]) + int(authority).to_bytes(6, "big")
    return head + struct.pack(f"<{len(numbers)}I", *map(int, numbers))


def _entry(entry: Entry) -> bytes:
    sid = _sid(entry.sid)
    return struct.pack("<BBHI", entry.kind, entry.flags, 8 + len(sid), entry.mask) + sid


def descriptor(owner: str, entries: Sequence[Entry] | None, *, present: bool = True) -> bytes:
    """A self-relative descriptor; `entries` None has no list, which lets everybody in."""
    who = _sid(owner)
    control = 0x8000 | (0x4 if present else 0)
    body = b"".join(map(_entry, entries or ()))
    acl = b"" if entries is None else struct.pack("<BBHHH", 2, 0, 8 + len(body), len(entries), 0) + body
    list_at = 0 if entries is None else 20 + len(who)
    return struct.pack("<BBHIIII", 1, 0, control, 20, 0, 0, list_at) + who + acl
