"""The owners that the system shows, and when they are not to be believed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cfp.core.ownership import Ownership
from cfp.host.system.ownership import SYSTEM, System, entries, read_ownership
from tests.systems import UID, WINDOWS, as_root

OURS = UID
OTHER = OURS + 1
SYSTEMS = ("drvfs", "9p", "cifs", "smb3", "vboxsf", "fuseblk", "fakeowner", "virtiofs", "fuse.sshfs", "exfat")


def system(user: int | None = OTHER, *, kind: str = "ext4", unmapped: int | None = None) -> System:
    return replace(
        SYSTEM,
        user=lambda: user,
        name=lambda uid: f"user{uid}",
        group=lambda uid: f"group{uid}",
        file_system=lambda _: kind,
        unmapped=lambda: unmapped,
    )


@pytest.mark.posix("owners by number")
def test_the_owner_of_a_folder(tmp_path: Path) -> None:
    """By number and name, and whether it is another user's."""
    mine, others = read_ownership(tmp_path, system=system(OURS)), read_ownership(tmp_path, system=system())
    assert (OURS, False) == (mine.owner.uid if mine.owner else None, mine.is_of_another)
    assert (f"user{OURS}", f"user{OTHER}", True) == (
        others.owner.name if others.owner else "",
        others.user.name if others.user else "",
        others.is_of_another,
    )


def test_a_system_without_users(tmp_path: Path) -> None:
    """Windows has accounts instead: a folder that this process made is its own, and a missing one is nobody's."""
    assert None is read_ownership(tmp_path, system=system(None)).refusal
    mine = read_ownership(tmp_path, system=system(None))
    assert WINDOWS is (mine.user is not None and mine.user == mine.owner)
    assert Ownership(path=str(tmp_path / "missing")) == read_ownership(tmp_path / "missing", system=system(None))


@pytest.mark.parametrize("kind", SYSTEMS)
def test_file_systems_without_owners(tmp_path: Path, kind: str) -> None:
    """The owner is the mount's, also of what we create there."""
    assert None is read_ownership(tmp_path, system=system(kind=kind)).refusal


@pytest.mark.posix("owners by number")
@pytest.mark.parametrize(("user", "refused"), [(0, True), (OTHER, False)])
def test_a_network_file_system(tmp_path: Path, user: int, refused: bool) -> None:  # noqa: FBT001 - a parameter
    """The server may map ordinary users; a home that it shows as another user's is closed to root."""
    if OURS == user:
        os.chown(tmp_path, 12345, 12345)
    assert refused is read_ownership(tmp_path, system=system(user, kind="nfs4")).is_of_another


@as_root
def test_root_behind_a_network_file_system(tmp_path: Path) -> None:
    """A server that squashes root shows root's own files as nobody's."""
    os.chown(tmp_path, 65534, 65534)
    assert None is read_ownership(tmp_path, system=system(0, kind="nfs")).refusal
    assert "home_of_another_user" == read_ownership(tmp_path, system=system(0)).refusal


@pytest.mark.parametrize("unmapped", [OURS, OTHER])
def test_a_user_namespace_that_lacks_users(tmp_path: Path, unmapped: int) -> None:
    """One number stands for all that are not mapped, so it proves no difference."""
    assert None is read_ownership(tmp_path, system=system(unmapped=unmapped)).refusal


@pytest.mark.posix("owners by number")
def test_a_missing_home_is_judged_by_the_folder_above(tmp_path: Path) -> None:
    """The nearest folder that exists has the owner."""
    missing = read_ownership(tmp_path / "a" / "b", system=system())
    assert (False, OURS) == (missing.exists, missing.owner.uid if missing.owner else None)


@as_root
def test_files_of_another_user_are_named(tmp_path: Path) -> None:
    """Files and links by their own owner; a missing one is none."""
    for name in ("mine", "theirs"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("theirs")
    os.chown(tmp_path / "theirs", 12345, 12345)
    ownership = read_ownership(tmp_path, [*entries(tmp_path), tmp_path / "missing"], system(OURS))
    assert (str(tmp_path / "theirs"),) == ownership.foreign_files


def test_a_folder_that_cannot_be_listed_has_no_entries(tmp_path: Path) -> None:
    """It is there all the same."""
    assert [tmp_path / "missing"] == list(entries(tmp_path / "missing"))
