"""Decide the content of a target from an observation of it. Pure functions, so a test needs no disk for any case.

While a transaction is open, the file staged for a target lies in the target's folder. A swap leaves the displaced
content there, under the name of the staged file. The intent, or the name itself, has the digest that was staged under
the name. Any other content under it was displaced, and is foreign where no intent has its digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journal.fs import FileType, Metadata
from journal.intents import NO_FILE, Intent
from journal.target import FileContent
from journal.values import Format, KeyPath, Unmergeable


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A file of this transaction in the target's folder.

    staged_digest  of the content that we staged under this name
    content        its content now: the staged or the displaced one
    is_first       staged for the first swap: its displaced content was written before ours became visible
    irregular      its type where a swap displaced a link or a folder; None for a regular file
    """

    path: Path
    staged_digest: str
    content: FileContent
    is_first: bool
    irregular: FileType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The content of a target, and the staged files in its folder, newest last."""

    current: FileContent | None
    staged_files: tuple[StagedFile, ...]

    @property
    def digest(self) -> str:
        return NO_FILE if self.current is None else self.current.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignWrite:
    """The newest write of another program.

    content        None where it deleted the file
    staged_file    the file that holds the content, where a swap displaced it
    precedes_ours  it was written before our content became visible
    """

    content: FileContent | None
    staged_file: StagedFile | None
    precedes_ours: bool

    @property
    def is_regular(self) -> bool:
        """Whether it is a regular file or a deletion, and no link or folder."""
        return self.staged_file is None or self.staged_file.irregular is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackImage:
    """The image that a target should hold after a roll back.

    digest         of `data`; None where it is still to be computed
    metadata       of the foreign file that `data` comes from
    conflicts      own keys that others changed; they stay unchanged
    merged_digest  of foreign content that `data` contains, so that it need not be parked
    """

    data: bytes | None
    digest: str | None = None
    metadata: Metadata | None = None
    conflicts: tuple[KeyPath, ...] = ()
    merged_digest: str = ""


def known_digests(intents: Sequence[Intent]) -> frozenset[str]:
    """Every digest that an intent of this transaction names."""
    return frozenset(
        digest for intent in intents for digest in (intent.before_digest, intent.after_digest, intent.foreign_digest)
    )


def removable_digests(current: str, staged_files: Sequence[StagedFile], intents: Sequence[Intent]) -> frozenset[str]:
    """Digests of content that may be removed: our images, and foreign content that a re-intent merged.

    The content that a re-intent merged may go only where its after-image is or was the target. Another edit may have
    come before that swap: then the staged file holds the only copy.
    """
    removable = {intent.after_digest for intent in intents} | {intents[0].before_digest, current}
    for intent in intents[1:]:
        if intent.before_digest != intent.foreign_digest:
            removable.add(intent.before_digest)
        was_swapped = any(
            staged.staged_digest == intent.after_digest != staged.content.digest for staged in staged_files
        )
        if was_swapped or current == intent.after_digest:
            removable.add(intent.foreign_digest)
    return frozenset(removable)


def newest_foreign_write(observation: Observation, intents: Sequence[Intent]) -> ForeignWrite | None:
    """Return the newest foreign write: the target itself, or the file that the last swap displaced."""
    ours = known_digests(intents)
    for staged in reversed(observation.staged_files):
        if staged.content.digest in ours or staged.content.digest == staged.staged_digest:
            continue
        if observation.digest == staged.staged_digest:
            return ForeignWrite(content=staged.content, staged_file=staged, precedes_ours=staged.is_first)
        if observation.digest in ours:  # a roll back swapped an image in, and displaced an edit of our content
            return ForeignWrite(content=staged.content, staged_file=staged, precedes_ours=False)
    staged_digests = {staged.staged_digest for staged in observation.staged_files}
    if observation.digest in ours or observation.digest in staged_digests:
        return None
    return ForeignWrite(content=observation.current, staged_file=None, precedes_ours=False)


def rollback_image(
    observation: Observation,
    intents: Sequence[Intent],
    before: bytes | None,
    file_format: Format | None,
    *,
    rebooted: bool,
) -> RollbackImage:
    """Decide the roll back of one target: leave it, restore the before-image, or restore own keys in foreign content.

    `before` is the newest before-image, None for no file. After a reboot a displaced file may be torn, since its
    writer may not have synced it: the before-image replaces it where the format cannot read it.
    """
    intent = intents[-1]
    foreign = newest_foreign_write(observation, intents)
    if foreign is None:
        written = {intent.after_digest for intent in intents} | {intent.foreign_digest}
        if observation.digest in written - {intent.before_digest}:
            return RollbackImage(data=before, digest=intent.before_digest)
        return unchanged(observation.current)
    if foreign.content is None:
        return RollbackImage(data=None, digest=NO_FILE, conflicts=_deletion_conflicts(intent))
    was_displaced = foreign.staged_file is not None and foreign.is_regular
    if rebooted and was_displaced and not _is_mergeable(foreign.content.data, before, intent, file_format):
        return RollbackImage(data=before, digest=intent.before_digest, conflicts=((str(intent.path),),))
    if foreign.precedes_ours or not foreign.is_regular:
        return unchanged(foreign.content)
    return _without_own_keys(foreign.content, before, intent, file_format)


def unchanged(content: FileContent | None, conflicts: tuple[KeyPath, ...] = ()) -> RollbackImage:
    """Return the content itself as the image; None stands for no file."""
    if content is None:
        return RollbackImage(data=None, digest=NO_FILE)
    return RollbackImage(
        data=content.data,
        digest=content.digest,
        metadata=content.metadata,
        conflicts=conflicts,
        merged_digest=content.digest,
    )


def _without_own_keys(
    content: FileContent, before: bytes | None, intent: Intent, file_format: Format | None
) -> RollbackImage:
    if file_format is None or not intent.edits:
        return unchanged(content, ((str(intent.path),),))
    try:
        merged = file_format.restore(content.data, before, intent.edits)
    except Unmergeable:
        return unchanged(content, tuple(edit.path for edit in intent.edits))
    return RollbackImage(
        data=merged.content, metadata=content.metadata, conflicts=merged.conflicts, merged_digest=content.digest
    )


def _deletion_conflicts(intent: Intent) -> tuple[KeyPath, ...]:
    """Name the own keys of a file that another program deleted: it stays deleted, so they cannot be restored."""
    return tuple(edit.path for edit in intent.edits) or ((str(intent.path),),)


def _is_mergeable(data: bytes, before: bytes | None, intent: Intent, file_format: Format | None) -> bool:
    if file_format is None or not data:
        return False
    try:
        file_format.restore(data, before, intent.edits)
    except Unmergeable:
        return False
    return True


def merged_metadata(observation: Observation, recorded: Metadata | None, base_digest: str) -> Metadata | None:
    """Merge foreign changes of mode, owner and attributes: the newest one that differs from `recorded` wins.

    `recorded` belongs to the content with `base_digest`. A file that an earlier swap displaced is older: its metadata
    does not count.
    """
    if observation.current is not None and observation.current.metadata != recorded:
        return observation.current.metadata
    for staged in observation.staged_files:
        if staged.content.digest == base_digest != staged.staged_digest and staged.content.metadata != recorded:
            return staged.content.metadata
    return recorded
