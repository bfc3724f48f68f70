"""Forward: put one after-image under its name, and again on top of what others write meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from journal.errors import Drifted
from journal.fs import storage
from journal.intents import NOTHING, Intent
from journal.log import IMAGES, write_images
from journal.participant import Participant
from journal.reconciliation import Foreign, Observation, newest_foreign
from journal.target import locate
from journal.values import Unmergeable


def step(share: Participant, sight: Observation, record: Callable[[Intent], None]) -> bool:
    """Bring one file one step nearer to what we want; False where it is there.

    `record` makes a re-intent durable. Raises Drifted where others wrote what cannot be merged.
    """
    newest = newest_foreign(sight, share.intents)
    if newest is not None:
        if keeps_our_keys(share, newest):
            return False
        reintend(share, newest, record)
    elif sight.digest == share.last.after:
        return carry_meta(share, sight)
    else:
        advance(share, sight)
    return True


def observe(share: Participant) -> Observation:
    """Look at a target by the names that we gave. Raises Drifted where its name leads elsewhere by now."""
    route = locate(share.ports.fs, share.last.given)
    if (route.target, route.chain) != (share.last.target, share.last.chain):
        raise Drifted([share.last.given])
    names = [share.place.staged(intent.version).name for intent in share.intents]
    return share.place.observe(share.intents, names)


def advance(share: Participant, sight: Observation) -> None:
    """One swap: replace, create or take away."""
    staged = share.place.staged(share.last.version)
    if share.last.after == NOTHING:
        share.take_away(share.place, staged)
        return
    current = sight.current
    if current is not None and current.digest == share.made_from and current.meta != share.last.meta:
        share.fix_meta(staged, current.meta)  # others changed it since we staged for it
    share.put(share.place, staged, sight)


def keeps_our_keys(share: Participant, newest: Foreign) -> bool:
    """Say whether what others wrote in place already says what we want; without keys of ours only bytes could."""
    if share.form is None or not share.last.edits or newest.held is None or newest.beside is not None:
        return False
    try:
        return share.form.apply(newest.held.content, share.last.edits) == newest.held.content
    except Unmergeable:
        return False


def reintend(share: Participant, newest: Foreign, record: Callable[[Intent], None]) -> None:
    """Apply own keys to what others wrote, make that durable as an intent, and stage it."""
    last = share.last
    if share.form is None or not last.edits or last.after == NOTHING or newest.held is None or not newest.is_text:
        raise Drifted([last.given])
    theirs = newest.held
    try:
        given_back = share.form.restore(theirs.content, share.before(), last.edits)
        after = share.form.apply(theirs.content, last.edits)
    except Unmergeable as error:
        raise Drifted([last.given]) from error
    if given_back.conflicts:
        raise Drifted([last.given])
    before = theirs.content if newest.before_ours else given_back.content
    version = last.version + 1
    image = None
    if before is not None:
        name = f"{share.txid}{IMAGES}{last.index}.{version}"
        [image] = write_images(share.ports.fs, share.ports.root, name, [before])
        with storage(share.ports.root):
            share.ports.fs.fsync_folder(share.ports.root)
    intent = replace(
        last,
        version=version,
        meta=theirs.meta,
        mtime_ns=theirs.mtime_ns,
        before=share.digest(before),
        image=image,
        after=share.digest(after),
        theirs=theirs.digest,
    )
    record(intent)
    share.intents.append(intent)
    share.after = after
    share.stage_after()


def carry_meta(share: Participant, sight: Observation) -> bool:
    """Hand over a mode or owner that others changed on the old file after it was staged for; False if none did."""
    displaced = share.displaced(sight)
    if displaced is None or sight.current is None or sight.current.meta != share.last.meta:
        return False
    if displaced.holds.meta == share.last.meta:
        return False
    share.fix_meta(share.place.target, displaced.holds.meta)
    return True
