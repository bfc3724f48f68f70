"""What should stand under a name, decided from what was seen: every case of a roll back, without a file system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from journal import ABSENT, KeyEdit
from journal.fs import Meta
from journal.intents import NOTHING, Digester, Intent
from journal.sight import Beside, Sight, Wanted, accounted, lasting_meta, wanted_after_rollback
from journal.target import Held
from tests.crash.lines import LINES

DIGEST = Digester("00")
META = Meta(mode=0o640, uid=0, gid=0)
BEFORE, AFTER = b"theirs=1\n", b"theirs=1\nours=1\n"
OURS = KeyEdit(path=("ours",), before=ABSENT, after="1")
INTENT = Intent(
    index=0,
    version=0,
    given=Path("/h/config"),
    target=Path("/h/config"),
    chain=(),
    meta=META,
    mtime_ns=1,
    mode=0o600,
    before=DIGEST(BEFORE),
    image=None,
    after=DIGEST(AFTER),
    theirs="",
    secret=False,
    format="lines",
    edits=(OURS,),
)


def held(content: bytes, mode: int = 0o640) -> Held:
    return Held(content=content, digest=DIGEST(content), meta=replace(META, mode=mode), mtime_ns=2)


def beside(content: bytes, *, staged: bytes = AFTER, first: bool = True) -> Beside:
    return Beside(path=Path("/h/.config.x-0.0"), staged=DIGEST(staged), holds=held(content), first=first)


def sight(current: bytes | None, *others: Beside) -> Sight:
    return Sight(current=None if current is None else held(current), beside=others)


def wanted(seen: Sight, *, torn: bool = False, edits: tuple[KeyEdit, ...] = (OURS,)) -> Wanted:
    form = LINES if edits else None
    return wanted_after_rollback(seen, [replace(INTENT, edits=edits)], BEFORE, form, torn=torn)


@pytest.mark.parametrize(
    ("seen", "content", "conflicts"),
    [
        # what is in place, and what lies beside it   # what should be       # whose keys are others'
        (sight(BEFORE), BEFORE, ()),
        (sight(BEFORE, beside(AFTER)), BEFORE, ()),
        (sight(AFTER, beside(BEFORE)), BEFORE, ()),
        (sight(AFTER), BEFORE, ()),
        (sight(AFTER, beside(b"theirs=2\n")), b"theirs=2\n", ()),
        (sight(AFTER, beside(b"not legible")), b"not legible", ()),
        (sight(b"theirs=2\nours=1\n", beside(BEFORE)), b"theirs=2\n", ()),
        (sight(b"theirs=2\nours=9\n"), b"theirs=2\nours=9\n", (("ours",),)),
        (sight(b"ours=1\ntheirs=1\n"), BEFORE, ()),
        (sight(b"not legible"), b"not legible", (("ours",),)),
        (sight(BEFORE, beside(b"theirs=3\nours=1\n", staged=BEFORE, first=False)), b"theirs=3\n", ()),
        (sight(None), None, (("ours",),)),
    ],
)
def test_every_sight_has_an_answer(seen: Sight, content: bytes | None, conflicts: tuple[object, ...]) -> None:
    """Level by level: nothing to do, whole bytes, own keys; what others wrote last always wins."""
    answer = wanted(seen)
    assert (content, conflicts) == (answer.content, answer.conflicts)


@pytest.mark.parametrize(
    ("displaced", "content"),
    [(b"theirs=2\n", b"theirs=2\n"), (b"", BEFORE), (b"theirs=", BEFORE), (bytes(9), BEFORE)],
)
def test_after_a_power_cut_a_displaced_text_must_be_legible(displaced: bytes, content: bytes) -> None:
    """What was displaced may never have reached the disk: then the before-image is better, and is reported."""
    answer = wanted(sight(AFTER, beside(displaced)), torn=True)
    assert content == answer.content
    assert (content == BEFORE) == (answer.conflicts == (("/h/config",),))


def test_bytes_that_nobody_can_merge_stay() -> None:
    """Without a format, others' bytes are left as found and the file is named."""
    answer = wanted(sight(b"foreign"), edits=())
    assert (b"foreign", (("/h/config",),)) == (answer.content, answer.conflicts)


def test_a_created_file_that_others_deleted_is_no_conflict() -> None:
    """There was none before, and there is none now."""
    intent = replace(INTENT, before=NOTHING, meta=None)
    answer = wanted_after_rollback(sight(None), [intent], None, LINES, torn=False)
    assert (None, ()) == (answer.content, answer.conflicts)


def test_what_a_reintent_was_made_from_is_lost_unless_it_got_there() -> None:
    """Displaced foreign bytes may go when the text that contains them stands, or stood, in the file."""
    theirs, merged = b"theirs=2\n", b"theirs=2\nours=1\n"
    digest = DIGEST(theirs)
    again = replace(INTENT, version=1, before=digest, theirs=digest, after=DIGEST(merged))
    first = beside(theirs)
    later = beside(AFTER, staged=merged, first=False)
    cases = {
        "overtaken": (b"theirs=3\n", (first, beside(merged, staged=merged, first=False)), False),
        "in place": (merged, (first,), True),
        "was in place": (b"theirs=3\n", (first, later), True),
        "given back": (theirs, (first,), True),
    }
    for name, (current, lying, expected) in cases.items():
        assert expected == (digest in accounted(DIGEST(current), lying, [INTENT, again])), name


def test_a_mode_that_others_changed_stays() -> None:
    """Recorded, displaced, in place: whoever differs from the record has changed it, and the newest wins."""
    known = {DIGEST(BEFORE), DIGEST(AFTER)}
    displaced = replace(beside(BEFORE), holds=held(BEFORE, 0o604))
    assert META == lasting_meta(sight(AFTER, beside(BEFORE)), META, known)
    assert 0o604 == lasting_meta(sight(AFTER, displaced), META, known).mode
    in_place = Sight(current=held(AFTER, 0o600), beside=(displaced,))
    assert 0o600 == lasting_meta(in_place, META, known).mode
