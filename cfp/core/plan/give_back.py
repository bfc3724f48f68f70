"""The decision how a recorded file is given back: as it is, as the bytes before, or without our keys only."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from cfp.core.manifest import FileRecord, digest
from cfp.errors import Refused
from journal.values import Format, KeyEdit, KeyPath, Unmergeable


class Level(enum.Enum):
    """The way in which a file is given back."""

    ALREADY = "already"  # the file is as it was before the install
    BYTES = "bytes"  # nobody has written it since: the bytes before
    KEYS = "keys"  # others edited it: our own keys only
    ALREADY_KEYS = "already_keys"  # others edited it and our keys are back already


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """A file without our changes; `content` None for no file. `conflicts` are own keys that others changed."""

    content: bytes | None
    level: Level
    conflicts: tuple[KeyPath, ...] = ()
    notes: tuple[str, ...] = ()


def give_back(
    record: FileRecord,
    current: bytes | None,
    before: bytes | None,
    *,
    before_known: bool,
    edits: Sequence[KeyEdit],
    form: Format,
) -> GivenBack:
    """Decide for one file; raises Refused(config_unparseable) where keys cannot be edited safely.

    before        the bytes that stood before, None for no file
    before_known  False where those bytes are lost (no backup, or one that does not match its hash)
    """
    if before_known and current == before:
        return GivenBack(content=current, level=Level.ALREADY)
    if before_known and digest(current) == record.hash_after:
        return GivenBack(content=before, level=Level.BYTES)
    if current is None:
        # The user deleted the file with our keys in it, so there is nothing of ours to remove.
        return GivenBack(content=None, level=Level.ALREADY_KEYS)
    try:
        # An empty file stands in for lost bytes: None would mean that there was no file, and remove this one.
        substitute = b"" if record.hash_before else None
        merged = form.restore(current, before if before_known else substitute, edits)
    except Unmergeable as error:
        raise Refused("file_not_editable", reason=str(error)) from error
    level = Level.ALREADY_KEYS if merged.content == current and not merged.conflicts else Level.KEYS
    return GivenBack(content=merged.content, level=level, conflicts=merged.conflicts, notes=merged.notes)
