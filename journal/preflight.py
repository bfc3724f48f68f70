"""Checks of every file that a transaction will change, before anything is written."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from journal.context import Context
from journal.errors import Drifted, Unsupported
from journal.fs import Fs, storage_errors
from journal.intents import Digester, Intent
from journal.participant import Participant
from journal.target import missing_folders, read_file, require_replaceable, resolve
from journal.values import FileChange


def enlist(context: Context, txid: str, digest: Digester, changes: Sequence[FileChange]) -> list[Participant]:
    """Return a participant for each change. A change without effect is checked for drift, and makes no participant.

    Raises Drifted for all files together that have drifted, Unsupported for the first that cannot be replaced.
    """
    participants: list[Participant] = []
    drifted = []
    for change in changes:
        if change.before == change.after:
            if digest(_content(context.fs, change.path, digest)) != digest(change.before):
                drifted.append(change.path)
            continue
        intent = _intent(context.fs, len(participants), change, digest)
        participant = Participant(context, txid, digest, intent, change.after)
        if any(intent.target == other.intent.target for other in participants):
            raise Unsupported(change.path, "two names of one file")
        if intent.before_digest != digest(change.before):
            drifted.append(change.path)
        participants.append(participant)
    if drifted:
        raise Drifted(drifted)
    return participants


def folders_to_make(fs: Fs, participants: Sequence[Participant], folders: Sequence[Path]) -> list[Path]:
    """Return every missing folder, of the participants' targets and of `folders`, outermost first."""
    missing: dict[Path, None] = {}
    targets = [participant.intent.target for participant in participants]
    for path in [*targets, *(folder / "x" for folder in folders)]:
        with storage_errors(path):
            missing.update(dict.fromkeys(missing_folders(fs, path)))
    return list(missing)


def require_writable_folder(fs: Fs, path: Path) -> None:
    """Raise StorageFailed where no file can be made beside `path`, nor the missing folders above it."""
    with storage_errors(path):
        missing = missing_folders(fs, path)
        folder = missing[0].parent if missing else path.parent
        if not fs.writable(folder):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def require_free(fs: Fs, participants: Sequence[Participant]) -> None:
    """Raise InUse where another program keeps a target: before the first swap rather than half-way through them."""
    for participant in participants:
        with storage_errors(participant.intent.target):
            fs.require_free(participant.intent.target)


def _intent(fs: Fs, index: int, change: FileChange, digest: Digester) -> Intent:
    resolved = resolve(fs, change.path)
    with storage_errors(change.path):
        require_replaceable(fs, resolved.target)
        content = read_file(fs, resolved.target, digest)
    return Intent(
        index=index,
        version=0,
        path=change.path,
        target=resolved.target,
        chain=resolved.chain,
        metadata=None if content is None else content.metadata,
        mtime_ns=0 if content is None else content.mtime_ns,
        mode=change.mode,
        before_digest=digest(None if content is None else content.data),
        before_image=None,
        after_digest=digest(change.after),
        foreign_digest="",
        secret=change.secret,
        format=change.format,
        edits=change.edits,
    )


def _content(fs: Fs, path: Path, digest: Digester) -> bytes | None:
    with storage_errors(path):
        content = read_file(fs, resolve(fs, path).target, digest)
    return None if content is None else content.data
