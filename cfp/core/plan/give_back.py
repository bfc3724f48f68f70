"""What one recorded file should become when its owner gets it back: as is, the bytes before, or our keys only."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from cfp.core.manifest import FileRecord, digest
from cfp.errors import Refused
from journal.values import Format, KeyEdit, KeyPath, Unmergeable


class Level(enum.Enum):
    """How much was needed."""

    ALREADY = "already"  # the file is as it was before us
    BYTES = "bytes"  # nobody touched it since: the bytes before
    KEYS = "keys"  # others edited it: our own keys only
    ALREADY_KEYS = "already_keys"  # others edited it and our keys are back already


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """`content` None means that there should be no file. `conflicts` are own keys that others changed."""

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
        # Its owner deleted the file with our keys in it: nothing of ours is left to take out.
        return GivenBack(content=None, level=Level.ALREADY_KEYS)
    try:
        # Bytes that are lost stand for an empty file: None would say that there was none, and take the file away.
        lost = b"" if record.hash_before else None
        merged = form.restore(current, before if before_known else lost, edits)
    except Unmergeable as error:
        raise Refused("file_not_editable", reason=str(error)) from error
    level = Level.ALREADY_KEYS if merged.content == current and not merged.conflicts else Level.KEYS
    return GivenBack(content=merged.content, level=level, conflicts=merged.conflicts, notes=merged.notes)
