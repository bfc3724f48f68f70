"""One operation fails, or somebody else is quicker: what is told, with which path, and what is left."""

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
    """The worlds in which one operation or look of an act has failed, each told as StorageFailed with that code."""
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
    """A lock that says whether it is held."""

    held = False

    def acquire(self, path: Path, timeout: float) -> OneLock:
        self.held = True
        return self

    def release(self) -> None:
        self.held = False


def test_a_lock_that_is_of_no_use_is_given_back() -> None:
    """Whichever operation fails while a lease begins: who does not get it does not hold the lock either."""
    lock = OneLock()

    def littered() -> SimFs:
        fs = home_with()
        fs.add_folder(ROOT)
        fs.add_file(ROOT / "tx.new", b"")
        return fs

    def acquire(fs: SimFs) -> None:
        journal_on(fs, Machine(), locks=lock).acquire(command="x", timeout=0).__exit__(None, None, None)

    failures = [lock.held for _ in each_failure(littered, acquire, errno.EIO)]
    assert failures == [False] * 4  # making the folder, both listings, the orphan's end


def test_an_interrupt_takes_no_lock_along() -> None:
    """Who is interrupted while a lease begins does not hold the lock."""
    lock, fs = OneLock(), home_with()

    def interrupt(fs: SimFs, what: str, about: str) -> None:
        if about.endswith("holder.json"):
            raise KeyboardInterrupt

    fs.on_step = interrupt
    with pytest.raises(KeyboardInterrupt):
        journal_on(fs, Machine(), locks=lock).acquire(command="x", timeout=0)
    assert not lock.held


# --- the history -------------------------------------------------------------------------------------------------


def test_a_history_that_cannot_be_written_anew_is_as_it_was() -> None:
    """Whichever operation fails: the first failure is told, the old lines stay, and nothing lies beside them."""
    line = b'{"id":"old","at":"%s"}\n' % (NOW - MAX_AGE - timedelta(days=1)).isoformat().encode()

    def old() -> SimFs:
        fs = home_with()
        fs.add_file(HOME / NAME, line)
        return fs

    def add(fs: SimFs) -> None:
        add_to_history(fs, HOME, {"id": "new", "at": NOW.isoformat()}, NOW)

    failures = [(fs.data(HOME / NAME), left(fs), fs.descriptors) for fs in each_failure(old, add, errno.ENOSPC)]
    assert failures == [(line, {str(HOME / NAME)}, {})] * 5  # create, write, fsync, move, read


# --- preparing ---------------------------------------------------------------------------------------------------


def test_an_owner_that_cannot_be_kept_is_told_of_the_given_name() -> None:
    """Whoever asks knows the link that it gave, and not the file of ours that was being staged."""

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
    """Whether or not it is the one that the folder gives to every new file."""

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


def test_what_cannot_be_prepared_is_over() -> None:
    """Whichever operation fails: nothing is left, there is nothing to turn back, and the next one may begin."""
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


def test_a_file_that_is_only_compared_and_cannot_be_read() -> None:
    """That is a failing disk too."""

    def compare(fs: SimFs) -> None:
        with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
            begun(lease, changed("/h/config", b"x=1\n", b"x=1\n"))

    assert len(list(each_failure(lambda: home_with("/h/config"), compare, errno.EIO))) > 10


# --- swapping ----------------------------------------------------------------------------------------------------


def swap(fs: SimFs) -> None:
    """A command that turns back where its swap fails."""
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


def test_a_disk_that_fails_for_good_tells_what_failed_first() -> None:
    """What cannot be cleared up then is not what is told: the path is the same as where one operation fails."""
    told: dict[bool, list[Path]] = {False: [], True: []}
    for sticky, at in itertools.product(told, range(1, 30)):
        fs = home_with("/h/config", "/h/old")
        with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
            transaction = lease.begin(**BEGIN, changes=CHANGES)
            fs.fault = Fault(at=fs.step + at, code=errno.EIO, sticky=sticky)
            if failed := failure_of(lambda _, prepare=transaction.prepare: prepare(), fs):
                told[sticky].append(failed.path)
            fs.fault = None
    assert told[True] == told[False]
    assert len(told[True]) == 22


def failing_swaps(make: Callable[[], SimFs]) -> Iterator[tuple[SimFs, str]]:
    """Each operation of a swap fails once, and the command turns back: the world then, and the path that was told."""
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
        yield fs, str(failed.path)


def test_a_swap_that_fails_says_where() -> None:
    """Whichever operation fails: the target or folder that it was for is told, and every file is as before."""
    told = []
    for fs, path in failing_swaps(lambda: home_with("/h/config", "/h/old")):
        assert (fs.data("/h/config"), fs.data("/h/old")) == (b"x=1\n", b"x=1\n")
        told.append(path)
    assert told == ["/h/deep/new", "/h/old", "/h/config", "/h/deep", "/h"]


def beside(act: Callable[[SimFs], None], what: str, about: str) -> SimFs:
    """A home in which somebody acts at the instant before the first operation of this kind on such a name."""
    fs, once = home_with("/h/config", "/h/old"), iter([act])

    def interfere(fs: SimFs, now: str, path: str) -> None:
        if now == what and path.startswith(about) and (act := next(once, None)):
            act(fs)

    fs.on_step = interfere
    return fs


@pytest.mark.parametrize(("theirs", "unknown"), [(b"x=2\n", b"x=2\n"), (b"x=2\nours=1\n", b"x=2\n")])
def test_a_swap_that_fails_while_it_merges(theirs: bytes, unknown: bytes) -> None:
    """Whichever operation of that fails: what others wrote at the instant of our swap is what stands there.

    A key in it that looks like ours is theirs only where the log says that they wrote it: a recovery knows no more.
    """

    def edited() -> SimFs:
        return beside(lambda fs: fs.edit("/h/config", theirs), "exchange", "/h/config")

    told = [(path.rpartition(".")[2], fs.data("/h/config")) for fs, path in failing_swaps(edited)]
    recorded = max(at for at, (name, _) in enumerate(told) if name == "open") + 1
    assert [text for _, text in told[:recorded]] == [b"x=1\n"] * 2 + [unknown] * (recorded - 2)
    assert [text for _, text in told[recorded:]] == [theirs] * 10


def test_what_others_write_is_not_replaced_without_an_exchange() -> None:
    """Where the kernel cannot exchange names we look once more at the last instant, and keep away from an edit."""
    fs = beside(lambda fs: fs.edit("/h/config", b"x=2\n"), "exchange", "/h/config")
    fs.exchanges = False
    swap(fs)
    assert fs.data("/h/config") == b"x=2\nours=1\n"


def test_a_file_that_goes_before_we_remove_it() -> None:
    """Others delete at the last instant what we meant to delete: that is what we wanted."""
    fs = beside(lambda fs: fs.delete("/h/old"), "move_new", "/h/.old.")
    swap(fs)
    assert left(fs) == {"/h/config", "/h/deep/new", "/h/journal/history.jsonl"}


def test_a_mode_that_changes_before_the_swap_stays() -> None:
    """What others set on the old file after we took its mode over is handed on to the new one."""
    fs = beside(lambda fs: fs.chmod("/h/config", 0o604), "exchange", "/h/config")
    swap(fs)
    assert (fs.data("/h/config"), fs.node("/h/config").mode) == (b"x=1\nours=1\n", 0o604)


def test_a_mode_that_changed_since_we_prepared_stays(home: Home) -> None:
    """Also where the kernel cannot exchange names, and the old file is gone when its place is taken."""
    config = home.write("config", b"x=1\n", 0o640)
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = begun(lease, change(config, b"x=1\n", b"x=2\n"))
        config.chmod(0o604)
        os.setxattr(config, "user.note", b"theirs")
        transaction.swap()
        transaction.commit()
        transaction.finish()
    assert (config.read_bytes(), config.stat().st_mode & 0o7777) == (b"x=2\n", 0o604)
    assert os.getxattr(config, "user.note") == b"theirs"


@pytest.mark.parametrize("what", ["exchange", "fsync_folder"])
def test_a_mode_of_a_file_that_we_merge_stays(what: str) -> None:
    """Others replace the file, before or after our swap, by one with a mode of its own: that is the last word."""
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


def test_an_edit_while_a_mode_is_handed_on_is_merged() -> None:
    """After the new file has got the mode of the old one we look again: by then it may be another file."""
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
def test_a_text_with_our_keys_that_we_displaced_goes_on(end: str) -> None:
    """Others write it at the instant of our swap: it is what stands there then, and all of it is theirs."""
    theirs = b"x=2\nours=1\n"
    fs = beside(lambda fs: fs.edit("/h/config", theirs), "exchange", "/h/config")
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


def test_half_of_our_keys_are_ours() -> None:
    """Others write one of our two keys back as we had set it: both go when the command turns back."""
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


def test_a_mode_that_changes_while_half_of_our_keys_are_theirs_stays() -> None:
    """What a merged file was made from is what others wrote, and not what we would give back of it."""
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


def test_a_merged_file_goes_back_to_what_others_wrote() -> None:
    """A command that dies after it has merged an edit: recovery reads the later intent, and takes our keys out."""
    fs = beside(lambda fs: fs.edit("/h/config", b"x=2\n"), "exchange", "/h/config")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        begun(lease, *CHANGES).swap()
    assert fs.data("/h/config") == b"x=2\nours=1\n"
    assert recover(fs, Machine()).kind == "rolled_back"
    assert (fs.data("/h/config"), fs.data("/h/old")) == (b"x=2\n", b"x=1\n")


# --- going back --------------------------------------------------------------------------------------------------


def abandoned(*, swapped: bool) -> SimFs:
    """A home in which a command died after it had prepared, or after its swap."""
    fs = home_with("/h/config", "/h/old")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = begun(lease, *CHANGES)
        if swapped:
            transaction.swap()
    return fs


def test_what_goes_on_in_a_file_is_not_parked() -> None:
    """An edit beside our keys is in the file that goes back: it needs no second place, and is no conflict."""
    fs = abandoned(swapped=True)
    fs.edit("/h/config", b"x=1\nours=1\ny=2\n")
    recovery = recover(fs, Machine())
    assert (recovery.kind, recovery.transactions[0]["parked"]) == ("rolled_back", [])
    assert fs.data("/h/config") == b"x=1\ny=2\n"


@pytest.mark.parametrize("swapped", [False, True])
def test_a_file_is_not_judged_without_its_image(swapped: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """While something of ours lies beside it the image was durable once: without it nothing is touched."""
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
    """Nothing but the image in the journal holds the old file any more."""
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
def test_a_recovery_that_fails_says_so(act: Callable[[SimFs], None], config: bytes | None, swapped: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Whichever look or operation fails, in each of them: it is told, and the next recovery is enough."""
    dead = abandoned(swapped=swapped)
    act(dead)
    failures = list(each_failure(dead.after_kill, lambda fs: recover(fs, Machine()), errno.EIO))
    assert len(failures) > 20
    for fs in failures:
        recover(fs, Machine())
        assert fs.data("/h/config") == config
        kept = {path for path in left(fs) if ".x" not in path}  # parked at worst, where it failed at its end
        assert kept - {"/h/config"} == {"/h/old", "/h/journal/history.jsonl"}


def test_damage_that_cannot_be_looked_at_is_a_failing_disk() -> None:
    """Whichever look at a damaged log fails, a second one too, is told as what it is, and not as damage."""
    dead = abandoned(swapped=True)
    [log] = [path for path in left(dead) if path.endswith(".open")]
    dead.edit(log, b"#" + (dead.data(log) or b""))

    def look(fs: SimFs) -> None:
        with pytest.raises(Damaged):
            recover(fs, Machine())

    assert len(list(each_failure(dead.after_kill, look, errno.EIO))) == 6


def test_a_copy_has_what_the_log_says_of_the_old_file() -> None:
    """Where nothing but the image is left: its mode, its attributes, its time."""
    fs = home_with()
    fs.add_file("/h/config", b"x=1\n", 0o644, mtime_ns=4711, xattrs=(("user.note", b"kept"),))
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        begun(lease, CONFIG).swap()
    switched_by_hand(fs)
    recover(fs, Machine())
    node = fs.node("/h/config")
    assert (node.data, node.mode, node.mtime_ns, node.xattrs) == (b"x=1\n", 0o644, 4711, (("user.note", b"kept"),))


def test_a_removed_file_comes_back_with_what_the_log_says_of_it() -> None:
    """Neither the file nor what we took away is there any more: mode, attributes and time are in the log."""
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
    """It is told with its path, and is no damage."""

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


def test_the_last_writer_s_mode_goes_back() -> None:
    """Others changed the old file's mode, and then replaced ours by a file with a mode of its own: that one stays."""
    fs = beside(lambda fs: fs.chmod("/h/config", 0o604), "exchange", "/h/config")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        begun(lease, *CHANGES).swap()
    fs.edit("/h/config", b"x=1\nours=1\ny=2\n", 0o640)
    recover(fs, Machine())
    assert (fs.data("/h/config"), fs.node("/h/config").mode) == (b"x=1\ny=2\n", 0o640)


def test_what_stands_in_the_file_again_is_not_parked() -> None:
    """A recovery dies when all is given back, and others write once more what it had displaced: nothing is lost."""
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
    """A home in which a command died after its swap displaced what somebody had put there at that instant."""
    fs = beside(act, "exchange", "/h/config")
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease, pytest.raises(Drifted):
        begun(lease, *CHANGES).swap()
    return fs


def link(fs: SimFs) -> None:
    fs.delete("/h/config")
    fs.add_link("/h/config", "/h/elsewhere")


def test_a_displaced_link_is_parked_as_what_it_says() -> None:
    """A link for which there is no place any more is kept as the path in it."""
    fs = displacing(link)
    fs.edit("/h/config", b"x=9\n")
    [parked] = recover(fs, Machine()).transactions[0]["parked"]
    assert re.fullmatch(r"\d{8}T\d{6}Z-\d{8}\.x2-[0-9a-f]{8}", parked)
    assert (fs.data(ROOT / parked), fs.data("/h/config")) == (b"/h/elsewhere", b"x=9\n")


def test_a_displaced_link_goes_back_as_it_is() -> None:
    """A link has no mode to set, and is not opened."""
    fs = displacing(link)
    recover(fs, Machine())
    assert (fs.node("/h/config").kind, fs.data("/h/config")) == (FileType.LINK, b"/h/elsewhere")


def folder(fs: SimFs) -> None:
    fs.delete("/h/config")
    fs.add_folder("/h/config")


def test_a_displaced_folder_is_not_parked() -> None:
    """There is nothing of it that a file could keep: it stays beside the text that stands there by now."""
    fs = displacing(folder)
    fs.edit("/h/config", b"x=9\n")
    assert recover(fs, Machine()).transactions[0]["parked"] == []
    assert [path for path in fs.folders() if path.startswith("/h/.config.")] != []


@pytest.mark.parametrize(("boot", "config"), [("boot-1", b"torn"), ("boot-2", b"x=1\n")])
def test_a_displaced_text_is_doubted_after_a_power_cut_only(boot: str, config: bytes) -> None:
    """In the same run of the machine it is what its writer meant; in the next one it may be half of that."""
    fs = displacing(lambda fs: fs.edit("/h/config", b"torn"))
    recover(fs, Machine(), boot=boot)
    assert fs.data("/h/config") == config


# --- going on ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("commits", [True, False])
def test_a_history_is_not_worth_a_command(commits: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Where its line cannot be written the transaction ends as it was decided, and leaves nothing else."""
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


def test_what_lies_in_a_folder_that_moved_is_swept(tmp_path: Path) -> None:
    """A command dies after its commit, and the user moves the folder of the file and turns the link to it."""
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
def test_an_end_may_be_tried_again(commits: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Where the log cannot be removed the transaction is not over: the same call once more ends it."""
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


def test_what_is_parked_in_two_tries_is_told_once() -> None:
    """The disk fails while bytes are parked, and the same call once more does it."""
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
    """Whether the log has become longer or shorter, the next record stands where it ends by now."""
    for many in (1, 5):
        fs = home_with()
        log = create_log(fs, HOME, "tx", [{"t": "begin", "v": VERSION}])
        log.rewrite([{"t": "kept"}] * many)
        log.append({"t": "next"}, durable=True)
        assert [record["t"] for record in parse(fs.data("/h/tx.open") or b"").records] == ["kept"] * many + ["next"]


def test_what_may_not_be_committed_is_not_finished() -> None:
    """A commit that failed may be on the medium or not: it is turned back, and nothing else."""
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


def test_an_interrupt_arrives_when_files_are_back() -> None:
    """It has waited since the swap: it comes when nothing can be torn any more, and closing goes on from there."""
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


def test_a_file_that_goes_by_itself_is_removed() -> None:
    """Somebody is quicker: what is to be gone is gone, and so is the rest."""
    fs = beside(lambda fs: fs.delete("/h/old"), "unlink", "/h/old")
    remove_all(fs, [Path("/h/old"), Path("/h/config")])
    assert left(fs) == set()
