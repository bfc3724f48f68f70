"""Small promises that neither a crash nor a fault shows: file names, modes, error texts, counts, timeouts."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from journal import Damaged, JournalError, LockBusy, RealFs, StorageFailed
from journal.codec import MAX_LENGTH, frame, frames, parse
from journal.fs import create_fresh
from journal.history import MAX_AGE, MAX_BYTES, MAX_LINES, NAME, add_to_history, read_history
from journal.lock import NativeLocks
from journal.log import VERSION, Log, create_log, load_log, write_images
from tests.access import give_to_all, others_may_read
from tests.crash.simfs import Fault, SimFs
from tests.crash.world import ROOT, Machine, NoLock, journal_on
from tests.journal.support import change, home_at

if sys.platform != "win32":
    from journal._posix import PosixFs
    from journal._posix_lock import _is_same_file, _native

BEGIN = {"command": "x", "argv": (), "from_state": "a", "to_state": "b"}


class Failing(RealFs):
    """A file system on which one kind of operation fails while it is named."""

    def __init__(self, what: str = "") -> None:
        super().__init__()
        self.what = what

    def __getattribute__(self, name: str) -> Any:
        if name != "what" and name == self.what:
            raise OSError(errno.EIO, "no")
        return super().__getattribute__(name)


# --- the log -----------------------------------------------------------------------------------------------------


def test_the_longest_record() -> None:
    """A record may fill the six digits of the length field."""
    room = MAX_LENGTH - len(b'{"q":0,"t":""}')
    record = {"t": "x" * room}
    assert (record,) == parse(frame(0, record)).records
    with pytest.raises(ValueError, match="too long"):
        frame(0, {"t": "x" * (room + 1)})


def test_an_error_without_errno() -> None:
    """An OSError without errno is reported as "unknown error"."""
    assert "unknown error" in str(StorageFailed(Path("/x"), None))


def log_with(tail: bytes) -> tuple[SimFs, Log]:
    """Return the log of one transaction without files, followed by these bytes."""
    fs = SimFs()
    fs.add_folder("/h")
    create_log(fs, Path("/h"), "tx", [{"t": "begin", "v": VERSION}])
    whole = fs.data("/h/tx.open") or b""
    fs.edit_in_place("/h/tx.open", whole[: parse(whole).length] + tail)
    fs.log = []
    return fs, load_log(fs, Path("/h"), "tx")


def test_a_torn_tail_is_zeroed_once() -> None:
    """The first append zeroes exactly the torn tail, durably, before its own record; the second one does not."""
    fs, log = log_with(b"torn" * 40)
    size = len(fs.data("/h/tx.open") or b"")
    log.append({"t": "a"}, durable=False)
    log.append({"t": "b"}, durable=False)
    assert ["write", "fsync", "write", "write"] == [line.partition(" ")[0] for line in fs.log]
    data = fs.data("/h/tx.open") or b""
    assert (size, b"") == (len(data), data[parse(data).length :].strip(b"\0"))
    assert ["begin", "prepared", "a", "b"] == [record["t"] for record in parse(data).records]


def test_a_failed_zeroing_is_repeated() -> None:
    """After a failed fsync of the zeros the next append writes them again."""
    fs, log = log_with(b"torn" * 40)
    fs.fault = Fault(at=fs.step + 2, code=errno.EIO)
    with pytest.raises(StorageFailed):
        log.append({"t": "a"}, durable=False)
    fs.log = []
    log.append({"t": "a"}, durable=False)
    assert ["write", "fsync", "write"] == [line.partition(" ")[0] for line in fs.log]


def test_a_log_without_a_torn_tail_is_not_zeroed() -> None:
    """Zeros are reserved space, and a rewritten log has no tail: an append costs one write."""
    for tail, rewrites in ((b"", False), (bytes(9), False), (b"torn", True)):
        fs, log = log_with(tail)
        if rewrites:
            log.rewrite(log.records)
        fs.log = []
        log.append({"t": "a"}, durable=False)
        log.append({"t": "b"}, durable=True)
        assert ["write", "write", "fsync"] == [line.partition(" ")[0] for line in fs.log]


def test_a_log_reserves_space() -> None:
    """A log reserves 16 KiB before any file changes, so that it can grow on a full disk."""
    fs = SimFs()
    fs.add_folder("/h")
    create_log(fs, Path("/h"), "tx", [{"t": "begin", "v": VERSION}])
    data = fs.data("/h/tx.open") or b""
    assert 16 * 1024 == len(data) - parse(data).length
    assert 0o600 == fs.node("/h/tx.open").mode


@pytest.mark.parametrize(
    "records",
    [
        [{"t": "other", "v": VERSION}],
        [{"t": "begin", "v": VERSION}, {"t": "intent"}, {"t": "prepared", "n": 0, "crc": 0}],
        [{"t": "begin", "v": VERSION}, {"t": "prepared", "n": 0, "crc": 1}],
        [{"t": "begin", "v": VERSION}, {"t": "prepared"}],
        [{"t": "begin", "v": VERSION}],
        [],
    ],
)
def test_a_log_that_was_never_prepared_is_damage(records: list[dict[str, object]]) -> None:
    """Valid frames are not enough: a log needs `begin`, and a `prepared` with the number of intents."""
    fs = SimFs()
    fs.add_folder("/h")
    if records and records[0]["t"] == "other":
        create_log(fs, Path("/h"), "tx", records)
    else:
        fs.add_file("/h/tx.open", frames(records))
    with pytest.raises(Damaged):
        load_log(fs, Path("/h"), "tx")


def test_images_share_one_file() -> None:
    """One private file holds all images, each at its location."""
    fs = SimFs()
    fs.add_folder("/h")
    slices = write_images(fs, Path("/h"), "tx.b", [b"one", b"", b"three"])
    assert [(0, 3), (3, 0), (3, 5)] == [(one.offset, one.size) for one in slices]
    assert (b"onethree", 0o600) == (fs.data("/h/tx.b"), fs.node("/h/tx.b").mode)


# --- looking from outside ----------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    """A failing listing raises StorageFailed with the folder's path."""
    home = home_at(tmp_path / "home", Failing("names"))
    for ask in (home.journal.is_clean, home.journal.interrupted):
        with pytest.raises(StorageFailed) as failed:
            ask()
        assert (home.journal.root, errno.EIO) == (failed.value.path, failed.value.errno)


def test_an_unknown_transaction_is_named(tmp_path: Path) -> None:
    """The error of `inspect` names a transaction that is not open."""
    with pytest.raises(JournalError, match="no open transaction nothing"):
        home_at(tmp_path / "home").journal.inspect("nothing")


def test_a_journal_knows_its_commits(tmp_path: Path) -> None:
    """`has_committed` is true from a commit under one of its leases until that is revoked."""
    home = home_at(tmp_path / "home")
    config = home.write("config", b"a")
    assert not home.journal.has_committed
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(config, b"a", b"b")])
        transaction.prepare()
        transaction.swap()
        assert not home.journal.has_committed
        transaction.commit()
        assert home.journal.has_committed
        transaction.restore_files()
        assert not home.journal.has_committed


def test_a_fresh_file_is_private_and_new(tmp_path: Path) -> None:
    """A temporary file replaces an older one of its name, whose readers lose access."""
    path = tmp_path / "new"
    for _ in range(2):
        fd = create_fresh(RealFs(), path)
        os.close(fd)
        assert (False, 0) == (others_may_read(path), path.stat().st_size)
        path.write_bytes(b"left")
        give_to_all(path)


# --- the lock ----------------------------------------------------------------------------------------------------


class RecordingLocks:
    """Locks that record their timeouts, and fail while there are errors left."""

    def __init__(self, *errors: OSError) -> None:
        self.errors, self.timeouts = list(errors), []

    def acquire(self, path: Path, timeout: float) -> NoLock:
        self.timeouts.append(timeout)
        if self.errors:
            raise self.errors.pop(0)
        return NoLock()


def test_retries_share_one_timeout(tmp_path: Path) -> None:
    """A second attempt gets the rest of the timeout."""
    locks = RecordingLocks(FileNotFoundError())
    home_at(tmp_path / "home", locks=locks).journal.acquire(command="x", timeout=60).__exit__(None, None, None)
    first, second = locks.timeouts
    assert 0 < second <= first <= 60


@pytest.mark.parametrize("error", [FileExistsError(errno.EEXIST, "no"), FileNotFoundError(errno.ENOENT, "no")])
def test_a_file_in_the_place_of_the_journal(tmp_path: Path, error: OSError) -> None:
    """A file at the journal's path raises StorageFailed at once."""
    home = home_at(tmp_path / "home", locks=RecordingLocks(error))
    path = home.write("journal", b"")
    with pytest.raises(StorageFailed) as failed:
        home.journal.acquire(command="x", timeout=60)
    assert (path / "lock", error.errno) == (failed.value.path, failed.value.errno)


def test_a_journal_is_private(tmp_path: Path) -> None:
    """Only the owner may read the folder, the lock and the holder's file."""
    home = home_at(tmp_path / "home")
    with home.journal.acquire(command="me", timeout=5):
        root = home.path / "journal"
        readable = {path.name: others_may_read(path) for path in (root, *root.iterdir())}
        assert {"journal": False, "lock": False, "holder.json": False} == readable
        with pytest.raises(LockBusy) as busy:
            home_at(home.path).journal.acquire(command="x", timeout=0)
        assert (os.getpid(), "me") == (busy.value.holder["pid"], busy.value.holder["command"])


# --- the history -------------------------------------------------------------------------------------------------

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def history_of(*ages: timedelta) -> SimFs:
    """Return a history with one line of each age, in this order."""
    fs = SimFs()
    fs.add_folder("/h")
    lines = [json.dumps({"id": str(number), "at": (NOW - age).isoformat()}) for number, age in enumerate(ages)]
    fs.add_file(Path("/h") / NAME, "".join(f"{line}\n" for line in lines).encode())
    return fs


def ids(fs: SimFs) -> list[str]:
    """Return the ids of every line in the file, also those over MAX_LINES."""
    return [json.loads(line)["id"] for line in (fs.data(Path("/h") / NAME) or b"").splitlines()]


FRESH, LAST_DAY, TOO_OLD = timedelta(0), MAX_AGE, MAX_AGE + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("ages", "kept"),
    [
        ([], []),
        ([FRESH], [0]),
        ([LAST_DAY, FRESH], [0, 1]),
        ([TOO_OLD, FRESH], [1]),
        ([FRESH, TOO_OLD], [0, 1]),  # only the age of the first line counts
        ([TOO_OLD, LAST_DAY, TOO_OLD], [1]),
        ([FRESH] * (2 * MAX_LINES - 1), range(2 * MAX_LINES - 1)),
        ([FRESH] * 2 * MAX_LINES, range(MAX_LINES + 1, 2 * MAX_LINES)),
        ([FRESH] * 3 * MAX_LINES, range(2 * MAX_LINES + 1, 3 * MAX_LINES)),
    ],
)
def test_the_lines_of_a_history(ages: list[timedelta], kept: list[int]) -> None:
    """Lines are appended until there are twice MAX_LINES or the first is too old; then the newest remain."""
    fs = history_of(*ages)
    add_to_history(fs, Path("/h"), {"id": "new", "at": NOW.isoformat()}, NOW)
    assert [*map(str, kept), "new"] == ids(fs)


def test_a_short_history_is_appended_to() -> None:
    """A short history is not rewritten; a long one is, durably and privately."""
    for ages, same in (([FRESH], True), ([LAST_DAY], True), ([TOO_OLD], False)):
        fs = history_of(*ages)
        before = fs.seen["/h/history.jsonl"]
        fs.log = []
        add_to_history(fs, Path("/h"), {"id": "new", "at": NOW.isoformat()}, NOW)
        assert same == (before == fs.seen["/h/history.jsonl"])
        steps = [line.partition(" ")[0] for line in fs.log]
        assert steps == (["write"] if same else ["create", "write", "fsync", "move"])
        assert 0o600 == fs.node("/h/history.jsonl").mode
        assert {} == fs.descriptors


@pytest.mark.parametrize(("over", "rewritten"), [(0, False), (1, True)])
def test_a_history_has_a_size(over: int, rewritten: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A history over MAX_BYTES is rewritten, however few its lines."""
    fs = history_of()
    line = {"id": "0", "at": NOW.isoformat(), "x": ""}
    line["x"] = "x" * (MAX_BYTES + over - len(json.dumps(line)) - 1)
    fs.add_file(Path("/h") / NAME, json.dumps(line).encode() + b"\n")
    before = fs.seen["/h/history.jsonl"]
    add_to_history(fs, Path("/h"), {"id": "new", "at": NOW.isoformat()}, NOW)
    assert rewritten == (before != fs.seen["/h/history.jsonl"])


@pytest.mark.parametrize("line", [b"no JSON", b"[]", b"1", b"{}", b'{"at": "2026-01-02"}', b'{"id": "x", "at": "y"}'])
def test_an_invalid_line_is_skipped(line: bytes) -> None:
    """Reading a history never raises."""
    fs = history_of(FRESH)
    fs.edit("/h/history.jsonl", (fs.data("/h/history.jsonl") or b"") + line + b"\n")
    assert ["0"] == [entry["id"] for entry in read_history(fs, Path("/h"))]


def test_the_newest_lines_are_returned() -> None:
    """`read_history` returns MAX_LINES entries, though the file may hold twice as many."""
    fs = history_of(*[FRESH] * (MAX_LINES + 7))
    assert [str(number) for number in range(7, MAX_LINES + 7)] == [one["id"] for one in read_history(fs, Path("/h"))]


@pytest.mark.parametrize(("what", "age"), [("read", FRESH), ("open", FRESH), ("write", FRESH), ("move", TOO_OLD)])
def test_a_history_that_cannot_be_written(tmp_path: Path, what: str, age: timedelta) -> None:
    """`add_to_history` raises StorageFailed, and a decided transaction still finishes."""
    fs, root = Failing(), tmp_path
    (root / NAME).write_text(json.dumps({"id": "0", "at": (NOW - age).isoformat()}) + "\n")
    fs.what = what
    with pytest.raises(StorageFailed) as failed:
        add_to_history(fs, root, {"id": "new", "at": NOW.isoformat()}, NOW)
    assert root / NAME == failed.value.path


# --- the lease ---------------------------------------------------------------------------------------------------


def test_a_pending_signal_finds_the_lock_released(tmp_path: Path) -> None:
    """A signal that arrives at the end of a lease finds the lock released."""
    home = home_at(tmp_path / "home")
    config = home.write("config", b"a")
    lease = home.journal.acquire(command="x", timeout=5)
    transaction = lease.begin(**BEGIN, changes=[change(config, b"a", b"b")])
    transaction.prepare()
    transaction.swap()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        lease.__exit__(None, None, None)
    with home.journal.acquire(command="next", timeout=0) as after:
        assert "rolled_back" == after.recover().kind


@pytest.mark.parametrize("what", ["", "unlink", "names"])
def test_a_lease_ends_quietly(tmp_path: Path, what: str) -> None:
    """Neither a missing holder's file nor a failing disk keeps the lock."""
    fs = Failing()
    home = home_at(tmp_path / "home", fs)
    with home.journal.acquire(command="x", timeout=5):
        (home.path / "journal" / "holder.json").unlink()
        fs.what = what
    fs.what = ""
    with home.journal.acquire(command="x", timeout=0):
        pass


def test_the_lock_of_a_journal_in_use_stays(tmp_path: Path) -> None:
    """The end of a lease removes a folder, with its lock, only where nothing else is in it."""
    home = home_at(tmp_path / "home")
    home.commit(change(home.path / "config", None, b"a"))
    assert ["history.jsonl", "lock"] == sorted(os.listdir(home.path / "journal"))


def test_a_transaction_id(tmp_path: Path) -> None:
    """A transaction id is its time and random digits; ids sort by time."""
    with home_at(tmp_path / "home").journal.acquire(command="x", timeout=0) as lease:
        assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", lease.begin(**BEGIN, changes=[]).id)


def test_the_next_holder_keeps_its_file(tmp_path: Path) -> None:
    """A lease that removed its journal leaves the folder of the next command alone."""
    home = home_at(tmp_path / "home")
    with home.journal.acquire(command="uninstall", timeout=5) as lease:
        lease.remove_journal()
        with home.journal.acquire(command="next", timeout=5):
            lease.__exit__(None, None, None)
            assert ["holder.json", "lock"] == sorted(os.listdir(home.path / "journal"))


def test_a_removed_journal_is_durably_gone() -> None:
    """The lock is removed last, then the folder, durably; a failure raises StorageFailed."""
    fs = SimFs()
    fs.add_folder("/h")
    with journal_on(fs, Machine()).acquire(command="uninstall", timeout=0) as lease:
        fs.add_file(ROOT / "history.jsonl", b"")
        fs.add_file(ROOT / "lock", b"")
        fs.log = []
        lease.remove_journal()
    root = ROOT.as_posix()
    assert [f"unlink {root}/history.jsonl", f"unlink {root}/holder.json", f"unlink {root}/lock"] == fs.log[:3]
    assert [f"remove_folder {root}", f"fsync_folder {ROOT.parent.as_posix()}"] == fs.log[3:]


def test_a_journal_that_cannot_be_removed(tmp_path: Path) -> None:
    """A failing removal raises StorageFailed with the folder's path."""
    fs = Failing()
    home = home_at(tmp_path / "home", fs)
    with home.journal.acquire(command="uninstall", timeout=5) as lease:
        fs.what = "unlink"
        with pytest.raises(StorageFailed) as failed:
            lease.remove_journal()
        fs.what = ""
    assert home.journal.root == failed.value.path


def test_a_lock_belongs_to_its_process(tmp_path: Path) -> None:
    """Another thread may release a lock."""
    with ThreadPoolExecutor() as elsewhere:
        lock = elsewhere.submit(NativeLocks().acquire, tmp_path / "lock", 0).result()
    lock.release()
    NativeLocks().acquire(tmp_path / "lock", 0).release()


# --- the operating system ----------------------------------------------------------------------------------------


def test_waiting_for_a_lock_ends_at_its_timeout(tmp_path: Path) -> None:
    """`acquire` waits no longer than its timeout."""
    lock = NativeLocks().acquire(tmp_path / "lock", 0)
    with pytest.raises(TimeoutError):
        NativeLocks().acquire(tmp_path / "lock", 0)
    with ThreadPoolExecutor() as elsewhere:
        waiting = elsewhere.submit(NativeLocks().acquire, tmp_path / "lock", 60)
        lock.release()
        waiting.result().release()


@pytest.mark.posix("flock, whose file can be renamed")
def test_a_link_to_the_lock_is_not_the_lock(tmp_path: Path) -> None:
    """A lock whose path has become a link is not acquired."""
    path = tmp_path / "lock"
    lock = _native(path)
    lock.acquire()
    path.rename(tmp_path / "moved")
    path.symlink_to("moved")
    assert not _is_same_file(lock, path)
    lock.release()


@pytest.mark.posix("extended attributes")
def test_the_file_operations_of_this_system(tmp_path: Path) -> None:
    """Sizes are exact, links are not followed, folders move, and every descriptor is closed."""
    fs, first = RealFs(), os.dup(0)
    os.close(first)
    fd = fs.create(tmp_path / "file", 0o600)
    fs.reserve(fd, 100)
    fs.close(fd)
    fs.fsync_folder(tmp_path)
    os.setxattr(tmp_path / "file", "user.note", b"1")
    (tmp_path / "link").symlink_to("file")
    assert (100, {}) == ((tmp_path / "file").stat().st_size, fs.xattrs(tmp_path / "link"))
    PosixFs().move_new(tmp_path / "link", tmp_path / "other")
    assert "file" == fs.readlink(tmp_path / "other")
    fs.make_folder(tmp_path / "folder", 0o700)
    fs.move_new(tmp_path / "folder", tmp_path / "moved")
    assert ["file", "moved", "other"] == sorted(fs.names(tmp_path))
    last = os.dup(0)
    os.close(last)
    assert first == last


@pytest.mark.posix("/proc, and pipes that fsync refuses")
def test_fsync_reaches_the_kernel() -> None:
    """Both kinds of fsync raise where the kernel refuses them."""
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError, match="Invalid argument"):
            RealFs().fsync(writer)
        with pytest.raises(OSError, match="Invalid argument"):
            RealFs().fsync_folder(Path("/proc"))
    finally:
        os.close(reader)
        os.close(writer)


class _Full(RealFs):
    """A disk that is full when a file is to be made durable."""

    def fsync(self, fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_failed_history_leaves_no_file(tmp_path: Path) -> None:
    """A failed write leaves neither a line nor a temporary file."""
    entry = {"id": "a", "at": "2026-01-02T03:04:05+00:00"}
    with pytest.raises(StorageFailed):
        add_to_history(_Full(), tmp_path, entry, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert list(tmp_path.iterdir()) == []
