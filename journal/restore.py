"""Backward: give one file back, wherever its bytes are by now."""

from __future__ import annotations

from journal.errors import Damaged, Unsupported
from journal.participant import Participant
from journal.reconciliation import Observation, Wanted, as_found, lasting_meta, wanted_after_rollback
from journal.staging import StagingArea, stage
from journal.target import locate
from journal.values import KeyPath

MOST_LOOKS = 8


def restore_one(share: Participant, *, torn: bool) -> tuple[KeyPath, ...]:
    """Give a file back, also where others have moved it and left a link, or turned a link elsewhere.

    Returns own keys that others have changed; they stay as found. After a move nothing is certain to be ours, so only
    what a roll back would change counts. A file that only its bytes describe is named by its
    path instead. `torn`: see `wanted_after_rollback`.
    """
    _, *others = share.places = places(share)
    if not others:
        return restore_place(share, share.place, torn=torn)
    for place in (*others, share.place):
        if holds_ours(share, place, torn=torn):
            restore_place(share, place, torn=torn)
    return ()


def places(share: Participant) -> list[StagingArea]:
    """Every place that can have names of ours: the recorded target, and where the given name leads by now."""
    try:
        target = locate(share.ports.fs, share.last.given).target
    except Unsupported:
        return [share.place]
    return [share.place] if target == share.last.target else [share.place, share.place_at(target)]


def holds_ours(share: Participant, place: StagingArea, *, torn: bool) -> bool:
    """Say whether a roll back would change anything there; where no file is, something of ours must lie beside it."""
    try:
        sight = place.observe(share.intents)
    except Unsupported:
        return False
    if sight.current is None and not sight.beside:
        return False
    return digest_of(share, want(share, sight, torn=torn)) != sight.digest


def restore_place(share: Participant, place: StagingArea, *, torn: bool) -> tuple[KeyPath, ...]:
    """Look, act, look again, until what should stand there does.

    What was carried into the file counts as kept where that is what stands there in the end.
    """
    carried = ""
    for _ in range(MOST_LOOKS):
        try:
            sight = place.observe(share.intents)
        except Unsupported:  # a folder or a link stands there by now: not ours to touch
            break
        wanted = want(share, sight, torn=torn)
        if digest_of(share, wanted) == sight.digest:
            share.consumed |= {carried, wanted.consumed}
            return wanted.conflicts
        carried = wanted.consumed
        bring(share, place, sight, wanted)
    return ((str(share.last.given),),)


def want(share: Participant, sight: Observation, *, torn: bool) -> Wanted:
    """Decide, reading the before-image only where neither the file nor what a swap displaced holds it.

    Raises Damaged where the image is needed and gone. It can be gone rightly: power went before anything was touched,
    or after everything was given back. The file is none of ours then.
    """
    holding = [sight.current, *(beside.holds for beside in sight.beside)]
    found = next((held for held in holding if held is not None and held.digest == share.last.before), None)
    before = None if found is None else found.content
    if found is None:
        try:
            before = share.before()
        except Damaged:
            if sight.beside or sight.digest in {intent.after for intent in share.intents}:
                raise
            return as_found(sight.current, ((str(share.last.given),),))
    return wanted_after_rollback(sight, share.intents, before, share.form, torn=torn)


def digest_of(share: Participant, wanted: Wanted) -> str:
    return wanted.digest or share.digest(wanted.content)


def bring(share: Participant, place: StagingArea, sight: Observation, wanted: Wanted) -> None:
    """One step towards `wanted`: take away, put back the very file that was displaced, or a copy of its bytes."""
    digest = digest_of(share, wanted)
    undo = place.next_undo(digest)
    if wanted.content is None:
        share.take_away(place, undo)
        return
    meta = wanted.meta or lasting_meta(sight, share.last.meta, share.made_from)
    returning = next((beside for beside in sight.beside if beside.holds.digest == digest), None)
    if returning is None:
        mtime_ns = share.last.mtime_ns if digest == share.last.before else None
        stage(share.ports.fs, undo, wanted.content, meta, mode=share.last.mode, mtime_ns=mtime_ns)
        share.put(place, undo, sight)
        return
    if returning.strange is None:
        share.fix_meta(returning.path, meta or returning.holds.meta)
    share.put(place, returning.path, sight)
