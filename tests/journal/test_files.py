"""A file keeps its metadata, its links and its place, on the real file system."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from journal import ABSENT, Drifted, Journal, KeyEdit, RealFs, StorageFailed, Unsupported
from journal.workers import NO_PROCESSES
from tests.access import give_to_all, others_may_read, rights
from tests.crash.simfs import SimFs
from tests.journal.support import Home, change, roll_back

OURS = KeyEdit(path=("ours",), before=ABSENT, after="1")


def test_replace_create_delete(home: Home) -> None:
    """One transaction replaces, creates and deletes; no other file is left in the folder."""
    config, old, new = home.write("config", b"a"), home.write("old", b"o"), home.path / "deep" / "er" / "new"
    home.commit(change(new, None, b"n", mode=0o640), change(old, b"o", None), change(config, b"a", b"b"))
    assert ["config", "deep", "deep/er", "deep/er/new"] == home.names()
    assert b"b" == config.read_bytes()
    assert not others_may_read(new.parent)
    assert [("test", "committed")] == [(line["command"], line["outcome"]) for line in home.journal.history()]


@pytest.mark.posix("modes")
def test_a_new_file_has_its_mode(home: Home) -> None:
    """A file is made with the mode of its change."""
    new = home.path / "new"
    home.commit(change(new, None, b"n", mode=0o640))
    assert 0o640 == new.stat().st_mode & 0o7777


def test_roll_back_after_the_swap(home: Home) -> None:
    """Every file is restored with its rights and mtime, and the folders that were made are removed."""
    config, old, new = home.write("config", b"a"), home.write("old", b"o"), home.path / "deep" / "new"
    give_to_all(config)
    former = rights(config)
    os.utime(config, ns=(1_000_000_000, 1_000_000_000))
    with home.journal.acquire(command="x", timeout=5) as lease:
        changes = [change(new, None, b"n"), change(old, b"o", None), change(config, b"a", b"b")]
        transaction = lease.begin(command="x", argv=(), from_state="a", to_state="b", changes=changes)
        transaction.prepare()
        transaction.swap()
        assert b"b" == config.read_bytes()
        assert () == roll_back(transaction)
        assert () == roll_back(transaction)
    assert ["config", "old"] == home.names()
    assert (b"a", b"o") == (config.read_bytes(), old.read_bytes())
    assert 1_000_000_000 == config.stat().st_mtime_ns
    assert former == rights(config)


def test_a_commit_can_be_revoked_until_it_is_finished(home: Home) -> None:
    """Between commit and finish an interrupted caller may still roll back."""
    config = home.write("config", b"a")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(
            command="x", argv=(), from_state="a", to_state="b", changes=[change(config, b"a", b"b")]
        )
        transaction.prepare()
        transaction.swap()
        transaction.commit()
        assert () == roll_back(transaction)
        assert "clean" == lease.recover().kind
    assert b"a" == config.read_bytes()


def test_an_unchanged_file_is_not_touched(home: Home) -> None:
    """A file that already has its after-image keeps inode and mtime."""
    same, other = home.write("same", b"s"), home.write("other", b"o")
    was = same.stat()
    home.commit(change(same, b"s", b"s"), change(other, b"o", b"p"))
    assert (was.st_ino, was.st_mtime_ns) == (same.stat().st_ino, same.stat().st_mtime_ns)


def test_rights_stay(home: Home) -> None:
    """The new content takes over the mode, or the access list."""
    config = home.write("config", b"a")
    give_to_all(config)
    former = rights(config)
    home.commit(change(config, b"a", b"b"))
    assert (b"b", former) == (config.read_bytes(), rights(config))


@pytest.mark.posix("owners by number, and extended attributes")
def test_mode_owner_and_attributes_stay(home: Home) -> None:
    """The new content takes over mode, owner and extended attributes."""
    config = home.write("config", b"a", 0o640)
    os.setxattr(config, "user.note", b"kept")
    if os.geteuid() == 0:
        os.chown(config, 4711, 4712)
    was = config.stat()
    home.commit(change(config, b"a", b"b"))
    now = config.stat()
    assert (was.st_mode, was.st_uid, was.st_gid) == (now.st_mode, now.st_uid, now.st_gid)
    assert b"kept" == os.getxattr(config, "user.note")


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
@pytest.mark.parametrize("absolute", [True, False])
def test_a_chain_of_links_is_followed(home: Home, absolute: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The target changes, the links stay, and the staged file is in the target's folder."""
    real = home.write("dotfiles/config", b"a")
    (home.path / "middle").symlink_to(real if absolute else Path("dotfiles/config"))
    link = home.path / "config"
    link.symlink_to(home.path / "middle" if absolute else Path("middle"))
    home.commit(change(link, b"a", b"b"))
    assert link.is_symlink()
    assert b"b" == real.read_bytes()
    assert ["config", "dotfiles", "dotfiles/config", "middle"] == home.names()


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_dangling_link_gets_its_file(home: Home) -> None:
    """The link's target is created; a roll back removes it and keeps the link."""
    link = home.path / "config"
    link.symlink_to("dotfiles/config")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(
            command="x", argv=(), from_state="a", to_state="b", changes=[change(link, None, b"b")]
        )
        transaction.prepare()
        transaction.swap()
        assert b"b" == (home.path / "dotfiles" / "config").read_bytes()
        roll_back(transaction)
    assert link.is_symlink()
    assert ["config"] == home.names()


def refused(home: Home, path: Path, before: bytes | None = b"a") -> str:
    """Return the reason for which a file is refused, by the check before too; nothing may have been written."""
    names = home.names()
    with pytest.raises(Unsupported) as foretold:
        home.journal.check([change(path, before, b"b")])
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(
            command="x", argv=(), from_state="a", to_state="b", changes=[change(path, before, b"b")]
        )
        with pytest.raises(Unsupported) as error:
            transaction.prepare()
        transaction.close_rolled_back("refused")
    assert names == home.names()
    assert (foretold.value.path, foretold.value.reason) == (error.value.path, error.value.reason)
    return error.value.reason


def test_a_hard_link_is_refused(home: Home) -> None:
    """A rename would separate the two names."""
    config = home.write("config", b"a")
    (home.path / "other").hardlink_to(config)
    assert refused(home, config).startswith("hard link")


def test_a_read_only_file_is_refused(home: Home) -> None:
    """A rename would override a mode that forbids writing, to root too."""
    assert "not writable" == refused(home, home.write("config", b"a", 0o444))


def test_a_folder_is_refused(home: Home) -> None:
    """A folder at the path has no content to replace."""
    (home.path / "config").mkdir()
    assert "not a regular file but a folder" == refused(home, home.path / "config")


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_circle_of_links_is_refused(home: Home) -> None:
    """A cycle has no target, and no link of it is replaced."""
    (home.path / "config").symlink_to("other")
    (home.path / "other").symlink_to("config")
    assert "symbolic links in a circle" == refused(home, home.path / "config")


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_two_names_of_one_file_are_refused(home: Home) -> None:
    """Two changes of one file would undo each other."""
    config = home.write("config", b"a")
    (home.path / "alias").symlink_to("config")
    with home.journal.acquire(command="x", timeout=5) as lease:
        changes = [change(config, b"a", b"b"), change(home.path / "alias", b"a", b"c")]
        transaction = lease.begin(command="x", argv=(), from_state="a", to_state="b", changes=changes)
        with pytest.raises(Unsupported):
            transaction.prepare()


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_changed_link_is_drift(home: Home) -> None:
    """A path that resolves to another file at the swap: neither file changes."""
    one, two, link = home.write("one", b"a"), home.write("two", b"a"), home.path / "config"
    link.symlink_to("one")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(
            command="x", argv=(), from_state="a", to_state="b", changes=[change(link, b"a", b"b")]
        )
        transaction.prepare()
        link.unlink()
        link.symlink_to("two")
        with pytest.raises(Drifted):
            transaction.swap()
        assert () == roll_back(transaction)
    assert (b"a", b"a") == (one.read_bytes(), two.read_bytes())
    assert ["config", "one", "two"] == home.names()


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_moved_file_is_rolled_back_where_it_is(home: Home) -> None:
    """The user moves the swapped file into a dotfiles folder and links to it; recovery follows the link."""
    config = home.write("config", b"theirs=1\n")
    lease = home.journal.acquire(command="x", timeout=5)
    with lease:
        edited = change(config, b"theirs=1\n", b"theirs=1\nours=1\n", OURS)
        transaction = lease.begin(command="x", argv=(), from_state="a", to_state="b", changes=[edited])
        transaction.prepare()
        transaction.swap()
    moved = home.path / "dotfiles" / "config"
    moved.parent.mkdir()
    config.rename(moved)
    config.symlink_to("dotfiles/config")
    with home.journal.acquire(command="recover", timeout=5) as lease:
        recovery = lease.recover()
    assert ("rolled_back", ()) == (recovery.kind, recovery.conflicts)
    assert config.is_symlink()
    assert b"theirs=1\n" == moved.read_bytes()
    assert ["config", "dotfiles", "dotfiles/config"] == home.names()


def test_exchange_and_exclusive_rename_of_this_kernel(tmp_path: Path) -> None:
    """The two special renames work on this machine as the journal needs them."""
    fs, one, two = RealFs(), tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    assert fs.exchange(one, two)
    assert (b"2", b"1") == (one.read_bytes(), two.read_bytes())
    with pytest.raises(FileExistsError):
        fs.move_new(one, two)
    fs.move_new(one, tmp_path / "3")
    assert ["2", "3"] == sorted(fs.names(tmp_path))
    with pytest.raises(FileNotFoundError):
        fs.exchange(one, two)


def test_a_check_writes_nothing(home: Home) -> None:
    """Changes that can be made pass it, a new file in new folders too; no lock is taken and nothing is left."""
    config = home.write("config", b"a")
    home.journal.check([change(config, b"a", b"b"), change(home.path / "new" / "folder" / "file", None, b"b")])
    assert (["config"], b"a") == (home.names(), config.read_bytes())
    with pytest.raises(Drifted):
        home.journal.check([change(config, b"c", b"b")])


@pytest.mark.parametrize("name", ["/h/closed/config", "/h/closed/new/config", "/h/open/config"])
def test_a_check_of_a_folder_that_may_not_be_written(name: str) -> None:
    """Neither a file nor a folder can be made there, nor the journal itself; the file is named."""
    fs = SimFs()
    for folder in ("/h", "/h/closed", "/h/open"):
        fs.add_folder(folder)
    closed = "/h" if "open" in name else "/h/closed"
    fs.chmod(closed, 0o500)
    journal = Journal(Path("/h/journal"), fs=fs, formats={}, processes=NO_PROCESSES)
    with pytest.raises(StorageFailed) as error:
        journal.check([change(Path(name), None, b"b")])
    blamed = Path("/h/journal/lock") if closed == "/h" else Path(name)
    assert (blamed, errno.EACCES) == (error.value.path, error.value.errno)
