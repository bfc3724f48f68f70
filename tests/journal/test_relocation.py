"""A journal whose folder was renamed, linked or copied while a transaction was open."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from journal import Misplaced, RealFs, Transaction, WorkerRecord
from journal.codec import frames, parse
from journal.fs import Stat
from journal.log import _prepared
from tests.journal.support import Home, change, home_at

RELAUNCH = {"anything": 1}


def interrupted(home: Home, *paths: Path, workers: bool = False) -> str:
    """Begin a transaction over files that hold b"old", swap b"new" in, and leave it open."""
    with home.journal.acquire(command="test", timeout=5) as lease:
        changes = [change(path, b"old", b"new") for path in paths]
        folders = (home.path / "made",)
        transaction: Transaction = lease.begin(
            command="test", argv=(), from_state="a", to_state="b", changes=changes, folders=folders
        )
        transaction.prepare()
        if workers:
            transaction.log_worker_intent(nonce="ab", port=1, executable="x", settings_hash="y")
            transaction.log_worker_stopping(record=WorkerRecord(nonce="cd", port=2), relaunch=RELAUNCH)
        transaction.swap()
        return transaction.id


def original(tmp_path: Path, *, workers: bool = False) -> Home:
    home = home_at(tmp_path / "original")
    interrupted(home, home.write("config", b"old"), workers=workers)
    return home


def copied(home: Home, name: str = "copy") -> Home:
    shutil.copytree(home.path, home.path.with_name(name), symlinks=True)
    return home_at(home.path.with_name(name))


def recover(home: Home) -> str:
    with home.journal.acquire(command="test", timeout=5) as lease:
        return lease.recover().kind


def without_origin(home: Home) -> None:
    """Make the log one of version 0.2.0, which recorded no folder."""
    (txid,) = home.journal.interrupted()
    log = home.path / "journal" / f"{txid}.open"
    begin, *rest = parse(log.read_bytes()).records
    del begin["root"]
    at = next(number for number, record in enumerate(rest) if record["t"] == "prepared")
    head = [begin, *rest[:at]]
    log.write_bytes(frames([*head, _prepared(head), *rest[at + 1 :]]))


@pytest.mark.parametrize("committed", [False, True])
def test_a_copy_is_recovered_by_itself(tmp_path: Path, committed: bool) -> None:  # noqa: FBT001 - a parameter
    """Rolled back or finished in the copy alone; the original is as it was, and recovers as ever."""
    home = original(tmp_path, workers=True)
    if committed:
        (txid,) = home.journal.interrupted()
        log = home.path / "journal" / f"{txid}.open"
        records = parse(log.read_bytes()).records
        log.write_bytes(frames([*records, {"t": "commit", "files": []}]))
    copy = copied(home)
    copy.machine.alive |= {"ab", "cd"}
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    assert ("finished" if committed else "rolled_back") == recover(copy)
    assert before == {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    assert (b"new" if committed else b"old") == (copy.path / "config").read_bytes()
    assert committed == (copy.path / "made").exists()
    assert (home.path / "made").exists()
    assert {"gone", "not_relaunched"} >= {worker["outcome"] for worker in copy.journal.history()[-1]["workers"]}
    assert {"ab", "cd"} == copy.machine.alive
    assert ("finished" if committed else "rolled_back") == recover(home)


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_copy_that_leads_out_is_refused(tmp_path: Path) -> None:
    """By a link, in a circle of links, or by a recorded target: nothing changes, and both folders are named."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"old")
    home = home_at(tmp_path / "original")
    (home.path / "config").symlink_to(outside)
    interrupted(home, home.path / "config")
    copy = copied(home)
    for link in (outside, Path("config")):
        (copy.path / "config").unlink()
        (copy.path / "config").symlink_to(link)
        with pytest.raises(Misplaced) as refused:
            recover(copy)
        assert (home.path, copy.path) == (refused.value.recorded, refused.value.folder)
    with pytest.raises(Misplaced):
        copy.journal.inspect(*copy.journal.interrupted())
    assert b"new" == outside.read_bytes()
    assert "rolled_back" == recover(home)
    assert b"old" == outside.read_bytes()


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
@pytest.mark.parametrize("link", [False, True])
def test_a_renamed_folder_is_recovered(tmp_path: Path, link: bool) -> None:  # noqa: FBT001 - a parameter
    """Also where a link stands in the old place; a file outside of it stays the folder's own."""
    home = home_at(tmp_path / "original")
    outside = tmp_path / "outside"
    outside.write_bytes(b"old")
    (home.path / "linked").symlink_to(outside)
    interrupted(home, home.write("config", b"old"), home.path / "linked", workers=True)
    home.path.rename(tmp_path / "renamed")
    if link:
        home.path.symlink_to(tmp_path / "renamed")
    here = home_at(tmp_path / "renamed")
    assert "rolled_back" == recover(here)
    assert (b"old", b"old") == ((here.path / "config").read_bytes(), outside.read_bytes())
    assert "not_relaunched" in {worker["outcome"] for worker in here.journal.history()[-1]["workers"]}


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_folder_opened_through_a_link(tmp_path: Path) -> None:
    """It is the same folder, whatever its name."""
    home = original(tmp_path)
    (tmp_path / "link").symlink_to(home.path)
    assert "rolled_back" == recover(home_at(tmp_path / "link"))
    assert b"old" == (home.path / "config").read_bytes()


def test_a_log_of_an_earlier_version(tmp_path: Path) -> None:
    """It names no folder: in its own place it is recovered, in a copy it is refused."""
    home = original(tmp_path)
    without_origin(home)
    copy = copied(home)
    with pytest.raises(Misplaced) as refused:
        recover(copy)
    assert None is refused.value.recorded
    assert "rolled_back" == recover(home)


class Numbered(RealFs):
    """A file system on which every folder named "journal" has one inode, as on a clone of a disk."""

    def __init__(self, inode: int = 7) -> None:
        super().__init__()
        self._inode = inode

    def lstat(self, path: Path) -> Stat:
        stat = super().lstat(path)
        return replace(stat, inode=self._inode, device=1) if path.name == "journal" else stat


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
@pytest.mark.parametrize(("inode", "gone", "moved"), [(7, False, True), (7, True, True), (0, True, False)])
def test_a_folder_is_known_by_its_number(tmp_path: Path, inode: int, gone: bool, moved: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Only a number that the system has proves that a folder was renamed: a file outside of it is then its own."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"old")
    home = home_at(tmp_path / "original", Numbered(inode))
    (home.path / "config").symlink_to(outside)
    interrupted(home, home.path / "config")
    shutil.copytree(home.path, tmp_path / "copy", symlinks=True)
    if gone:
        shutil.rmtree(home.path)
    copy = home_at(tmp_path / "copy", Numbered(inode))
    if moved:
        assert "rolled_back" == recover(copy)
    else:
        with pytest.raises(Misplaced):
            recover(copy)


class Cloned(Numbered):
    """A disk clone whose original has a folder of another number."""

    def lstat(self, path: Path) -> Stat:
        stat = super().lstat(path)
        return replace(stat, inode=8) if path.name == "journal" and path.parent.name == "original" else stat


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_clone_beside_its_original_is_a_copy(tmp_path: Path) -> None:
    """Its number is the recorded one, and the log is in the recorded place all the same."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"old")
    home = home_at(tmp_path / "original", Numbered())
    (home.path / "config").symlink_to(outside)
    interrupted(home, home.path / "config")
    shutil.copytree(home.path, tmp_path / "copy", symlinks=True)
    with pytest.raises(Misplaced):
        recover(home_at(tmp_path / "copy", Cloned()))
