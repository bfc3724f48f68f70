"""The users who may read a file on Windows, judged by the bytes of its security descriptor."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.access.readers import (
    ADMINISTRATORS,
    CREATOR_OWNER,
    EVERYONE,
    GENERIC_ALL,
    GENERIC_READ,
    OWNER_RIGHTS,
    READ_DATA,
    READING,
    SYSTEM,
    WRITE_DAC,
    WRITE_OWNER,
    name_of,
    owner_of,
    readers,
)
from tests.descriptors import ALL, ALLOWED, DENIED, INHERIT_ONLY, INHERITED, READ, RUN, Entry, descriptor

USER, OTHER, GROUP = "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-1002", "S-1-5-32-545"
APPS = "S-1-15-2-1"
TRUSTED = (USER, SYSTEM, ADMINISTRATORS, OWNER_RIGHTS, CREATOR_OWNER, APPS)
STRANGERS = (OTHER, GROUP, EVERYONE)
MASKS = (0, 0x2, READ_DATA, WRITE_DAC, WRITE_OWNER, GENERIC_ALL, GENERIC_READ, 0x100000, ALL, READ, RUN)

entries = st.lists(
    st.builds(
        Entry,
        kind=st.sampled_from([ALLOWED, DENIED]),
        mask=st.sampled_from(MASKS),
        sid=st.sampled_from([*TRUSTED, *STRANGERS]),
        flags=st.sampled_from([0, INHERITED, INHERIT_ONLY]),
    ),
    max_size=6,
)


def test_the_owner() -> None:
    """It is read whatever the access list; bytes that are no descriptor have none."""
    assert [OTHER] * 2 == [owner_of(descriptor(OTHER, entries)) for entries in (None, [Entry(ALLOWED, READ, USER)])]
    assert ["", ""] == [owner_of(bytes(count)) for count in (3, 20)]


def test_one_entry() -> None:
    """Every kind of entry, right, heir and user: a stranger counts where an entry in force lets them read."""
    for kind, mask, flags, sid in itertools.product(
        (ALLOWED, DENIED), MASKS, (0, INHERITED, INHERIT_ONLY), (*TRUSTED, *STRANGERS)
    ):
        counts = kind == ALLOWED and mask & READING and flags != INHERIT_ONLY and sid in STRANGERS
        expected = (sid,) if counts else ()
        assert expected == readers(descriptor(USER, [Entry(kind, mask, sid, flags)]), USER)


def allows(rights: list[Entry], token: set[str], bit: int) -> bool:
    """Windows' own access check for one right: the first entry that speaks of it decides."""
    for entry in rights:
        if entry.flags != INHERIT_ONLY and entry.sid in token and entry.mask & bit:
            return entry.kind == ALLOWED
    return False


@given(entries)
def test_nobody_is_overlooked(rights: list[Entry]) -> None:
    """A user who passes the system's own check for a right by which one can read makes the file an open one."""
    named = readers(descriptor(USER, rights), USER)
    for bit in (READ_DATA, WRITE_DAC, WRITE_OWNER, GENERIC_ALL, GENERIC_READ):
        if allows(rights, {OTHER, GROUP, EVERYONE}, bit):
            assert named
        for sid in STRANGERS:
            if allows(rights, {sid, EVERYONE}, bit):
                assert {sid, EVERYONE} & {*named}


@given(entries)
def test_nobody_is_named_without_an_entry(rights: list[Entry]) -> None:
    """A name in the finding has an entry that lets it read; the user and the system are never named."""
    for sid in readers(descriptor(USER, rights), USER):
        assert sid in STRANGERS
        assert any(entry.sid == sid and entry.kind == ALLOWED and entry.mask & READING for entry in rights)


@pytest.mark.parametrize(
    ("bytes_of", "expected"),
    [
        (descriptor(USER, None), (EVERYONE,)),
        (descriptor(USER, [], present=False), (EVERYONE,)),
        (descriptor(USER, []), ()),
        (descriptor(OTHER, []), (OTHER,)),
        (descriptor(ADMINISTRATORS, []), ()),
        (b"", (EVERYONE,)),
    ],
    ids=["no list", "no list said", "empty list", "another owner", "owned by administrators", "nothing"],
)
def test_lists_without_entries(bytes_of: bytes, expected: tuple[str, ...]) -> None:
    """A missing list lets everybody in, an empty one nobody; an owner can give themselves every right."""
    assert expected == readers(bytes_of, USER)


def test_a_folder_that_lets_users_read() -> None:
    """A file that inherits "Users: read" from its folder is open, and the private list is not."""
    inherited = [
        Entry(ALLOWED, ALL, ADMINISTRATORS, INHERITED),
        Entry(ALLOWED, ALL, SYSTEM, INHERITED),
        Entry(ALLOWED, RUN, GROUP, INHERITED),
        Entry(ALLOWED, ALL, USER, INHERITED),
    ]
    private = [Entry(ALLOWED, ALL, sid) for sid in (USER, SYSTEM, ADMINISTRATORS)]
    assert (GROUP,) == readers(descriptor(USER, inherited), USER)
    assert () == readers(descriptor(USER, private), USER)
    assert (USER,) == readers(descriptor(OTHER, private), OTHER)


@given(entries, st.data())
def test_a_torn_descriptor_is_an_open_file(rights: list[Entry], data: st.DataObject) -> None:
    """Bytes that cannot be parsed are never taken for private."""
    whole = descriptor(USER, rights)
    torn = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert (EVERYONE,) == readers(torn, USER)


@given(st.binary(max_size=80))
def test_any_bytes_have_a_judgement(data: bytes) -> None:
    """No descriptor makes doctor fail."""
    assert isinstance(readers(data, USER), tuple)


def test_names() -> None:
    """Well-known groups have their name, others their SID."""
    assert ["Everyone", "Users", OTHER] == [name_of(sid) for sid in (EVERYONE, GROUP, OTHER)]
