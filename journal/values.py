"""The input and output of a transaction: plain values, no IO.

A caller describes each file by its whole before- and after-image (`FileChange`) and, for a file that other programs
write too, by its own keys (`KeyEdit`). A `Format` sets or restores those keys in a text that others have changed.
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
    """The value of an absent key."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEdit:
    """The edit of one own key in a shared file: its value before and after.

    `before_spelling` is the value's text in the file (`'https://x'`, `0x1F`), so that a restore after other edits
    restores the text too; None where `before` is ABSENT. `after_spelling` is the text of `after`; the log leaves it
    out, since recovery never sets a key.
    """

    path: KeyPath
    before: Json | Absent
    after: Json | Absent
    before_spelling: str | None = None
    after_spelling: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """The whole effect on one file.

    before  content that the plan read; None where there was no file. Any other content at the swap is drift.
    after   content to write; None deletes the file.
    mode    permission bits of a new file; an existing file keeps its own.
    secret  whether the file can hold secrets, for the log. History and inspections show no value of any file.
    format  name of the `Format` that merges `edits` into a drifted file; "" where the file is replaced as a whole.
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
    """A text whose own keys were set or restored; `content` None deletes the file.

    `conflicts` are own keys that others have changed since: they stay unchanged.
    `notes` are codes of the format for its caller, such as "tombstone_left".
    """

    content: bytes | None
    conflicts: tuple[KeyPath, ...] = ()
    notes: tuple[str, ...] = ()


class Unmergeable(ValueError):
    """The current text cannot be edited safely (it does not parse, or the edit would change more than our keys)."""


class Format(Protocol):
    """A shared file format that can edit single keys: text in, text out, no IO. Raises Unmergeable."""

    def apply(self, current: bytes | None, edits: Sequence[KeyEdit]) -> bytes:
        """Set each key to its `after`, and change no other key."""

    def restore(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> Merged:
        """Restore each key whose value is `after` to its `before`; `before` stays, any other value is a conflict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A worker process. `started` is its start time by the kernel, so that a reused pid never matches."""

    nonce: str
    port: int
    pid: int | None = None
    started: str | None = None
    boot_id: str | None = None


class Processes(Protocol):
    """The operations of recovery on worker processes; they signal only a process that is proven to be the worker."""

    def retract(self, worker: WorkerRecord) -> Literal["stopped", "gone", "deferred", "draining"]:
        """End the worker if it is ours, without cutting a request.

        Returns "deferred" where a request is in flight, "draining" where the worker accepts no more and ends after.
        """

    def relaunch(self, spec: Json) -> bool:
        """Start a stopped worker from its `relaunch` value; return False where that is impossible."""
