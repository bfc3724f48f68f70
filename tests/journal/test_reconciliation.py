"""The image of a roll back, decided from an observation: every case, without a file system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from journal import ABSENT, KeyEdit
from journal.fs import FileType, Metadata
from journal.intents import NO_FILE, Digester, Intent
from journal.reconciliation import (
    Observation,
    RollbackImage,
    StagedFile,
    merged_metadata,
    removable_digests,
    rollback_image,
)
from journal.target import FileContent
from tests.crash.lines import LINES

DIGEST = Digester("00")
METADATA = Metadata(mode=0o640, uid=0, gid=0)
BEFORE, AFTER = b"theirs=1\n", b"theirs=1\nours=1\n"
OURS = KeyEdit(path=("ours",), before=ABSENT, after="1")
INTENT = Intent(
    index=0,
    version=0,
    path=Path("/h/config"),
    target=Path("/h/config"),
    chain=(),
    metadata=METADATA,
    mtime_ns=1,
    mode=0o600,
    before_digest=DIGEST(BEFORE),
    before_image=None,
    after_digest=DIGEST(AFTER),
    foreign_digest="",
    secret=False,
    format="lines",
    edits=(OURS,),
)


def content(data: bytes, mode: int = 0o640) -> FileContent:
    return FileContent(data=data, digest=DIGEST(data), metadata=replace(METADATA, mode=mode), mtime_ns=2)


def staged_file(data: bytes, *, staged: bytes = AFTER, is_first: bool = True) -> StagedFile:
    return StagedFile(
        path=Path("/h/.config.x-0.0"), staged_digest=DIGEST(staged), content=content(data), is_first=is_first
    )


def observation(current: bytes | None, *staged_files: StagedFile) -> Observation:
    return Observation(current=None if current is None else content(current), staged_files=staged_files)


def rollback(observed: Observation, *, rebooted: bool = False, edits: tuple[KeyEdit, ...] = (OURS,)) -> RollbackImage:
    file_format = LINES if edits else None
    return rollback_image(observed, [replace(INTENT, edits=edits)], BEFORE, file_format, rebooted=rebooted)


@pytest.mark.parametrize(
    ("observed", "data", "conflicts"),
    [
        # target, and staged files                   # image                # conflicts
        (observation(BEFORE), BEFORE, ()),
        (observation(BEFORE, staged_file(AFTER)), BEFORE, ()),
        (observation(AFTER, staged_file(BEFORE)), BEFORE, ()),
        (observation(AFTER), BEFORE, ()),
        (observation(AFTER, staged_file(b"theirs=2\n")), b"theirs=2\n", ()),
        (observation(AFTER, staged_file(b"not legible")), b"not legible", ()),
        (observation(BEFORE, staged_file(b"theirs=2\nours=1\n")), b"theirs=2\n", ()),
        (observation(b"theirs=2\nours=1\n", staged_file(BEFORE)), b"theirs=2\n", ()),
        (observation(b"theirs=2\nours=9\n"), b"theirs=2\nours=9\n", (("ours",),)),
        (observation(b"ours=1\ntheirs=1\n"), BEFORE, ()),
        (observation(b"not legible"), b"not legible", (("ours",),)),
        (observation(BEFORE, staged_file(b"theirs=3\nours=1\n", staged=BEFORE, is_first=False)), b"theirs=3\n", ()),
        (observation(None), None, (("ours",),)),
        (
            observation(b"theirs=2\nours=9\n", staged_file(AFTER, staged=b"theirs=2\nours=9\n", is_first=False)),
            b"theirs=2\nours=9\n",
            (),
        ),
        (observation(AFTER, replace(staged_file(b"away"), irregular=FileType.LINK)), b"away", ()),
        (observation(AFTER, replace(staged_file(b"away", is_first=False), irregular=FileType.LINK)), b"away", ()),
    ],
)
def test_every_observation_has_an_image(
    observed: Observation, data: bytes | None, conflicts: tuple[object, ...]
) -> None:
    """Nothing to do, the before-image, or foreign content without own keys; the newest foreign write wins."""
    image = rollback(observed)
    assert (data, conflicts) == (image.data, image.conflicts)


@pytest.mark.parametrize(
    ("displaced", "data"),
    [(b"theirs=2\n", b"theirs=2\n"), (b"", BEFORE), (b"theirs=", BEFORE), (bytes(9), BEFORE)],
)
def test_after_a_reboot_a_displaced_text_must_be_mergeable(displaced: bytes, data: bytes) -> None:
    """Displaced content may never have reached the disk: then the before-image is restored, and reported."""
    image = rollback(observation(AFTER, staged_file(displaced)), rebooted=True)
    assert data == image.data
    assert (data == BEFORE) == (image.conflicts == ((str(INTENT.target),),))


def test_after_a_reboot_a_foreign_target_stays() -> None:
    """An unreadable target stays, since no swap of ours displaced it."""
    assert b"not legible" == rollback(observation(b"not legible"), rebooted=True).data


def test_after_a_reboot_content_displaced_by_a_roll_back_must_be_mergeable() -> None:
    """The restored image stays where the content that it displaced may be torn."""
    assert BEFORE == rollback(observation(BEFORE, staged_file(b"not legible")), rebooted=True).data


def test_a_displaced_link_need_not_be_mergeable() -> None:
    """A link that was displaced before a reboot is restored as it is."""
    image = rollback(observation(AFTER, replace(staged_file(b"away"), irregular=FileType.LINK)), rebooted=True)
    assert (b"away", ()) == (image.data, image.conflicts)


def test_a_target_with_the_before_image_keeps_its_mode() -> None:
    """A target that already holds the before-image is not ours to change."""
    current = content(BEFORE, 0o604)
    image = rollback(Observation(current=current, staged_files=()))
    expected = RollbackImage(
        data=BEFORE, digest=current.digest, metadata=current.metadata, merged_digest=current.digest
    )
    assert expected == image


@pytest.mark.parametrize(
    ("observed", "edits", "file_format", "rebooted", "data"),
    [
        (observation(b"foreign"), (), LINES, False, b"foreign"),
        (observation(b"foreign"), (OURS,), None, False, b"foreign"),
        (observation(None), (), LINES, False, None),
        (observation(AFTER, staged_file(b"theirs=2\n")), (OURS,), None, True, BEFORE),
    ],
)
def test_a_file_without_own_keys_is_named_by_its_path(
    observed: Observation,
    edits: tuple[KeyEdit, ...],
    file_format: object,
    rebooted: bool,  # noqa: FBT001 - a parameter of the test
    data: bytes | None,
) -> None:
    """Without keys or a format a foreign file stays, or counts as torn after a reboot."""
    image = rollback_image(observed, [replace(INTENT, edits=edits)], BEFORE, file_format, rebooted=rebooted)
    assert (data, ((str(INTENT.target),),)) == (image.data, image.conflicts)


@pytest.mark.parametrize(
    ("current", "swapped", "merged", "before", "theirs"),
    [
        # target, whether the re-intent was swapped in, whether its before-image was merged; removable digests
        ("again", False, False, True, True),
        ("again", False, True, True, True),
        ("other", True, False, True, True),
        ("other", True, True, True, True),
        ("other", False, False, False, False),
        ("other", False, True, True, False),
        ("first", False, False, False, False),
    ],
)
def test_removable_digests(current: str, swapped: bool, merged: bool, before: bool, theirs: bool) -> None:  # noqa: FBT001 - a row of a table
    """Its own before-image may always go; foreign content only where the merged text reached the target."""
    first = replace(INTENT, before_digest="old", after_digest="first")
    again = replace(
        INTENT, version=1, before_digest="made" if merged else "theirs", foreign_digest="theirs", after_digest="again"
    )
    lying = replace(
        staged_file(b""), staged_digest="again", content=replace(content(b""), digest="x" if swapped else "again")
    )
    removable = removable_digests(current, (lying,), [first, again])
    assert {"old", "first", "again", current} <= removable
    assert (before, theirs) == (again.before_digest in removable, "theirs" in removable)


def test_unmergeable_content_stays() -> None:
    """Without a format foreign content stays, and the file is named as a conflict."""
    image = rollback(observation(b"foreign"), edits=())
    assert (b"foreign", ((str(INTENT.target),),)) == (image.data, image.conflicts)


def test_a_created_file_that_others_deleted_is_no_conflict() -> None:
    """The file was missing before, and is missing now."""
    intent = replace(INTENT, before_digest=NO_FILE, metadata=None)
    image = rollback_image(observation(None), [intent], None, LINES, rebooted=False)
    assert (None, ()) == (image.data, image.conflicts)


def test_foreign_content_is_kept_until_its_merge_reaches_the_target() -> None:
    """Displaced foreign content may go when the text that contains it is or was the target."""
    theirs, merged = b"theirs=2\n", b"theirs=2\nours=1\n"
    digest = DIGEST(theirs)
    again = replace(INTENT, version=1, before_digest=digest, foreign_digest=digest, after_digest=DIGEST(merged))
    first = staged_file(theirs)
    later = staged_file(AFTER, staged=merged, is_first=False)
    cases = {
        "overtaken": (b"theirs=3\n", (first, staged_file(merged, staged=merged, is_first=False)), False),
        "in place": (merged, (first,), True),
        "was in place": (b"theirs=3\n", (first, later), True),
        "restored": (theirs, (first,), True),
    }
    for name, (current, lying, expected) in cases.items():
        assert expected == (digest in removable_digests(DIGEST(current), lying, [INTENT, again])), name


def test_a_mode_that_others_changed_stays() -> None:
    """Of recorded, displaced and current metadata the newest that differs from the record wins."""
    displaced = replace(staged_file(BEFORE), content=content(BEFORE, 0o604))
    assert METADATA == merged_metadata(observation(AFTER, staged_file(BEFORE)), METADATA, DIGEST(BEFORE))
    assert 0o604 == merged_metadata(observation(AFTER, displaced), METADATA, DIGEST(BEFORE)).mode
    foreign = replace(staged_file(b"foreign"), content=content(b"foreign", 0o604))
    staged = replace(staged_file(AFTER), content=content(AFTER, 0o604))
    for lying in ((foreign,), (staged,), (foreign, staged)):
        assert METADATA == merged_metadata(observation(AFTER, *lying), METADATA, DIGEST(BEFORE))
    assert (
        0o604
        == merged_metadata(
            observation(AFTER, foreign, staged, staged_file(BEFORE), displaced), METADATA, DIGEST(BEFORE)
        ).mode
    )
    assert 0o604 == merged_metadata(observation(None, displaced), METADATA, DIGEST(BEFORE)).mode
    in_place = Observation(current=content(AFTER, 0o600), staged_files=(displaced,))
    assert 0o600 == merged_metadata(in_place, METADATA, DIGEST(BEFORE)).mode
