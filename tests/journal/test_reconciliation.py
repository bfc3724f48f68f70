"""What should stand under a name, decided from what was seen: every case of a roll back, without a file system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from journal import ABSENT, KeyEdit
from journal.fs import FileType, Meta
from journal.intents import NOTHING, Digester, Intent
from journal.reconciliation import Observation, StagedFile, Wanted, accounted, lasting_meta, wanted_after_rollback
from journal.target import FileContent
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


def held(content: bytes, mode: int = 0o640) -> FileContent:
    return FileContent(content=content, digest=DIGEST(content), meta=replace(META, mode=mode), mtime_ns=2)


def beside(content: bytes, *, staged: bytes = AFTER, first: bool = True) -> StagedFile:
    return StagedFile(path=Path("/h/.config.x-0.0"), staged=DIGEST(staged), holds=held(content), first=first)


def sight(current: bytes | None, *others: StagedFile) -> Observation:
    return Observation(current=None if current is None else held(current), beside=others)


def wanted(seen: Observation, *, torn: bool = False, edits: tuple[KeyEdit, ...] = (OURS,)) -> Wanted:
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
        (sight(BEFORE, beside(b"theirs=2\nours=1\n")), b"theirs=2\n", ()),
        (sight(b"theirs=2\nours=1\n", beside(BEFORE)), b"theirs=2\n", ()),
        (sight(b"theirs=2\nours=9\n"), b"theirs=2\nours=9\n", (("ours",),)),
        (sight(b"ours=1\ntheirs=1\n"), BEFORE, ()),
        (sight(b"not legible"), b"not legible", (("ours",),)),
        (sight(BEFORE, beside(b"theirs=3\nours=1\n", staged=BEFORE, first=False)), b"theirs=3\n", ()),
        (sight(None), None, (("ours",),)),
        (
            sight(b"theirs=2\nours=9\n", beside(AFTER, staged=b"theirs=2\nours=9\n", first=False)),
            b"theirs=2\nours=9\n",
            (),
        ),
        (sight(AFTER, replace(beside(b"away"), strange=FileType.LINK)), b"away", ()),
        (sight(AFTER, replace(beside(b"away", first=False), strange=FileType.LINK)), b"away", ()),
    ],
)
def test_every_sight_has_an_answer(seen: Observation, content: bytes | None, conflicts: tuple[object, ...]) -> None:
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


def test_after_a_power_cut_a_text_in_place_stays() -> None:
    """Whether it can be read or not: nothing of ours took it away, so nothing of ours may replace it."""
    assert b"not legible" == wanted(sight(b"not legible"), torn=True).content


def test_after_a_power_cut_what_giving_back_displaced_must_be_legible() -> None:
    """Else what was given back stays: the other one may never have got to the disk."""
    assert BEFORE == wanted(sight(BEFORE, beside(b"not legible")), torn=True).content


def test_a_link_needs_not_be_legible() -> None:
    """What was displaced after a power cut may be a link: it goes back as it is."""
    answer = wanted(sight(AFTER, replace(beside(b"away"), strange=FileType.LINK)), torn=True)
    assert (b"away", ()) == (answer.content, answer.conflicts)


def test_what_is_there_keeps_what_it_has() -> None:
    """Bytes that are as before already are as found: their mode is not ours to set."""
    found = held(BEFORE, 0o604)
    answer = wanted(Observation(current=found, beside=()))
    expected = Wanted(content=BEFORE, digest=found.digest, meta=found.meta, consumed=found.digest)
    assert expected == answer


@pytest.mark.parametrize(
    ("seen", "edits", "form", "torn", "content"),
    [
        (sight(b"foreign"), (), LINES, False, b"foreign"),
        (sight(b"foreign"), (OURS,), None, False, b"foreign"),
        (sight(None), (), LINES, False, None),
        (sight(AFTER, beside(b"theirs=2\n")), (OURS,), None, True, BEFORE),
    ],
)
def test_what_only_its_bytes_describe_is_named_by_its_path(
    seen: Observation,
    edits: tuple[KeyEdit, ...],
    form: object,
    torn: bool,  # noqa: FBT001 - a parameter of the test
    content: bytes | None,
) -> None:
    """Without keys, or without a format to read them, others' file is left, or not trusted after a power cut."""
    answer = wanted_after_rollback(seen, [replace(INTENT, edits=edits)], BEFORE, form, torn=torn)
    assert (content, (("/h/config",),)) == (answer.content, answer.conflicts)


@pytest.mark.parametrize(
    ("current", "swapped", "merged", "before", "theirs"),
    [
        # what stands there, whether the re-intent was, whether its before-image differs from theirs; what may go
        ("again", False, False, True, True),
        ("again", False, True, True, True),
        ("other", True, False, True, True),
        ("other", True, True, True, True),
        ("other", False, False, False, False),
        ("other", False, True, True, False),
        ("first", False, False, False, False),
    ],
)
def test_what_a_reintent_accounts_for(current: str, swapped: bool, merged: bool, before: bool, theirs: bool) -> None:  # noqa: FBT001 - a row of a table
    """A before-image of our own making may always go; others' bytes only when our text with them got there."""
    first = replace(INTENT, before="old", after="first")
    again = replace(INTENT, version=1, before="made" if merged else "theirs", theirs="theirs", after="again")
    lying = replace(beside(b""), staged="again", holds=replace(held(b""), digest="x" if swapped else "again"))
    found = accounted(current, (lying,), [first, again])
    assert {"old", "first", "again", current} <= found
    assert (before, theirs) == (again.before in found, "theirs" in found)


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
    displaced = replace(beside(BEFORE), holds=held(BEFORE, 0o604))
    assert META == lasting_meta(sight(AFTER, beside(BEFORE)), META, DIGEST(BEFORE))
    assert 0o604 == lasting_meta(sight(AFTER, displaced), META, DIGEST(BEFORE)).mode
    foreign = replace(beside(b"foreign"), holds=held(b"foreign", 0o604))
    staged = replace(beside(AFTER), holds=held(AFTER, 0o604))
    for lying in ((foreign,), (staged,), (foreign, staged)):
        assert META == lasting_meta(sight(AFTER, *lying), META, DIGEST(BEFORE))
    assert 0o604 == lasting_meta(sight(AFTER, foreign, staged, beside(BEFORE), displaced), META, DIGEST(BEFORE)).mode
    assert 0o604 == lasting_meta(sight(None, displaced), META, DIGEST(BEFORE)).mode
    in_place = Observation(current=held(AFTER, 0o600), beside=(displaced,))
    assert 0o600 == lasting_meta(in_place, META, DIGEST(BEFORE)).mode
