"""Rare cases of the journal, once each: branches that no crash, fault or edit of the models reaches."""

from __future__ import annotations

import errno
import os
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from journal import ABSENT, Damaged, Drifted, JournalError, LockBusy, RealFs, StorageFailed, Unsupported
from journal.boot import boot_id
from journal.codec import MAX_LENGTH, frame, parse
from journal.fs import Metadata
from journal.history import MAX_LINES, NAME, add_to_history, read_history
from journal.recovery import Recovery
from journal.signals import SignalMask
from journal.staging import ACCESS_ACL, apply_metadata
from journal.target import missing_folders, require_replaceable, resolve
from tests.crash.simfs import Crash, SimFs
from tests.crash.world import HOME, INSTALL, ROOT, NoLock, Scenario, journal_on, key, recover, run
from tests.journal.support import change, home_at

if sys.platform != "win32":
    from journal._linux import rename
    from journal._posix import PosixFs
    from journal._posix_lock import _is_same_file, _native, _verified

BEGIN = {"command": "x", "argv": (), "from_state": "a", "to_state": "b"}


def framed(body: bytes) -> bytes:
    """Return a frame of these bytes with a valid checksum."""
    return b"%08x %06x " % (zlib.crc32(body), len(body)) + body + b"\n"


def test_a_record_may_be_too_long() -> None:
    """A record that is too long for the length field is refused."""
    with pytest.raises(ValueError, match="too long"):
        frame(0, {"t": "x" * MAX_LENGTH})


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'{"q": 1}'])
def test_a_valid_checksum_is_not_enough(body: bytes) -> None:
    """A frame without a record of the next number ends the log."""
    assert ((), 0) == (parse(framed(body)).records, parse(framed(body)).length)


class Locks:
    """Locks that fail in one way."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def acquire(self, path: Path, timeout: float) -> NoLock:
        raise self._error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), LockBusy),
        (FileNotFoundError(), LockBusy),  # its folder was removed again and again until the timeout
        (OSError(errno.ENOLCK, "no locks here"), StorageFailed),
    ],
)
def test_a_lock_that_cannot_be_acquired(tmp_path: Path, error: OSError, expected: type[JournalError]) -> None:
    """The error has its type, and an empty holder where none is known."""
    home = home_at(tmp_path, locks=Locks(error))
    with pytest.raises(expected) as caught:
        home.journal.acquire(command="x", timeout=0)
    assert not isinstance(caught.value, LockBusy) or caught.value.holder == {}


@pytest.mark.posix("flock")
def test_an_unlocked_lock_has_no_file(tmp_path: Path) -> None:
    """A lock that was never acquired has no descriptor to compare."""
    assert not _is_same_file(_native(tmp_path / "lock"), tmp_path / "lock")


@pytest.mark.posix("flock")
@pytest.mark.parametrize("replaced", [True, False])
def test_a_lock_of_another_file_is_released(tmp_path: Path, replaced: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A lock counts only while its path is still its own file."""
    path = tmp_path / "lock"
    lock = _native(path)
    lock.acquire()
    path.unlink()
    if replaced:
        path.touch()
    with pytest.raises(FileNotFoundError):
        _verified(lock, path)
    assert not lock.is_locked


def test_a_machine_without_boot_ids(tmp_path: Path) -> None:
    """The boot id is "" where the kernel has none, so that all boots are equal."""
    assert boot_id(tmp_path / "none") == ""


def test_signals_are_blocked_once() -> None:
    """Blocking or restoring twice has no further effect."""
    mask = SignalMask()
    mask.block()
    mask.block()
    mask.restore()
    mask.restore()


def test_absent_has_a_name() -> None:
    """The repr of ABSENT is readable."""
    assert repr(ABSENT) == "ABSENT"


# --- the real file system ----------------------------------------------------------------------------------------


@pytest.mark.posix("extended attributes")
def test_attributes_of_a_missing_file(tmp_path: Path) -> None:
    """Only a file system without attributes returns none; any other failure raises."""
    with pytest.raises(FileNotFoundError):
        RealFs().xattrs(tmp_path / "none")
    assert RealFs().xattrs(Path("/proc/self/stat")) == {}


@pytest.mark.posix("posix_fallocate")
def test_reserving_in_a_pipe() -> None:
    """A file that cannot be reserved raises, except where the file system has no such operation."""
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError, match="seek"):
            RealFs().reserve(writer, 1)
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.posix("posix_fallocate")
def test_reserving_is_best_effort(tmp_path: Path) -> None:
    """A file system without preallocation is no error."""
    fd = RealFs().create(tmp_path / "file", 0o600)
    RealFs().reserve(fd, 0)  # EINVAL, as from a kernel without preallocation
    RealFs().close(fd)


@pytest.mark.posix("extended attributes")
def test_an_attribute_is_dropped(tmp_path: Path) -> None:
    """A dropped attribute is gone."""
    path = tmp_path / "file"
    fs = RealFs()
    fd = fs.create(path, 0o600)
    try:
        fs.set_xattr(fd, "user.note", b"1")
        fs.drop_xattr(fd, "user.note")
        assert fs.xattrs(path) == {}
    finally:
        fs.close(fd)


@pytest.mark.posix("a rename by a link")
def test_a_new_name_by_a_link(tmp_path: Path) -> None:
    """If the kernel cannot rename without replacing, a hard link refuses an existing name."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    PosixFs().move_new(source, target)
    assert (b"new", False) == (target.read_bytes(), source.exists())
    source.write_bytes(b"newer")
    with pytest.raises(FileExistsError):
        PosixFs().move_new(source, target)


@pytest.mark.posix("renameat2")
def test_an_unknown_rename_flag(tmp_path: Path) -> None:
    """`rename` returns False, and renames nothing."""
    (tmp_path / "source").touch()
    assert not rename(tmp_path / "source", tmp_path / "target", 1 << 20)


# --- files and their attributes ----------------------------------------------------------------------------------


class Denying(SimFs):
    """A file system that refuses one operation."""

    def __init__(self, denied: str) -> None:
        super().__init__()
        self.denied = denied
        self.add_folder("/h")

    def set_owner(self, fd: int, uid: int, gid: int) -> None:
        self._deny("set_owner")

    def set_xattr(self, fd: int, name: str, value: bytes) -> None:
        self._deny("set_xattr")

    def _deny(self, what: str) -> None:
        if what == self.denied:
            raise PermissionError(errno.EPERM, "no")


@pytest.mark.parametrize(
    ("denied", "meta", "refused"),
    [
        ("set_owner", Metadata(mode=0o600, uid=7, gid=7), True),
        ("set_xattr", Metadata(mode=0o600, uid=0, gid=0, xattrs=(("user.note", b"1"),)), True),
        ("set_xattr", Metadata(mode=0o600, uid=0, gid=0, xattrs=(("security.selinux", b"1"),)), False),
    ],
)
def test_metadata_that_cannot_be_kept(denied: str, meta: Metadata, refused: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Owner and attributes are kept or the file is refused; security labels are the kernel's."""
    fs = Denying(denied)
    path = Path("/h/file")
    fd = fs.create(path, 0o600)
    if refused:
        with pytest.raises(Unsupported, match="cannot be kept"):
            apply_metadata(fs, fd, path, meta)
    else:
        apply_metadata(fs, fd, path, meta)


def test_an_inherited_acl_is_dropped() -> None:
    """A new file drops its folder's default ACL where the old file had no ACL."""
    fs = SimFs()
    fs.add_folder("/h")
    fs.add_file("/h/file", b"", xattrs=((ACCESS_ACL, b"acl"),))
    fd = fs.open(Path("/h/file"))
    apply_metadata(fs, fd, Path("/h/file"), Metadata(mode=0o600, uid=0, gid=0))
    assert {} == fs.xattrs(Path("/h/file"))


def test_a_link_may_contain_dots() -> None:
    """`..` in a link resolves to the parent folder."""
    fs = SimFs()
    for folder in ("/h", "/h/a", "/h/b"):
        fs.add_folder(folder)
    fs.add_link("/h/a/link", "../b/file")
    assert Path("/h/b/file") == resolve(fs, Path("/h/a/link")).target


def test_a_mount_point_is_refused() -> None:
    """A file on another device than its folder cannot be replaced by a rename."""

    class Mounted(SimFs):
        def lstat(self, path: Path) -> object:
            stat = super().lstat(path)
            return replace(stat, device=2) if path.name == "file" else stat

    fs = Mounted()
    fs.add_folder("/h")
    fs.add_file("/h/file", b"")
    with pytest.raises(Unsupported, match="mount point"):
        require_replaceable(fs, Path("/h/file"))


def test_every_folder_may_be_missing() -> None:
    """On a file system without a root, all parents are missing."""

    class Nothing(SimFs):
        def lstat(self, path: Path) -> object:
            raise FileNotFoundError

    assert (Path("/"), Path("/a")) == missing_folders(Nothing(), Path("/a/b"))


def test_an_unchanged_file_that_changed_is_drift(tmp_path: Path) -> None:
    """A change without effect is checked for drift too."""
    home = home_at(tmp_path / "home")
    path = home.write("file", b"other")
    with pytest.raises(Drifted):
        home.commit(change(path, b"same", b"same"))


# --- transactions ------------------------------------------------------------------------------------------------


def test_one_history_line_a_transaction() -> None:
    """A transaction that has a line gets no second one."""
    fs, root = SimFs(), Path("/h")
    fs.add_folder(root)
    entry = {"id": "one", "at": "2026-01-02T03:04:05+00:00"}
    for _ in range(2):
        add_to_history(fs, root, entry, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert (entry,) == read_history(fs, root)


def test_a_long_history_is_cut() -> None:
    """Twice MAX_LINES are cut to the newest ones."""
    fs, root = SimFs(), Path("/h")
    fs.add_folder(root)
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for number in range(2 * MAX_LINES + 1):
        add_to_history(fs, root, {"id": str(number), "at": now.isoformat()}, now)
    assert MAX_LINES == (fs.data(root / NAME) or b"").count(b"\n") == len(read_history(fs, root))


def test_a_log_without_a_beginning_is_damage(tmp_path: Path) -> None:
    """It is reported without a file, and refused."""
    home = home_at(tmp_path / "home")
    with home.journal.acquire(command="x", timeout=5) as lease:
        home.write("journal/tx.open", b"nothing")
        assert {"id": "tx", "files": [], "workers": [], "state": "damaged", "decision": "refuse"} == (
            home.journal.inspect("tx")
        )
        with pytest.raises(Damaged):
            lease.recover()
    with pytest.raises(JournalError):
        home.journal.inspect("another")


def test_the_state_of_an_interrupted_file_is_reported(tmp_path: Path) -> None:
    """It is "before", "after", "absent", "other" or "unreadable"."""
    home = home_at(tmp_path / "home")
    names = ("before", "after", "absent", "other", "unreadable")
    paths = [home.write(name, b"old") for name in names]
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(path, b"old", b"new") for path in paths])
        transaction.prepare()
        paths[1].write_bytes(b"new")
        paths[2].unlink()
        paths[3].write_bytes(b"x")
        paths[4].unlink()
        paths[4].mkdir()
        assert list(names) == [file["now"] for file in home.journal.inspect(transaction.id)["files"]]
        assert not lease.has_committed


def test_a_transaction_of_workers_alone_commits(tmp_path: Path) -> None:
    """A transaction without files is decided like any other."""
    home = home_at(tmp_path / "home")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=[])
        transaction.prepare()
        transaction.commit()
        assert lease.has_committed
        transaction.retract_workers()
        assert not lease.has_committed
        transaction.close_rolled_back("test")
    assert () == home.journal.interrupted()


def test_parked_bytes_keep_the_folder(tmp_path: Path) -> None:
    """Parked content belongs to the user: `remove_journal` leaves it, and nothing else."""
    home = home_at(tmp_path / "home")
    with home.journal.acquire(command="x", timeout=5) as lease:
        parked = home.write("journal/tx.x0-12345678", b"theirs")
        lease.remove_journal()
    assert [parked] == list((home.path / "journal").iterdir())


def interfering(on: Callable[[SimFs, str], None]) -> SimFs:
    fs = INSTALL.world()
    fs.on_step = lambda fs, what, about: on(fs, what) if about == "/h/config" else None
    return fs


def play(fs: SimFs, scenario: Scenario = INSTALL) -> None:
    """Run the command with interference before each operation, then recover without it."""
    machine = scenario.machine()
    run(journal_on(fs, machine), scenario, machine)
    fs.on_step = None
    recover(fs, machine)


def test_a_writer_that_never_pauses_wins() -> None:
    """A program that writes before each of our swaps stops the command, and its last write stays."""
    texts = iter(range(1000))

    def write(fs: SimFs, what: str) -> None:
        if what == "exchange":
            fs.edit("/h/config", b"url=upstream\nuser=%d\n" % next(texts))

    fs = interfering(write)
    play(fs)
    assert (fs.data("/h/config") or b"").startswith(b"url=upstream\nuser=")
    assert [] == [path for path, _ in fs.files() if "/." in path]


def killed(at: str) -> SimFs:
    """Return the world of an install that dies after its first operation of this kind on config."""
    fs, ends = INSTALL.world(), []
    fs.on_step = lambda fs, what, about: ends.append((what, about, fs.after_kill()))
    machine = INSTALL.machine()
    run(journal_on(fs, machine), INSTALL, machine)
    number = next(number for number, (what, about, _) in enumerate(ends) if (what, about) == (at, "/h/config"))
    return ends[number + 1][2]


def test_a_recovery_beside_a_writer_that_never_pauses() -> None:
    """Recovery gives up in favour of the writer, and names the file as a conflict."""
    fs = killed("exchange")
    texts = iter(range(1000))
    fs.edit("/h/config", b"url=proxy\nuser=%d\n" % next(texts))
    fs.on_step = lambda fs, what, about: (
        fs.edit("/h/config", b"url=proxy\nuser=%d\n" % next(texts)) if about == "/h/config" else None
    )
    recovery = recover(fs, INSTALL.machine())
    assert ("conflict", ((str(HOME / "config"),),)) == (recovery.kind, recovery.conflicts)


def edited_during_the_roll_back(*texts: bytes) -> tuple[SimFs, Recovery]:
    """Roll a killed swap back while others write before each operation on the file."""
    fs, left = killed("exchange"), iter(texts)

    def write(fs: SimFs, what: str, about: str) -> None:
        if about == "/h/config" and (text := next(left, None)):
            fs.edit("/h/config", text)

    fs.on_step = write
    return fs, recover(fs, INSTALL.machine())


def test_an_edit_at_the_instant_of_the_roll_back() -> None:
    """Content that the roll back displaces is foreign too: our key is removed from it."""
    fs, recovery = edited_during_the_roll_back(b"url=proxy\nuser=2\n")
    assert ("rolled_back", []) == (recovery.kind, recovery.transactions[0]["parked"])
    assert b"url=upstream\nuser=2\n" == fs.data("/h/config")


def test_two_edits_at_the_instants_of_the_roll_back() -> None:
    """The later edit stays in the target; the earlier one, which its writer had not read, is parked and reported."""
    fs, recovery = edited_during_the_roll_back(b"url=proxy\nuser=2\n", b"url=direct\nuser=3\n")
    [parked] = recovery.transactions[0]["parked"]
    assert ("conflict", b"url=proxy\nuser=2\n") == (recovery.kind, fs.data(ROOT / parked))
    assert b"url=direct\nuser=3\n" == fs.data("/h/config")


def test_a_folder_in_the_place_of_a_file() -> None:
    """A folder that replaces the target just before the swap is there in the end."""
    instants = iter(["now"])

    def occupy(fs: SimFs, what: str) -> None:
        if what == "exchange" and next(instants, None):
            fs.delete("/h/config")
            fs.add_folder("/h/config")

    fs = interfering(occupy)
    play(fs)
    assert 1 == sum("config" in path for path in fs.folders())


def test_a_folder_that_a_swap_displaced() -> None:
    """A displaced folder stays beside the target where that is a file again at recovery."""
    fs = killed("exchange")
    [displaced] = [path for path in fs.seen if path.startswith("/h/.config.")]
    fs.delete(displaced)
    fs.add_folder(displaced)
    fs.edit("/h/config", b"url=upstream\nuser=2\n")
    recover(fs, INSTALL.machine())
    assert [displaced] == [path for path in fs.folders() if "config" in path]


def test_half_of_our_keys_in_a_new_file() -> None:
    """Others write one of our two keys to a file that we just created: the other key is merged into it."""
    edits = (key("a", ABSENT, "1"), key("b", ABSENT, "1"))
    made = change(Path("/h/new"), None, b"a=1\nb=1\n", *edits)
    scenario = replace(INSTALL, files={}, modes={}, changes=(made,), worker=False)
    fs = scenario.world()
    instants = iter(["now"])

    def halve(fs: SimFs, what: str, about: str) -> None:
        if what == "fsync_folder" and fs.data("/h/new") and next(instants, None):
            fs.edit("/h/new", b"a=1\n")

    fs.on_step = halve
    play(fs, scenario)
    assert b"a=1\nb=1\n" == fs.data("/h/new")


def test_a_link_that_became_a_cycle() -> None:
    """If the path no longer resolves, the recorded target is rolled back."""
    fs, machine = INSTALL.world(), INSTALL.machine()

    def die(fs: SimFs, what: str, about: str) -> None:
        if what == "fsync" and any(path.endswith(".open") for path in fs.seen) and fs.data("/h/state/secret"):
            fs.dead = True

    fs.on_step = die
    with pytest.raises(Crash):
        run(journal_on(fs, machine), INSTALL, machine)
    dead = fs.after_kill()
    dead.delete("/h/hooks")
    dead.add_link("/h/hooks", "/h/hooks")
    recover(dead, machine)
    assert () == journal_on(dead, machine).interrupted()


def test_a_command_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    """A lease without a transaction leaves nothing; a journal with a history stays."""
    home = home_at(tmp_path / "home")
    path = home.write("file", b"old")
    with home.journal.acquire(command="x", timeout=5):
        pass
    with pytest.raises(Drifted):
        home.commit(change(path, b"other", b"new"))
    assert [path] == list(home.path.iterdir())
    home.commit(change(path, b"old", b"new"))
    with home.journal.acquire(command="x", timeout=5):
        pass
    assert 1 == len(home.journal.history())


def test_a_folder_that_was_removed_during_the_wait(tmp_path: Path) -> None:
    """After a finished uninstall a waiting process makes folder and lock anew."""
    moments = iter([FileNotFoundError()])

    class Gone:
        def acquire(self, path: Path, timeout: float) -> NoLock:
            if error := next(moments, None):
                raise error
            return NoLock()

    with home_at(tmp_path / "home", locks=Gone()).journal.acquire(command="x", timeout=5):
        assert None is next(moments, None)


def test_files_of_a_dead_command_are_not_clean(tmp_path: Path) -> None:
    """Images of a transaction that was never prepared are not clean; lock, history and parked content are."""
    home = home_at(tmp_path / "home")
    assert home.journal.is_clean()
    for name in ("lock", "history.jsonl", "tx.x0-12345678"):
        home.write(f"journal/{name}", b"")
    assert home.journal.is_clean()
    home.write("journal/tx.b", b"")
    assert not home.journal.is_clean()


def test_a_missing_image_is_damage() -> None:
    """A swapped file without its before-image is left alone, and reported."""
    fs = killed("exchange")
    for path in [path for path in fs.seen if path.startswith("/h/.config.") or path.endswith(".b")]:
        fs.delete(path)
    with pytest.raises(Damaged):
        recover(fs, INSTALL.machine())
    assert b"url=proxy" in (fs.data("/h/config") or b"")


def test_a_staged_file_that_somebody_removes() -> None:
    """Without its staged file the command rolls back."""

    def remove(fs: SimFs, what: str) -> None:
        for path in [path for path in fs.seen if what == "exchange" and path.startswith("/h/.config.")]:
            fs.delete(path)

    fs = interfering(remove)
    play(fs)
    assert INSTALL.files["/h/config"] == fs.data("/h/config")


def test_a_missing_image_and_a_foreign_file() -> None:
    """A foreign file stays, and is a conflict, where no staged file is there."""
    fs = killed("exchange")
    for path in [path for path in fs.seen if path.startswith("/h/.config.") or path.endswith(".b")]:
        fs.delete(path)
    fs.edit("/h/config", b"theirs=1\n")
    recovery = recover(fs, INSTALL.machine())
    assert ((str(HOME / "config"),),) == recovery.conflicts
    assert b"theirs=1\n" == fs.data("/h/config")
