"""What hardly ever happens to a journal, each once: the branches that no crash, fault or edit reaches."""

from __future__ import annotations

import errno
import os
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
from journal.lock import _is_same_file, _native, _verified
from journal.real_fs import link_new
from journal.recovery import Recovery
from journal.rename import rename
from journal.signals import SignalMask
from journal.staging import ACCESS_ACL, apply_metadata
from journal.target import missing_folders, require_replaceable, resolve
from tests.crash.simfs import Crash, SimFs
from tests.crash.world import INSTALL, ROOT, NoLock, Scenario, journal_on, key, recover, run
from tests.journal.support import change, home_at

BEGIN = {"command": "x", "argv": (), "from_state": "a", "to_state": "b"}


def framed(body: bytes) -> bytes:
    """A frame whose checksum is right, whatever it holds."""
    return b"%08x %06x " % (zlib.crc32(body), len(body)) + body + b"\n"


def test_a_frame_has_an_end() -> None:
    """A record that the length field cannot tell is refused when it is written."""
    with pytest.raises(ValueError, match="too long"):
        frame(0, {"t": "x" * MAX_LENGTH})


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'{"q": 1}'])
def test_a_right_checksum_is_not_enough(body: bytes) -> None:
    """A frame that holds no record with the next number ends the log."""
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
        (FileNotFoundError(), LockBusy),  # its folder went again and again, until there was no time left
        (OSError(errno.ENOLCK, "no locks here"), StorageFailed),
    ],
)
def test_a_lock_that_cannot_be_had(tmp_path: Path, error: OSError, expected: type[JournalError]) -> None:
    """Who waits in vain is told so, even where nobody's name can be read."""
    home = home_at(tmp_path, locks=Locks(error))
    with pytest.raises(expected) as caught:
        home.journal.acquire(command="x", timeout=0)
    assert not isinstance(caught.value, LockBusy) or caught.value.holder == {}


def test_an_unheld_lock_is_nobody_s(tmp_path: Path) -> None:
    """A lock that was never taken has no file."""
    assert not _is_same_file(_native(tmp_path / "lock"), tmp_path / "lock")


@pytest.mark.parametrize("replaced", [True, False])
def test_a_lock_of_another_file_is_given_up(tmp_path: Path, replaced: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A lock counts only while its own file stands under the name."""
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
    """Where the kernel tells no boot id, all boots are one."""
    assert boot_id(tmp_path / "none") == ""


def test_signals_are_held_once() -> None:
    """Holding twice and releasing twice is holding and releasing."""
    mask = SignalMask()
    mask.block()
    mask.block()
    mask.restore()
    mask.restore()


def test_absent_has_a_name() -> None:
    """It reads as what it is in a failing test."""
    assert repr(ABSENT) == "ABSENT"


# --- the real file system ----------------------------------------------------------------------------------------


def test_attributes_of_what_is_not_there(tmp_path: Path) -> None:
    """Only a file system without attributes has none; another failure is told."""
    with pytest.raises(FileNotFoundError):
        RealFs().xattrs(tmp_path / "none")
    assert RealFs().xattrs(Path("/proc/self/stat")) == {}


def test_reserving_where_it_cannot_be_done() -> None:
    """No room ahead where the file system has no such thing; another failure is told."""
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError, match="seek"):
            RealFs().reserve(writer, 1)
    finally:
        os.close(reader)
        os.close(writer)


def test_no_room_is_no_error(tmp_path: Path) -> None:
    """A file system that cannot reserve is left at that."""
    fd = RealFs().create(tmp_path / "file", 0o600)
    RealFs().reserve(fd, 0)  # EINVAL, as a kernel without it answers
    RealFs().close(fd)


def test_attributes_go(tmp_path: Path) -> None:
    """An attribute that is dropped is gone."""
    path = tmp_path / "file"
    fs = RealFs()
    fd = fs.create(path, 0o600)
    try:
        fs.set_xattr(fd, "user.note", b"1")
        fs.drop_xattr(fd, "user.note")
        assert fs.xattrs(path) == {}
    finally:
        fs.close(fd)


def test_a_new_name_by_a_link(tmp_path: Path) -> None:
    """Where the kernel cannot rename without replacing, a link refuses a name that is taken."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    link_new(source, target)
    assert (b"new", False) == (target.read_bytes(), source.exists())
    source.write_bytes(b"newer")
    with pytest.raises(FileExistsError):
        link_new(source, target)


def test_a_flag_that_the_kernel_does_not_know(tmp_path: Path) -> None:
    """It says so, and nothing is renamed."""
    (tmp_path / "source").touch()
    assert not rename(tmp_path / "source", tmp_path / "target", 1 << 20)


# --- files and their attributes ----------------------------------------------------------------------------------


class Denying(SimFs):
    """Refuses one operation."""

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
def test_what_a_file_cannot_keep(denied: str, meta: Metadata, refused: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Owner and attributes are kept or the file is refused; labels are the kernel's to give."""
    fs = Denying(denied)
    path = Path("/h/file")
    fd = fs.create(path, 0o600)
    if refused:
        with pytest.raises(Unsupported, match="cannot be kept"):
            apply_metadata(fs, fd, path, meta)
    else:
        apply_metadata(fs, fd, path, meta)


def test_an_inherited_acl_goes() -> None:
    """A folder's default ACL on a new file is not the ACL of the old one."""
    fs = SimFs()
    fs.add_folder("/h")
    fs.add_file("/h/file", b"", xattrs=((ACCESS_ACL, b"acl"),))
    fd = fs.open(Path("/h/file"))
    apply_metadata(fs, fd, Path("/h/file"), Metadata(mode=0o600, uid=0, gid=0))
    assert {} == fs.xattrs(Path("/h/file"))


def test_a_link_may_go_up() -> None:
    """`..` in a link leads to the folder above."""
    fs = SimFs()
    for folder in ("/h", "/h/a", "/h/b"):
        fs.add_folder(folder)
    fs.add_link("/h/a/link", "../b/file")
    assert Path("/h/b/file") == resolve(fs, Path("/h/a/link")).target


def test_a_mount_point_is_refused() -> None:
    """A file on another device than its folder cannot be renamed onto."""

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
    """On a file system without a root, all parents are to be made."""

    class Nothing(SimFs):
        def lstat(self, path: Path) -> object:
            raise FileNotFoundError

    assert (Path("/"), Path("/a")) == missing_folders(Nothing(), Path("/a/b"))


def test_an_unchanged_file_that_changed_is_drift(tmp_path: Path) -> None:
    """A file that is compared only must be as planned too."""
    home = home_at(tmp_path / "home")
    path = home.write("file", b"other")
    with pytest.raises(Drifted):
        home.commit(change(path, b"same", b"same"))


# --- transactions ------------------------------------------------------------------------------------------------


def test_one_history_line_a_transaction() -> None:
    """A line that is there already is not written again."""
    fs, root = SimFs(), Path("/h")
    fs.add_folder(root)
    entry = {"id": "one", "at": "2026-01-02T03:04:05+00:00"}
    for _ in range(2):
        add_to_history(fs, root, entry, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert (entry,) == read_history(fs, root)


def test_a_long_history_is_cut() -> None:
    """Twice as many lines as are kept are too many."""
    fs, root = SimFs(), Path("/h")
    fs.add_folder(root)
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for number in range(2 * MAX_LINES + 1):
        add_to_history(fs, root, {"id": str(number), "at": now.isoformat()}, now)
    assert MAX_LINES == (fs.data(root / NAME) or b"").count(b"\n") == len(read_history(fs, root))


def test_a_log_without_a_beginning_is_damage(tmp_path: Path) -> None:
    """It is told without a file, and refused."""
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


def test_what_an_interrupted_file_holds_is_told(tmp_path: Path) -> None:
    """Before, after, absent, other or unreadable."""
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


def test_workers_alone_commit(tmp_path: Path) -> None:
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
    """What was parked is the user's: dismantling leaves it, and nothing else."""
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
    """Run the command beside whoever interferes, and recover in peace."""
    machine = scenario.machine()
    run(journal_on(fs, machine), scenario, machine)
    fs.on_step = None
    recover(fs, machine)


def test_a_writer_who_never_rests_wins() -> None:
    """One that writes before each of our swaps stops the command, and is left alone with what it wrote last."""
    texts = iter(range(1000))

    def write(fs: SimFs, what: str) -> None:
        if what == "exchange":
            fs.edit("/h/config", b"url=upstream\nuser=%d\n" % next(texts))

    fs = interfering(write)
    play(fs)
    assert (fs.data("/h/config") or b"").startswith(b"url=upstream\nuser=")
    assert [] == [path for path, _ in fs.files() if "/." in path]


def killed(at: str) -> SimFs:
    """The world of an install that dies after its first operation of this kind on config."""
    fs, ends = INSTALL.world(), []
    fs.on_step = lambda fs, what, about: ends.append((what, about, fs.after_kill()))
    machine = INSTALL.machine()
    run(journal_on(fs, machine), INSTALL, machine)
    number = next(number for number, (what, about, _) in enumerate(ends) if (what, about) == (at, "/h/config"))
    return ends[number + 1][2]


def test_a_recovery_beside_a_writer_who_never_rests() -> None:
    """It gives up in favour of the writer, and says which file it could not give back."""
    fs = killed("exchange")
    texts = iter(range(1000))
    fs.edit("/h/config", b"url=proxy\nuser=%d\n" % next(texts))
    fs.on_step = lambda fs, what, about: (
        fs.edit("/h/config", b"url=proxy\nuser=%d\n" % next(texts)) if about == "/h/config" else None
    )
    recovery = recover(fs, INSTALL.machine())
    assert ("conflict", (("/h/config",),)) == (recovery.kind, recovery.conflicts)


def edited_while_given_back(*texts: bytes) -> tuple[SimFs, Recovery]:
    """A killed swap is taken back, and others write just before each act on the file."""
    fs, left = killed("exchange"), iter(texts)

    def write(fs: SimFs, what: str, about: str) -> None:
        if about == "/h/config" and (text := next(left, None)):
            fs.edit("/h/config", text)

    fs.on_step = write
    return fs, recover(fs, INSTALL.machine())


def test_an_edit_at_the_instant_of_giving_back() -> None:
    """What the displaced file displaces in its turn is no less somebody's: our key is given back in it."""
    fs, recovery = edited_while_given_back(b"url=proxy\nuser=2\n")
    assert ("rolled_back", []) == (recovery.kind, recovery.transactions[0]["parked"])
    assert b"url=upstream\nuser=2\n" == fs.data("/h/config")


def test_two_edits_at_the_instants_of_giving_back() -> None:
    """The later one stays under the name; the earlier one, which its writer did not know, is parked, and said."""
    fs, recovery = edited_while_given_back(b"url=proxy\nuser=2\n", b"url=direct\nuser=3\n")
    [parked] = recovery.transactions[0]["parked"]
    assert ("conflict", b"url=proxy\nuser=2\n") == (recovery.kind, fs.data(ROOT / parked))
    assert b"url=direct\nuser=3\n" == fs.data("/h/config")


def test_a_folder_in_the_place_of_a_file() -> None:
    """Somebody puts a folder there at the instant of the swap: it is theirs, and is there in the end."""
    instants = iter(["now"])

    def occupy(fs: SimFs, what: str) -> None:
        if what == "exchange" and next(instants, None):
            fs.delete("/h/config")
            fs.add_folder("/h/config")

    fs = interfering(occupy)
    play(fs)
    assert 1 == sum("config" in path for path in fs.folders())


def test_a_folder_that_a_swap_displaced() -> None:
    """Where a text stands again under the name when recovery looks, the folder stays beside it."""
    fs = killed("exchange")
    [displaced] = [path for path in fs.seen if path.startswith("/h/.config.")]
    fs.delete(displaced)
    fs.add_folder(displaced)
    fs.edit("/h/config", b"url=upstream\nuser=2\n")
    recover(fs, INSTALL.machine())
    assert [displaced] == [path for path in fs.folders() if "config" in path]


def test_half_of_our_keys_in_a_new_file() -> None:
    """Others write a file with one of two keys of ours where we have just made it: the other one is added."""
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


def test_a_name_that_became_a_circle() -> None:
    """A link that leads nowhere by now leaves the recorded place, which is given back."""
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
    """Who took the lock and began nothing leaves nothing; a journal with a history stays."""
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


def test_a_folder_that_went_while_it_was_waited_for(tmp_path: Path) -> None:
    """A finished uninstall takes folder and lock along: who waited makes them anew."""
    moments = iter([FileNotFoundError()])

    class Gone:
        def acquire(self, path: Path, timeout: float) -> NoLock:
            if error := next(moments, None):
                raise error
            return NoLock()

    with home_at(tmp_path / "home", locks=Gone()).journal.acquire(command="x", timeout=5):
        assert None is next(moments, None)


def test_what_is_left_of_a_dead_command_is_seen(tmp_path: Path) -> None:
    """Images of a transaction that died before it began are untidy; lock, history and parked bytes are not."""
    home = home_at(tmp_path / "home")
    assert home.journal.is_clean()
    for name in ("lock", "history.jsonl", "tx.x0-12345678"):
        home.write(f"journal/{name}", b"")
    assert home.journal.is_clean()
    home.write("journal/tx.b", b"")
    assert not home.journal.is_clean()


def test_an_image_that_is_gone_is_damage() -> None:
    """A switched file whose before-image nobody has any more is left alone, and said."""
    fs = killed("exchange")
    for path in [path for path in fs.seen if path.startswith("/h/.config.") or path.endswith(".b")]:
        fs.delete(path)
    with pytest.raises(Damaged):
        recover(fs, INSTALL.machine())
    assert b"url=proxy" in (fs.data("/h/config") or b"")


def test_a_staged_file_that_somebody_removes() -> None:
    """Nothing can be put in place then: the command turns back."""

    def remove(fs: SimFs, what: str) -> None:
        for path in [path for path in fs.seen if what == "exchange" and path.startswith("/h/.config.")]:
            fs.delete(path)

    fs = interfering(remove)
    play(fs)
    assert INSTALL.files["/h/config"] == fs.data("/h/config")


def test_an_image_that_is_gone_and_a_file_that_is_not_ours() -> None:
    """Where others wrote since, and nothing of ours lies there, their file stays and is named."""
    fs = killed("exchange")
    for path in [path for path in fs.seen if path.startswith("/h/.config.") or path.endswith(".b")]:
        fs.delete(path)
    fs.edit("/h/config", b"theirs=1\n")
    recovery = recover(fs, INSTALL.machine())
    assert (("/h/config",),) == recovery.conflicts
    assert b"theirs=1\n" == fs.data("/h/config")
