"""A failing operation, or a foreign write at the worst instant: the error, its path, and the files afterwards."""

from __future__ import annotations

import errno
import itertools
import os
import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journal import (
    ABSENT,
    Damaged,
    Drifted,
    FileChange,
    JournalError,
    KeyEdit,
    StorageFailed,
    Transaction,
    Unsupported,
)
from journal.cleanup import remove_all
from journal.codec import parse
from journal.fs import FileType
from journal.history import MAX_AGE, NAME, add_to_history
from journal.lease import Lease
from journal.log import VERSION, create_log
from journal.staging import ACCESS_ACL
from tests.access import give_to_all, rights
from tests.crash.simfs import Fault, SimFs
from tests.crash.world import HOME, ROOT, Machine, changed, journal_on, recover
from tests.journal.support import Home, change, home_at, roll_back

BEGIN = {"command": "x", "argv": (), "from_state": "a", "to_state": "b"}
OURS = KeyEdit(path=("ours",), before=ABSENT, after="1")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONFIG = changed("/h/config", b"x=1\n", b"x=1\nours=1\n", OURS)


def home_with(*files: str) -> SimFs:
    fs = SimFs()
    fs.add_folder(HOME)
    for name in files:
        fs.add_file(name, b"x=1\n", 0o640)
    return fs


def left(fs: SimFs) -> set[str]:
    return {path for path, _ in fs.files()}


def failure_of(act: Callable[[SimFs], object], fs: SimFs) -> StorageFailed | None:
    try:
        act(fs)
    except StorageFailed as failed:
        return failed
    return None


def each_failure(make: Callable[[], SimFs], act: Callable[[SimFs], object], code: int) -> Iterator[SimFs]:
    """Yield the world after each single failing operation or read; each must raise StorageFailed with that code."""
    for kind in ("fault", "read_fault"):
        for at in itertools.count(1):
            fs = make()
            setattr(fs, kind, Fault(at=at, code=code))
            if failed := failure_of(act, fs):
                assert failed.errno == code
                fs.fault = fs.read_fault = None
                yield fs
            if at > (fs.step if kind == "fault" else fs.reads):
                break


# --- the lock ----------------------------------------------------------------------------------------------------


class OneLock:
    """A lock that records whether it is acquired."""

    is_locked = False

    def acquire(self, path: Path, timeout: float) -> OneLock:
        self.is_locked = True
        return self

    def release(self) -> None:
        self.is_locked = False

    def release_file(self) -> None:
        pass


def test_a_failed_acquire_releases_the_lock() -> None:
    """An operation that fails while a lease begins releases the lock."""
    lock = OneLock()

    def littered() -> SimFs:
        fs = home_with()
        fs.add_folder(ROOT)
        fs.add_file(ROOT / "tx.new", b"")
        return fs

    def acquire(fs: SimFs) -> None:
        journal_on(fs, Machine(), locks=lock).acquire(command="x", timeout=0).__exit__(None, None, None)

    failures = [lock.is_locked for _ in each_failure(littered, acquire, errno.EIO)]
    assert failures == [False] * 4  # making the folder, both listings, removing the orphan


def test_an_interrupted_acquire_releases_the_lock() -> None:
    """An interrupt while a lease begins releases the lock."""
    lock, fs = OneLock(), home_with()

    def interrupt(fs: SimFs, what: str, about: str) -> None:
        if about.endswith("holder.json"):
            raise KeyboardInterrupt

    fs.on_step = interrupt
    with pytest.raises(KeyboardInterrupt):
        journal_on(fs, Machine(), locks=lock).acquire(command="x", timeout=0)
    assert not lock.is_locked


# --- the history -------------------------------------------------------------------------------------------------


def test_a_failed_rewrite_keeps_the_history() -> None:
    """A failing operation is reported, the old lines stay, and no temporary file is left."""
    line = b'{"id":"old","at":"%s"}\n' % (NOW - MAX_AGE - timedelta(days=1)).isoformat().encode()

    def old() -> SimFs:
        fs = home_with()
        fs.add_file(HOME / NAME, line)
        return fs

    def add(fs: SimFs) -> None:
        add_to_history(fs, HOME, {"id": "new", "at": NOW.isoformat()}, NOW)

    failures = [(fs.data(HOME / NAME), left(fs), fs.descriptors) for fs in each_failure(old, add, errno.ENOSPC)]
    assert failures == [(line, {(HOME / NAME).as_posix()}, {})] * 5  # create, write, fsync, move, read


# --- preparing ---------------------------------------------------------------------------------------------------


def test_an_owner_that_cannot_be_kept_names_the_callers_path() -> None:
    """The error names the link that the caller passed, not the staged file."""

    class Jealous(SimFs):
        def set_owner(self, fd: int, uid: int, gid: int) -> None:
            raise PermissionError(errno.EPERM, "no")

    fs = Jealous()
    fs.add_folder(HOME)
    fs.add_file("/h/real", b"x=1\n", uid=7)
    fs.add_link("/h/config", "/h/real")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = lease.begin(**BEGIN, changes=[CONFIG])
        with pytest.raises(Unsupported) as refused:
            transaction.prepare()
        assert (refused.value.path, refused.value.reason) == (Path("/h/config"), "its owner cannot be kept")


@pytest.mark.parametrize("old", [b"theirs", b"inherited"])
def test_an_acl_of_the_old_file_stays(old: bytes) -> None:
    """A file keeps its ACL, whether or not it equals the folder's default ACL."""

    class Inheriting(SimFs):
        def create(self, path: Path, mode: int) -> int:
            fd = super().create(path, mode)
            self.set_xattr(fd, ACCESS_ACL, b"inherited")
            return fd

    fs = Inheriting()
    fs.add_folder(HOME)
    fs.add_file("/h/config", b"x=1\n", xattrs=((ACCESS_ACL, old),))
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        begun(lease, CONFIG).swap()
        assert (fs.data("/h/config"), fs.xattrs(Path("/h/config"))) == (b"x=1\nours=1\n", {ACCESS_ACL: old})


CHANGES = (
    changed("/h/deep/new", None, b"n"),
    changed("/h/old", b"x=1\n", None),
    CONFIG,
)


def begun(lease: Lease, *changes: FileChange) -> Transaction:
    transaction = lease.begin(**BEGIN, changes=changes)
    transaction.prepare()
    return transaction


def test_a_failed_prepare_leaves_nothing() -> None:
    """A failing operation leaves no file and nothing to roll back, and another transaction may begin."""
    befores = home_with("/h/config", "/h/old")

    def prepare(fs: SimFs) -> None:
        with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
            transaction = lease.begin(**BEGIN, changes=CHANGES)
            try:
                transaction.prepare()
            except StorageFailed:
                fs.log = []
                assert roll_back(transaction) == ()
                assert fs.log == []
                begun(lease, *CHANGES)
                raise

    for fs in each_failure(lambda: home_with("/h/config", "/h/old"), prepare, errno.EIO):
        recover(fs, Machine())
        assert left(fs) - {"/h/journal/history.jsonl"} == left(befores)


def test_an_unchanged_file_that_cannot_be_read() -> None:
    """Each failing operation raises StorageFailed, also for a change without effect."""

    def compare(fs: SimFs) -> None:
        with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
            begun(lease, changed("/h/config", b"x=1\n", b"x=1\n"))

    assert len(list(each_failure(lambda: home_with("/h/config"), compare, errno.EIO))) > 10


# --- swapping ----------------------------------------------------------------------------------------------------


def swap(fs: SimFs) -> None:
    """Run a command that rolls back where its swap fails."""
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, *CHANGES)
        try:
            transaction.swap()
        except JournalError:
            fs.fault = None
            roll_back(transaction)
            raise
        transaction.commit()
        transaction.finish()


def test_a_permanent_failure_reports_its_first_path() -> None:
    """A failure of the cleanup does not replace the first error: the path is that of a single failure."""
    paths: dict[bool, list[Path]] = {False: [], True: []}
    for sticky, at in itertools.product(paths, range(1, 30)):
        fs = home_with("/h/config", "/h/old")
        with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
            transaction = lease.begin(**BEGIN, changes=CHANGES)
            fs.fault = Fault(at=fs.step + at, code=errno.EIO, sticky=sticky)
            if failed := failure_of(lambda _, prepare=transaction.prepare: prepare(), fs):
                paths[sticky].append(failed.path)
            fs.fault = None
    assert paths[True] == paths[False]
    assert len(paths[True]) == 22


def failing_swaps(make: Callable[[], SimFs]) -> Iterator[tuple[SimFs, str]]:
    """Fail each operation of a swap once and roll back; yield the world and the path of the error."""
    for at in itertools.count(1):
        fs = make()
        with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
            transaction = begun(lease, *CHANGES)
            fs.fault = Fault(at=fs.step + at, code=errno.EIO)
            failed = failure_of(lambda _, swap=transaction.swap: swap(), fs)
            fs.fault = fs.on_step = None
            assert roll_back(transaction) == ()
        if failed is None:
            break
        assert failed.errno == errno.EIO
        assert left(fs) == {"/h/config", "/h/old", "/h/journal/history.jsonl"}
        yield fs, failed.path.as_posix()


def test_a_failed_swap_names_its_target() -> None:
    """The error names the target or its folder, and the roll back restores every file."""
    paths = []
    for fs, path in failing_swaps(lambda: home_with("/h/config", "/h/old")):
        assert (fs.data("/h/config"), fs.data("/h/old")) == (b"x=1\n", b"x=1\n")
        paths.append(path)
    assert paths == ["/h/deep/new", "/h/old", "/h/config", "/h/deep", "/h"]


def interrupted_by(act: Callable[[SimFs], None], what: str, about: str) -> SimFs:
    """Return a home in which `act` runs just before the first operation `what` on a path that starts with `about`."""
    fs, once = home_with("/h/config", "/h/old"), iter([act])

    def interfere(fs: SimFs, now: str, path: str) -> None:
        if now == what and path.startswith(about) and (act := next(once, None)):
            act(fs)

    fs.on_step = interfere
    return fs


@pytest.mark.parametrize(("theirs", "unknown"), [(b"x=2\n", b"x=2\n"), (b"x=2\nours=1\n", b"x=2\n")])
def test_a_failed_merge_keeps_the_foreign_content(theirs: bytes, unknown: bytes) -> None:
    """The target holds the foreign content after the roll back.

    A key in it with our value is foreign only where the log has the re-intent: recovery has no other source.
    """

    def edited() -> SimFs:
        return interrupted_by(lambda fs: fs.edit("/h/config", theirs), "exchange", "/h/config")

    results = [(path.rpartition(".")[2], fs.data("/h/config")) for fs, path in failing_swaps(edited)]
    recorded = max(at for at, (name, _) in enumerate(results) if name == "open") + 1
    assert [text for _, text in results[:recorded]] == [b"x=1\n"] * 2 + [unknown] * (recorded - 2)
    assert [text for _, text in results[recorded:]] == [theirs] * 10


def test_a_foreign_write_survives_without_exchange() -> None:
    """Without exchange the swap compares the target just before the rename, and merges a foreign write."""
    fs = interrupted_by(lambda fs: fs.edit("/h/config", b"x=2\n"), "exchange", "/h/config")
    fs.exchanges = False
    swap(fs)
    assert fs.data("/h/config") == b"x=2\nours=1\n"


def test_a_foreign_deletion_before_our_own() -> None:
    """A foreign deletion just before ours has the planned effect."""
    fs = interrupted_by(lambda fs: fs.delete("/h/old"), "move_new", "/h/.old.")
    swap(fs)
    assert left(fs) == {"/h/config", "/h/deep/new", "/h/journal/history.jsonl"}


def test_a_mode_that_changes_before_the_swap_stays() -> None:
    """The new file gets a mode that others set on the old one after the staging."""
    fs = interrupted_by(lambda fs: fs.chmod("/h/config", 0o604), "exchange", "/h/config")
    swap(fs)
    assert (fs.data("/h/config"), fs.node("/h/config").mode) == (b"x=1\nours=1\n", 0o604)


def test_rights_changed_after_prepare_stay(home: Home) -> None:
    """So it is without exchange, where the rename replaces the old file."""
    config = home.write("config", b"x=1\n", 0o640)
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = begun(lease, change(config, b"x=1\n", b"x=2\n"))
        former = rights(config)
        give_to_all(config)
        theirs = rights(config)
        transaction.swap()
        transaction.commit()
        transaction.finish()
    assert (config.read_bytes(), rights(config)) == (b"x=2\n", theirs)
    assert theirs != former


@pytest.mark.posix("extended attributes")
def test_an_attribute_set_after_prepare_stays(home: Home) -> None:
    """An attribute that others gave to the old file after the staging is on the new one."""
    config = home.write("config", b"x=1\n")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = begun(lease, change(config, b"x=1\n", b"x=2\n"))
        os.setxattr(config, "user.note", b"theirs")
        transaction.swap()
        transaction.commit()
        transaction.finish()
    assert os.getxattr(config, "user.note") == b"theirs"


@pytest.mark.parametrize("what", ["exchange", "fsync_folder"])
def test_a_merged_file_keeps_its_foreign_mode(what: str) -> None:
    """A foreign file that replaces the target before or after the swap keeps its own mode."""
    fs = home_with("/h/config")
    once = iter(["now"])

    def replace(fs: SimFs, now: str, about: str) -> None:
        ready = what == "exchange" or fs.data("/h/config") == b"x=1\nours=1\n"
        if now == what and ready and next(once, None):
            fs.edit("/h/config", b"x=2\n", 0o604)

    fs.on_step = replace
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, CONFIG)
        transaction.swap()
        assert (fs.data("/h/config"), fs.node("/h/config").mode) == (b"x=2\nours=1\n", 0o604)
        assert roll_back(transaction) == ()
    assert (fs.data("/h/config"), fs.node("/h/config").mode) == (b"x=2\n", 0o604)


def test_an_edit_while_a_mode_is_carried_over_is_merged() -> None:
    """The target is observed again after its mode was set: by then it may be another file."""
    fs = home_with("/h/config", "/h/old")
    acts = iter([lambda: fs.chmod("/h/config", 0o604), lambda: fs.edit("/h/config", b"x=3\n")])

    def interfere(fs: SimFs, what: str, about: str) -> None:
        hands_on = what == "set_mode" and fs.data("/h/config") == b"x=1\nours=1\n"
        if (hands_on or (what, about) == ("exchange", "/h/config")) and (act := next(acts, None)):
            act()

    fs.on_step = interfere
    swap(fs)
    assert fs.data("/h/config") == b"x=3\nours=1\n"


@pytest.mark.parametrize("end", ["commits", "turns back", "dies"])
def test_a_displaced_text_with_our_values_is_restored(end: str) -> None:
    """A foreign text that the first swap displaced is restored as a whole, our values included."""
    theirs = b"x=2\nours=1\n"
    fs = interrupted_by(lambda fs: fs.edit("/h/config", theirs), "exchange", "/h/config")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, *CHANGES)
        transaction.swap()
        assert fs.data("/h/config") == theirs
        if end == "commits":
            transaction.commit()
            transaction.finish()
        elif end == "turns back":
            assert roll_back(transaction) == ()
    recover(fs, Machine())
    assert fs.data("/h/config") == theirs


def test_a_roll_back_removes_both_own_keys() -> None:
    """Others write one of our two keys back with our value: a roll back removes both."""
    edits = (OURS, KeyEdit(path=("more",), before=ABSENT, after="1"))
    fs = home_with("/h/config")

    def halve(fs: SimFs, what: str, about: str) -> None:
        if what == "fsync_folder" and fs.data("/h/config") == b"x=1\nours=1\nmore=1\n":
            fs.edit("/h/config", b"x=2\nours=1\n")

    fs.on_step = halve
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, changed("/h/config", b"x=1\n", b"x=1\nours=1\nmore=1\n", *edits))
        transaction.swap()
        assert fs.data("/h/config") == b"x=2\nours=1\nmore=1\n"
        assert roll_back(transaction) == ()
    assert fs.data("/h/config") == b"x=2\n"


def test_a_mode_changed_during_a_merge_stays() -> None:
    """A re-intent builds on the foreign content, not on its before-image."""
    edits = (OURS, KeyEdit(path=("more",), before=ABSENT, after="1"))
    fs = home_with("/h/config")
    acts = iter([lambda: fs.edit("/h/config", b"x=2\nours=1\n"), lambda: fs.chmod("/h/config", 0o604)])

    def interfere(fs: SimFs, what: str, about: str) -> None:
        written = what == "fsync_folder" and fs.data("/h/config") == b"x=1\nours=1\nmore=1\n"
        again = what == "exchange" and fs.data("/h/config") == b"x=2\nours=1\n"
        if (written or again) and (act := next(acts, None)):
            act()

    fs.on_step = interfere
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        begun(lease, changed("/h/config", b"x=1\n", b"x=1\nours=1\nmore=1\n", *edits)).swap()
    assert (fs.data("/h/config"), fs.node("/h/config").mode) == (b"x=2\nours=1\nmore=1\n", 0o604)


def test_a_merged_file_is_rolled_back_to_the_foreign_content() -> None:
    """After a crash recovery reads the re-intent and removes the own keys."""
    fs = interrupted_by(lambda fs: fs.edit("/h/config", b"x=2\n"), "exchange", "/h/config")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        begun(lease, *CHANGES).swap()
    assert fs.data("/h/config") == b"x=2\nours=1\n"
    assert recover(fs, Machine()).kind == "rolled_back"
    assert (fs.data("/h/config"), fs.data("/h/old")) == (b"x=2\n", b"x=1\n")


# --- going back --------------------------------------------------------------------------------------------------


def abandoned(*, swapped: bool) -> SimFs:
    """Return a home in which a command died after its prepare, or after its swap."""
    fs = home_with("/h/config", "/h/old")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, *CHANGES)
        if swapped:
            transaction.swap()
    return fs


def test_merged_content_is_not_parked() -> None:
    """A foreign edit that the rolled back file contains is not parked, and no conflict."""
    fs = abandoned(swapped=True)
    fs.edit("/h/config", b"x=1\nours=1\ny=2\n")
    recovery = recover(fs, Machine())
    assert (recovery.kind, recovery.transactions[0]["parked"]) == ("rolled_back", [])
    assert fs.data("/h/config") == b"x=1\ny=2\n"


@pytest.mark.parametrize("swapped", [False, True])
def test_a_missing_image_changes_no_file(swapped: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """While a staged file is there its before-image was durable once: without it recovery changes no file."""
    fs = abandoned(swapped=swapped)
    for path in left(fs):
        if path.endswith(".b"):
            fs.delete(path)
    fs.edit("/h/config", b"theirs=1\n")
    if swapped:
        fs.edit(next(path for path in left(fs) if path.startswith("/h/.config.")), b"not the image either\n")
    was = fs.fingerprint()
    with pytest.raises(Damaged):
        recover(fs, Machine())
    assert fs.fingerprint() == was


def switched_by_hand(fs: SimFs) -> None:
    """Return a home where only the journal's image holds the old content."""
    for path in left(fs):
        if path.startswith("/h/.config."):
            fs.delete(path)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("act", "config"),
    [
        (lambda fs: None, b"x=1\n"),
        (switched_by_hand, b"x=1\n"),
        (lambda fs: fs.edit("/h/config", b"x=1\nours=1\ny=2\n"), b"x=1\ny=2\n"),
        (lambda fs: fs.delete("/h/config"), None),
    ],
)
def test_a_failed_recovery_is_repeatable(act: Callable[[SimFs], None], config: bytes | None, swapped: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Each failing read or operation raises StorageFailed, and the next recovery succeeds."""
    dead = abandoned(swapped=swapped)
    act(dead)
    failures = list(each_failure(dead.after_kill, lambda fs: recover(fs, Machine()), errno.EIO))
    assert len(failures) > 20
    for fs in failures:
        recover(fs, Machine())
        assert fs.data("/h/config") == config
        kept = {path for path in left(fs) if ".x" not in path}  # parked content may stay where the last step failed
        assert kept - {"/h/config"} == {"/h/old", "/h/journal/history.jsonl"}


def test_a_failing_read_is_no_damage() -> None:
    """Each failing read of a damaged log raises StorageFailed, not Damaged."""
    dead = abandoned(swapped=True)
    [log] = [path for path in left(dead) if path.endswith(".open")]
    dead.edit(log, b"#" + (dead.data(log) or b""))

    def look(fs: SimFs) -> None:
        with pytest.raises(Damaged):
            recover(fs, Machine())

    assert len(list(each_failure(dead.after_kill, look, errno.EIO))) == 6


def test_a_restored_copy_has_the_logged_metadata() -> None:
    """A new copy of the before-image gets mode, attributes and mtime from the log."""
    fs = home_with()
    fs.add_file("/h/config", b"x=1\n", 0o644, mtime_ns=4711, xattrs=(("user.note", b"kept"),))
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        begun(lease, CONFIG).swap()
    switched_by_hand(fs)
    recover(fs, Machine())
    node = fs.node("/h/config")
    assert (node.data, node.mode, node.mtime_ns, node.xattrs) == (b"x=1\n", 0o644, 4711, (("user.note", b"kept"),))


def test_a_restored_deletion_has_the_logged_metadata() -> None:
    """A deleted file is restored with mode, attributes and mtime from the log, even where its staged file is gone."""
    fs = home_with()
    fs.add_file("/h/old", b"x=1\n", 0o644, mtime_ns=4711, xattrs=(("user.note", b"kept"),))
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        begun(lease, changed("/h/old", b"x=1\n", None)).swap()
    for path in [path for path in left(fs) if path.startswith("/h/.old.")]:
        fs.delete(path)
    recover(fs, Machine())
    node = fs.node("/h/old")
    assert (node.data, node.mode, node.mtime_ns, node.xattrs) == (b"x=1\n", 0o644, 4711, (("user.note", b"kept"),))


def test_an_image_that_cannot_be_read_is_a_failing_disk() -> None:
    """A failing read of an image raises StorageFailed with its path, not Damaged."""

    class Unreadable(SimFs):
        def read(self, path: Path) -> bytes:
            if path.name.endswith(".b"):
                raise OSError(errno.EIO, "no")
            return super().read(path)

    fs = Unreadable()
    fs.add_folder(HOME)
    fs.add_file("/h/config", b"x=1\n")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, CONFIG)
        transaction.swap()
    switched_by_hand(fs)
    failed = failure_of(lambda fs: recover(fs, Machine()), fs)
    assert failed is not None
    assert failed.path == ROOT / f"{transaction.id}.b"


def test_the_newest_foreign_mode_is_restored() -> None:
    """Others changed the old file's mode, then replaced our file by one with another mode: the newest mode stays."""
    fs = interrupted_by(lambda fs: fs.chmod("/h/config", 0o604), "exchange", "/h/config")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        begun(lease, *CHANGES).swap()
    fs.edit("/h/config", b"x=1\nours=1\ny=2\n", 0o640)
    recover(fs, Machine())
    assert (fs.data("/h/config"), fs.node("/h/config").mode) == (b"x=1\ny=2\n", 0o640)


def test_content_of_the_target_is_not_parked() -> None:
    """Recovery dies after the roll back, and others write again the content that it displaced: nothing is lost."""
    fs, theirs = abandoned(swapped=True), b"x=1\nours=1\ny=2\n"
    fs.edit("/h/config", theirs)

    def fail(fs: SimFs, what: str, about: str) -> None:
        if what == "unlink" and about.startswith("/h/."):
            raise OSError(errno.EIO, "no")

    fs.on_step = fail
    with pytest.raises(StorageFailed):
        recover(fs, Machine())
    fs.on_step = None
    fs.edit("/h/config", theirs)
    assert recover(fs, Machine()).transactions[0]["parked"] == []
    assert fs.data("/h/config") == theirs


def displacing(act: Callable[[SimFs], None]) -> SimFs:
    """Return a home in which a command died after its swap displaced the result of `act`."""
    fs = interrupted_by(act, "exchange", "/h/config")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease, pytest.raises(Drifted):
        begun(lease, *CHANGES).swap()
    return fs


def link(fs: SimFs) -> None:
    fs.delete("/h/config")
    fs.add_link("/h/config", "/h/elsewhere")


def test_a_displaced_link_is_parked_as_its_text() -> None:
    """A displaced link that cannot be restored is parked as the path in it."""
    fs = displacing(link)
    fs.edit("/h/config", b"x=9\n")
    [parked] = recover(fs, Machine()).transactions[0]["parked"]
    assert re.fullmatch(r"\d{8}T\d{6}Z-\d{8}\.x2-[0-9a-f]{8}", parked)
    assert (fs.data(ROOT / parked), fs.data("/h/config")) == (b"/h/elsewhere", b"x=9\n")


def test_a_displaced_link_is_restored() -> None:
    """A link has no mode to set, and is not opened."""
    fs = displacing(link)
    recover(fs, Machine())
    assert (fs.node("/h/config").kind, fs.data("/h/config")) == (FileType.LINK, b"/h/elsewhere")


def folder(fs: SimFs) -> None:
    fs.delete("/h/config")
    fs.add_folder("/h/config")


def test_a_displaced_folder_is_not_parked() -> None:
    """A displaced folder cannot be parked as bytes: it stays beside the target."""
    fs = displacing(folder)
    fs.edit("/h/config", b"x=9\n")
    assert recover(fs, Machine()).transactions[0]["parked"] == []
    assert [path for path in fs.folders() if path.startswith("/h/.config.")] != []


@pytest.mark.parametrize(("boot", "config"), [("boot-1", b"torn"), ("boot-2", b"x=1\n")])
def test_a_displaced_text_may_be_torn_after_a_reboot(boot: str, config: bytes) -> None:
    """A displaced text is intact in the same boot; after a reboot it may be torn."""
    fs = displacing(lambda fs: fs.edit("/h/config", b"torn"))
    recover(fs, Machine(), boot=boot)
    assert fs.data("/h/config") == config


# --- going on ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("commits", [True, False])
def test_a_failing_history_stops_no_command(commits: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The transaction ends as decided where its history line cannot be written, and leaves no file."""
    fs = home_with("/h/config", "/h/old")

    def fail(fs: SimFs, what: str, about: str) -> None:
        if "history" in about:
            raise OSError(errno.ENOSPC, "no")

    fs.on_step = fail
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, CONFIG)
        transaction.swap()
        if commits:
            transaction.commit()
            transaction.finish()
        else:
            roll_back(transaction)
    assert left(fs) == {"/h/config", "/h/old"}
    assert fs.data("/h/config") == (b"x=1\nours=1\n" if commits else b"x=1\n")


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_moved_folder_is_swept(tmp_path: Path) -> None:
    """Recovery sweeps a folder that the user moved and linked to after the commit."""
    home = home_at(tmp_path / "home")
    real, link = home.write("dotfiles/config", b"x=1\n"), home.path / "config"
    link.symlink_to(real)
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = begun(lease, change(link, b"x=1\n", b"x=2\n"))
        transaction.swap()
        transaction.commit()
    real.parent.rename(home.path / "moved")
    link.unlink()
    link.symlink_to("moved/config")
    with home.journal.acquire(command="recover", timeout=5) as lease:
        assert lease.recover().kind == "finished"
    assert home.names() == ["config", "moved", "moved/config"]
    assert link.read_bytes() == b"x=2\n"


@pytest.mark.parametrize("commits", [True, False])
def test_finishing_may_be_repeated(commits: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """While the log cannot be removed the transaction stays open; the same call then closes it."""
    fs, once = home_with("/h/config", "/h/old"), iter(["now"])

    def fail(fs: SimFs, what: str, about: str) -> None:
        if what == "unlink" and about.endswith(".open") and next(once, None):
            raise OSError(errno.EIO, "no")

    fs.on_step = fail
    journal = journal_on(fs, Machine())
    with journal.acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, CONFIG)
        transaction.swap()
        if commits:
            transaction.commit()
        else:
            transaction.restore_files()
        for interrupted in (True, False):
            end = transaction.finish if commits else lambda: transaction.close_rolled_back("test")
            assert (
                (failure_of(lambda _, end=end: end(), fs) is not None) == bool(journal.interrupted()) == interrupted
            )
    assert len(journal.history()) == 1


def test_repeated_parking_is_reported_once() -> None:
    """A repeated call after a failed parking reports one parked file."""
    fs = home_with("/h/config", "/h/old")
    edits, failures, taken_back = iter([b"x=3\nours=1\n", b"x=4\n"]), iter(["now"]), False

    def interfere(fs: SimFs, what: str, about: str) -> None:
        if taken_back and what == "exchange" and (text := next(edits, None)):
            fs.edit("/h/config", text)
        if what == "create" and ".x" in about and next(failures, None):
            raise OSError(errno.EIO, "no")

    fs.on_step = interfere
    journal = journal_on(fs, Machine())
    with journal.acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, CONFIG)
        transaction.swap()
        taken_back = True
        transaction.restore_files()
        assert failure_of(lambda _: transaction.close_rolled_back("test"), fs)
        transaction.close_rolled_back("test")
    [line] = journal.history()
    assert [fs.data(ROOT / name) for name in line["parked"]] == [b"x=3\nours=1\n"]


def test_a_record_follows_a_rewritten_log() -> None:
    """The next record follows the end of a rewritten log, shorter or longer than the old one."""
    for many in (1, 5):
        fs = home_with()
        log = create_log(fs, HOME, "tx", [{"t": "begin", "v": VERSION}])
        log.rewrite([{"t": "kept"}] * many)
        log.append({"t": "next"}, durable=True)
        assert [record["t"] for record in parse(fs.data("/h/tx.open") or b"").records] == ["kept"] * many + ["next"]


def test_a_failed_commit_is_revoked() -> None:
    """A commit whose fsync failed may be durable or not: it can be rolled back only."""
    fs = home_with("/h/config", "/h/old")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, CONFIG)
        transaction.swap()
        fs.fault = Fault(at=fs.step + 2, code=errno.EIO)
        assert failure_of(lambda _: transaction.commit(), fs)
        with pytest.raises(JournalError, match="committing"):
            transaction.finish()
        roll_back(transaction)
    assert fs.data("/h/config") == b"x=1\n"


def test_an_interrupt_arrives_after_the_roll_back() -> None:
    """A signal blocked since the swap arrives after the files are restored, and closing continues."""
    fs = home_with("/h/config", "/h/old")
    journal = journal_on(fs, Machine())
    with journal.acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, CONFIG)
        transaction.swap()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            transaction.restore_files()
        assert fs.data("/h/config") == b"x=1\n"
        transaction.close_rolled_back("test")
        assert journal.interrupted() == ()


# --- removing ----------------------------------------------------------------------------------------------------


def test_a_foreign_deletion_during_removal() -> None:
    """A foreign deletion during the removal is no error, and the other paths are removed."""
    fs = interrupted_by(lambda fs: fs.delete("/h/old"), "unlink", "/h/old")
    remove_all(fs, [Path("/h/old"), Path("/h/config")])
    assert left(fs) == set()
