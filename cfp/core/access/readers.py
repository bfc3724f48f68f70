"""The users who may read a file on Windows, by its security descriptor (bytes in, SIDs out).

A descriptor is self-relative, as GetFileSecurityW returns it (MS-DTYP 2.4.6): owner and access list (DACL).
The judgement errs towards naming a user: a right that a condition or a later entry takes away still counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

EVERYONE: Final = "S-1-1-0"
SYSTEM: Final = "S-1-5-18"
ADMINISTRATORS: Final = "S-1-5-32-544"
OWNER_RIGHTS: Final = "S-1-3-4"
CREATOR_OWNER: Final = "S-1-3-0"
NAMES: Final = {
    EVERYONE: "Everyone",
    "S-1-5-2": "Network",
    "S-1-5-4": "Interactive",
    "S-1-5-7": "Anonymous",
    "S-1-5-11": "Authenticated Users",
    "S-1-5-32-545": "Users",
    "S-1-5-32-546": "Guests",
    "S-1-5-32-547": "Power Users",
    "S-1-5-32-551": "Backup Operators",
}
_NOBODY_ELSE: Final = frozenset({SYSTEM, ADMINISTRATORS, OWNER_RIGHTS, CREATOR_OWNER})
_APP_CONTAINERS: Final = "S-1-15-"  # programs of the user in a box of their own: they need the user's right, too

# Rights by which the content can be read: to read data, and to change the rights or the owner.
READ_DATA, WRITE_DAC, WRITE_OWNER, GENERIC_ALL, GENERIC_READ = 0x1, 0x40000, 0x80000, 0x10000000, 0x80000000
READING: Final = READ_DATA | WRITE_DAC | WRITE_OWNER | GENERIC_ALL | GENERIC_READ

_DACL_PRESENT: Final = 0x4
_INHERIT_ONLY: Final = 0x8
_ALLOWED, _DENIED, _ALLOWED_IF = 0, 1, 9  # types of an entry; others mean no file


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    kind: int
    mask: int
    sid: str


def readers(descriptor: bytes, user: str) -> tuple[str, ...]:
    """Return the SIDs of the others who may read the file: neither `user` nor SYSTEM nor Administrators.

    A file without an access list is everybody's, and so is one whose descriptor cannot be parsed.
    """
    try:
        owner, entries = _parse(descriptor)
    except (struct.error, IndexError, ValueError):
        return (EVERYONE,)
    if entries is None:
        return (EVERYONE,)
    denied: dict[str, int] = {}
    sids = {owner: None} if owner else {}
    for entry in entries:
        if entry.kind == _DENIED:
            denied[entry.sid] = denied.get(entry.sid, 0) | entry.mask
        elif entry.mask & READING & ~(denied.get(entry.sid, 0) | denied.get(EVERYONE, 0)):
            sids[entry.sid] = None
    trusted = _NOBODY_ELSE | {user}
    return tuple(sid for sid in sids if sid not in trusted and not sid.startswith(_APP_CONTAINERS))


def owner_of(descriptor: bytes) -> str:
    """Return the SID of the owner; "" where none is named or the descriptor cannot be parsed."""
    try:
        return _parse(descriptor)[0]
    except (struct.error, IndexError, ValueError):
        return ""


def name_of(sid: str) -> str:
    """Return the English name of a well-known group, else the SID."""
    return NAMES.get(sid, sid)


def _parse(descriptor: bytes) -> tuple[str, list[_Entry] | None]:
    """Return the owner, "" where none is named, and the entries that count for the file itself; None for no list."""
    _, control, owner_at, _, _, list_at = struct.unpack_from("<HHIIII", descriptor)
    owner = _sid(descriptor, owner_at) if owner_at else ""
    if not control & _DACL_PRESENT or not list_at:
        return owner, None
    return owner, [*_entries(descriptor, list_at)]


def _entries(descriptor: bytes, start: int) -> Iterator[_Entry]:
    _, size, count = struct.unpack_from("<HHH", descriptor, start)
    if start + size > len(descriptor):
        raise ValueError("cut short")
    position = start + 8
    for _ in range(count):
        kind, flags, size = struct.unpack_from("<BBH", descriptor, position)
        if kind in {_ALLOWED, _DENIED, _ALLOWED_IF} and not flags & _INHERIT_ONLY:
            (mask,) = struct.unpack_from("<I", descriptor, position + 4)
            yield _Entry(kind=kind, mask=mask, sid=_sid(descriptor, position + 8))
        position += size


def _sid(data: bytes, start: int) -> str:
    revision, count = data[start], data[start + 1]
    authority = int.from_bytes(data[start + 2 : start + 8], "big")
    numbers = struct.unpack_from(f"<{count}I", data, start + 8)
    return "-".join(map(str, ("S", revision, authority, *numbers)))
