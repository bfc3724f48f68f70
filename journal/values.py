"""What a transaction is told and what it answers: plain values, no IO.

A caller describes each file by its whole before- and after-image (`FileChange`) and, for formats that other
programs write too, by the keys that are its own (`KeyEdit`). A `Format` knows how to set or give back those
keys inside a text that has moved on meanwhile.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

Json: TypeAlias = Any
KeyPath: TypeAlias = tuple[str, ...]


class Absent(enum.Enum):
    """The one value that says: this key is not there."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEdit:
    """One of our own keys in a shared file: what stood there, and what we put there.

    `before_spelling` is the value as its owner wrote it (`'https://x'`, `0x1F`), so that giving a key back
    after other edits gives back its spelling too. None where `before` is ABSENT. `after_spelling` is the same of what
    we put there; a log has no need of it, since nobody sets a key again from a log.
    """

    path: KeyPath
    before: Json | Absent
    after: Json | Absent
    before_spelling: str | None = None
    after_spelling: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """The whole effect on one file.

    before  content that the plan saw; None where there was no file. Anything else found at swap time is drift.
    after   content to write; None deletes the file.
    mode    permission bits of a file that is created; an existing file keeps its own.
    secret  the log then holds a keyed hash only, never a plain one.
    format  name of the `Format` that can merge `edits` into a drifted file; "" where only bytes will do.
    """

    path: Path
    before: bytes | None
    after: bytes | None
    mode: int = 0o600
    secret: bool = False
    format: str = ""
    edits: tuple[KeyEdit, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A text with own keys set or given back; `content` None means that the file should go.

    `conflicts` are own keys that somebody else has changed since: they were left as found.
    `notes` are the format's own words for its caller, such as "tombstone_left".
    """

    content: bytes | None
    conflicts: tuple[KeyPath, ...] = ()
    notes: tuple[str, ...] = ()


class Unmergeable(ValueError):
    """The current text cannot be edited safely (it does not parse, or the edit would change more than our keys)."""


class Format(Protocol):
    """Key-level knowledge of one shared file format: text in, text out, no IO. Raises Unmergeable."""

    def apply(self, current: bytes | None, edits: Sequence[KeyEdit]) -> bytes:
        """Set each key to its `after`, changing nothing else."""

    def restore(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> Merged:
        """Give each key back, by its value now: ours goes back to `before`, `before` stays, the rest conflicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A process that a transaction started: `started` is the kernel's start time, so a reused pid never matches."""

    nonce: str
    port: int
    pid: int | None = None
    started: str | None = None
    boot_id: str | None = None


class Processes(Protocol):
    """What recovery may ask of the machine about processes; it never signals one that is not proven ours."""

    def retract(self, worker: WorkerRecord) -> Literal["stopped", "gone", "deferred", "draining"]:
        """End the worker if it is ours, and cut no request.

        "deferred" where one is in flight right now, "draining" where it accepts nothing more and leaves after it.
        """

    def relaunch(self, spec: Json) -> bool:
        """Start a previous worker again from what `worker_stopping` recorded; False where that is not possible."""
