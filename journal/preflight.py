"""Look at every file that a transaction will touch, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from journal.context import Context
from journal.errors import Drifted, Unsupported
from journal.fs import Fs, storage
from journal.intents import Digester, Intent
from journal.participant import Participant
from journal.target import examine, locate, look, missing_folders
from journal.values import FileChange


def survey(ports: Context, txid: str, digest: Digester, changes: Sequence[FileChange]) -> list[Participant]:
    """Describe each change as an intent. A file that already is as wanted is compared and then left alone.

    Raises Drifted for all files together that are not as planned, Unsupported for the first that cannot be replaced.
    """
    shares: list[Participant] = []
    drifted = []
    for change in changes:
        if change.before == change.after:
            if digest(_content(ports.fs, change.path, digest)) != digest(change.before):
                drifted.append(change.path)
            continue
        share = Participant(ports, txid, digest, _intent(ports.fs, len(shares), change, digest), change.after)
        if any(share.last.target == other.last.target for other in shares):
            raise Unsupported(change.path, "two names of one file")
        if share.last.before != digest(change.before):
            drifted.append(change.path)
        shares.append(share)
    if drifted:
        raise Drifted(drifted)
    return shares


def missing_for(fs: Fs, shares: Sequence[Participant], folders: Sequence[Path]) -> list[Path]:
    """Every folder that has to be made, outermost first."""
    missing: dict[Path, None] = {}
    for path in [*(share.last.target for share in shares), *(folder / "x" for folder in folders)]:
        with storage(path):
            missing.update(dict.fromkeys(missing_folders(fs, path)))
    return list(missing)


def _intent(fs: Fs, index: int, change: FileChange, digest: Digester) -> Intent:
    route = locate(fs, change.path)
    with storage(change.path):
        examine(fs, route.target)
        held = look(fs, route.target, digest)
    return Intent(
        index=index,
        version=0,
        given=change.path,
        target=route.target,
        chain=route.chain,
        meta=None if held is None else held.meta,
        mtime_ns=0 if held is None else held.mtime_ns,
        mode=change.mode,
        before=digest(None if held is None else held.content),
        image=None,
        after=digest(change.after),
        theirs="",
        secret=change.secret,
        format=change.format,
        edits=change.edits,
    )


def _content(fs: Fs, given: Path, digest: Digester) -> bytes | None:
    with storage(given):
        held = look(fs, locate(fs, given).target, digest)
    return None if held is None else held.content
