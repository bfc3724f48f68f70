"""The users who may write in a home: every combination of user, owner, parent, and files."""

from __future__ import annotations

from itertools import product

import pytest

from cfp.core.ownership import ROOT, Ownership, User, check_ownership, ownership_by_account
from cfp.errors import Refused

USERS = (None, User(uid=0, name="root", group="root"), *(User(uid=uid, name=f"u{uid}", group="g") for uid in (1, 2)))


def ownerships() -> list[Ownership]:
    return [
        Ownership(path="/home/u1/.codex", user=user, owner=owner, parent=parent, exists=exists, foreign_files=files)
        for user, owner, parent, exists, files in product(USERS, USERS, USERS, (True, False), ((), ("/f",)))
        if exists or not files
    ]


def refusal(ownership: Ownership) -> str:
    try:
        check_ownership(ownership)
    except Refused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize("ownership", ownerships(), ids=str)
def test_who_may_write(ownership: Ownership) -> None:
    """Only the owner, in a home without files of others; a missing home only root is kept from making."""
    user, owner = ownership.user, ownership.owner
    if user is None or owner is None or user == owner:
        expected = "files_of_another_user" if ownership.foreign_files else ""
    elif not ownership.exists:
        expected = "home_of_another_user" if user.uid == ROOT else ""
    elif owner.uid == ROOT and ownership.parent == user:
        expected = "files_of_another_user"
    else:
        expected = "home_of_another_user"
    assert expected == refusal(ownership)


def test_the_remedy_is_exact() -> None:
    """The command names user, group and folder; root's group would stay without the group."""
    alice = User(uid=1, name="alice", group="staff")
    left = Ownership(path="/home/al ice/.codex", user=alice, owner=alice, foreign_files=("/home/al ice/.codex/f",))
    assert "sudo chown -R alice:staff '/home/al ice/.codex'" == left.remedy
    made = Ownership(path="/h", user=alice, owner=User(uid=0, name="root", group="root"), parent=alice)
    assert ("sudo chown -R alice:staff /h", ["/h"]) == (made.details["remedy"], made.details["paths"])


ALICE, BOB = "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-1002"
NAMED = {ALICE: r"PC\alice", BOB: r"PC\bob", "S-1-12-1-1-2-3-4": r"AzureAD\carol"}


@pytest.mark.parametrize(
    ("user", "owner", "refused"),
    [
        (ALICE, ALICE, ""),
        (ALICE, BOB, "home_of_another_user"),
        (ALICE, "S-1-12-1-1-2-3-4", "home_of_another_user"),
        (ALICE, "S-1-5-32-544", ""),  # Administrators, where an elevated program made it
        (ALICE, "S-1-5-18", ""),  # SYSTEM, as a profile
        (ALICE, "S-1-5-21-9-9-9-1001", ""),  # an account of an earlier installation, without a name
        (ALICE, "S-1-1-0", ""),  # Everyone, as on FAT
        (ALICE, "", ""),
        ("S-1-5-18", ALICE, ""),  # a service
        ("nobody", ALICE, ""),
        ("nobody", "", ""),
    ],
)
def test_the_accounts_of_windows(user: str, owner: str, refused: str) -> None:
    """Only a home that belongs to another user's account is refused: other owners say nothing about its user."""
    ownership = ownership_by_account(r"C:\Users\x\.codex", user, owner, lambda sid: NAMED.get(sid, ""))
    assert refused == refusal(ownership)
    if refused:
        assert {"path": r"C:\Users\x\.codex", "owner": NAMED[owner], "user": NAMED[user]} == ownership.details
