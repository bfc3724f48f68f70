"""Decide what should stand under a name, from what was just seen there. Pure: no IO, so every case can be tested.

While a transaction is open, what we have staged for a target lies beside it, or, since a swap exchanges the two, what
the swap took away. A staged file's name tells what we put into it. If it holds something else now, then that was
displaced, and if that is none of our images, somebody else wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journal.fs import FileType, Meta
from journal.intents import NOTHING, Intent
from journal.target import FileContent
from journal.values import Format, KeyPath, Unmergeable


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A file of ours beside its target: what we staged under this name, and what it holds now.

    first    it was staged for the first swap, so what that displaced was written before our content could be seen
    strange  what it is, if no regular file: a link or folder that took the target's name just before the swap
    """

    path: Path
    staged: str
    holds: FileContent
    first: bool
    strange: FileType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A target and what lies beside it, newest last."""

    current: FileContent | None
    beside: tuple[StagedFile, ...]

    @property
    def digest(self) -> str:
        return NOTHING if self.current is None else self.current.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """The newest content that is none of ours; `held` is None where somebody deleted the file.

    beside       where it lies, if a swap displaced it
    before_ours  it was written before our content could be seen
    """

    held: FileContent | None
    beside: StagedFile | None
    before_ours: bool

    @property
    def is_text(self) -> bool:
        """Whether what is held, if anything is, could be read by a format."""
        return self.beside is None or self.beside.strange is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What should stand under a name after a roll back.

    digest     of `content`, or None where that is still to be computed
    meta       of the foreign file that `content` comes from
    conflicts  own keys that others have changed; they stay as found
    consumed   digest of foreign bytes that are contained in `content` and need not be kept
    """

    content: bytes | None
    digest: str | None = None
    meta: Meta | None = None
    conflicts: tuple[KeyPath, ...] = ()
    consumed: str = ""


def ours(intents: Sequence[Intent]) -> frozenset[str]:
    """Every digest that this transaction can account for."""
    return frozenset(digest for intent in intents for digest in (intent.before, intent.after, intent.theirs))


def accounted(current: str, beside: Sequence[StagedFile], intents: Sequence[Intent]) -> frozenset[str]:
    """Digests of what may be removed: our images, and foreign bytes that a re-intent carried into the file.

    A re-intent that was written and then overtaken by yet another edit has carried nothing: what it was made from
    would be lost. It has, if its image is or was under the target's name.
    """
    found = {intent.after for intent in intents} | {intents[0].before, current}
    for intent in intents[1:]:
        if intent.before != intent.theirs:
            found.add(intent.before)
        was_swapped = any(one.staged == intent.after != one.holds.digest for one in beside)
        if was_swapped or current == intent.after:
            found.add(intent.theirs)
    return frozenset(found)


def newest_foreign(sight: Observation, intents: Sequence[Intent]) -> Foreign | None:
    """Find what others wrote last, in place or displaced by the swap that put the present content there."""
    known = ours(intents)
    for beside in reversed(sight.beside):
        if beside.holds.digest in known or beside.holds.digest == beside.staged:
            continue
        if sight.digest == beside.staged:
            return Foreign(held=beside.holds, beside=beside, before_ours=beside.first)
        if sight.digest in known:  # what a swap had taken away was put back, over what others had made of ours
            return Foreign(held=beside.holds, beside=beside, before_ours=False)
    if sight.digest in known or sight.digest in {beside.staged for beside in sight.beside}:
        return None
    return Foreign(held=sight.current, beside=None, before_ours=False)


def wanted_after_rollback(
    sight: Observation, intents: Sequence[Intent], before: bytes | None, form: Format | None, *, torn: bool
) -> Wanted:
    """The three levels of a restore: nothing to do; whole bytes; own keys inside what others wrote.

    `before` is the last before-image, None for no file. `torn` says that the machine went down since: what was
    displaced then may be a file that its writer never got to the disk.
    """
    last = intents[-1]
    newest = newest_foreign(sight, intents)
    if newest is None:
        written = {intent.after for intent in intents} | {last.theirs}
        if sight.digest in written - {last.before}:
            return Wanted(content=before, digest=last.before)
        return as_found(sight.current)
    if newest.held is None:
        return Wanted(content=None, digest=NOTHING, conflicts=_lost_with_the_file(last))
    displaced_text = newest.beside is not None and newest.is_text
    if torn and displaced_text and not _legible(newest.held.content, before, last, form):
        return Wanted(content=before, digest=last.before, conflicts=((str(last.given),),))
    if newest.before_ours or not newest.is_text:
        return as_found(newest.held)
    return _without_our_keys(newest.held, before, last, form)


def as_found(held: FileContent | None, conflicts: tuple[KeyPath, ...] = ()) -> Wanted:
    if held is None:
        return Wanted(content=None, digest=NOTHING)
    return Wanted(content=held.content, digest=held.digest, meta=held.meta, conflicts=conflicts, consumed=held.digest)


def _without_our_keys(held: FileContent, before: bytes | None, intent: Intent, form: Format | None) -> Wanted:
    if form is None or not intent.edits:
        return as_found(held, ((str(intent.given),),))
    try:
        merged = form.restore(held.content, before, intent.edits)
    except Unmergeable:
        return as_found(held, tuple(edit.path for edit in intent.edits))
    return Wanted(content=merged.content, meta=held.meta, conflicts=merged.conflicts, consumed=held.digest)


def _lost_with_the_file(intent: Intent) -> tuple[KeyPath, ...]:
    """Somebody deleted the file: it stays deleted, and what we would have given back is named."""
    return tuple(edit.path for edit in intent.edits) or ((str(intent.given),),)


def _legible(content: bytes, before: bytes | None, intent: Intent, form: Format | None) -> bool:
    if form is None or not content:
        return False
    try:
        form.restore(content, before, intent.edits)
    except Unmergeable:
        return False
    return True


def lasting_meta(sight: Observation, recorded: Meta | None, made_from: str) -> Meta | None:
    """Merge what others changed about mode, owner and attributes: theirs wins, ours never differs from recorded.

    `recorded` is of what `made_from` is the digest of: what was displaced before that has nothing to say any more.
    """
    if sight.current is not None and sight.current.meta != recorded:
        return sight.current.meta
    for beside in sight.beside:
        if beside.holds.digest == made_from != beside.staged and beside.holds.meta != recorded:
            return beside.holds.meta
    return recorded
