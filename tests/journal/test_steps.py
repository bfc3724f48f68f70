"""Single steps of the journal: their result, their errors, and the order of their operations."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from journal import (
    ABSENT,
    Damaged,
    Drifted,
    FileChange,
    JournalError,
    KeyEdit,
    RealFs,
    StorageFailed,
    Unsupported,
    WorkerRecord,
)
from journal.cleanup import (
    make_folders,
    remove_all,
    remove_folders,
    remove_if_empty,
    remove_transaction_files,
    sweep_orphans,
)
from journal.codec import frame, parse
from journal.intents import Digester
from journal.preflight import folders_to_make
from journal.redact import redacted_value
from journal.staging import StagingArea, park
from journal.target import MAX_LINKS, missing_folders, require_replaceable, resolve
from tests.access import give_to_all, rights
from tests.crash.simfs import Fault, SimFs
from tests.crash.world import Machine, journal_on
from tests.journal.support import Home, WithoutExchange, change, home_at, roll_back
from tests.systems import WINDOWS

BEGIN = {"command": "x", "argv": (), "from_state": "a", "to_state": "b"}
H = Path("/h")
OURS = KeyEdit(path=("ours",), before=ABSENT, after="1")


def world(*files: str, folders: tuple[str, ...] = ("/h",)) -> SimFs:
    fs = SimFs()
    for folder in folders:
        fs.add_folder(folder)
    for name in files:
        fs.add_file(name, b"")
    fs.log = []
    return fs


def left(fs: SimFs) -> set[str]:
    return {path for path, _ in fs.files()}


# --- making and removing -----------------------------------------------------------------------------------------


def test_orphans_are_swept_and_nothing_else() -> None:
    """Orphans are images without an open log and incomplete files; other files of the folder stay."""
    live = {"/h/tx1.open", "/h/tx1.b", "/h/tx1.b0.1", "/h/tx2.x0-12345678", "/h/lock", "/h/history.jsonl"}
    dead = {"/h/tx2.b", "/h/tx2.b3.1", "/h/tx1.new", "/h/history.new", "/h/tx1.x0-12345678.part"}
    fs = world(*live, *dead)
    sweep_orphans(fs, H)
    assert live == left(fs)


@pytest.mark.parametrize(
    ("error", "went"),
    [(None, True), (errno.ENOENT, False), (errno.ENOTEMPTY, False), (errno.EEXIST, False), (errno.EACCES, None)],
)
def test_an_empty_folder_is_removed(error: int | None, went: bool | None) -> None:  # noqa: FBT001 - a parameter of the test
    """A missing folder or one with content is no error; any other failure is."""
    fs = world(folders=("/h", "/h/a"))
    if error is not None:
        fs.fault = Fault(at=fs.step + 1, code=error)
    if went is None:
        with pytest.raises(PermissionError):
            remove_if_empty(fs, H / "a")
    else:
        assert went is remove_if_empty(fs, H / "a")


GONE = {"a", "gone"}  # an fsync of a missing folder fails, which is no error


def test_removal_is_durable_in_every_folder() -> None:
    """Files go before folders; each parent that exists is fsynced once, even where nothing was removed."""
    fs = world("/h/a/1", "/h/a/2", "/h/b/3", folders=("/h", "/h/a", "/h/b"))
    paths = [H / "a/1", H / "a/2", H / "b/3", H / "b/none", H / "gone/4", H / "a/1/below", H / "a"]
    remove_all(fs, paths)
    assert ["unlink /h/a/1", "unlink /h/a/2", "unlink /h/b/3", "remove_folder /h/a"] == fs.log[:4]
    assert ["fsync_folder /h/b", "fsync_folder /h"] == [
        line for line in fs.log[4:] if not set(line.split("/")) & GONE
    ]


def named(operation: str, path: Path) -> str:
    return f"{operation} {path.as_posix()}"


def test_folders_are_made_and_removed_durably() -> None:
    """Folders are made outermost first, each in a durable parent, and removed innermost first."""
    fs = world(folders=("/h", "/h/a"))
    folders = [H / "a", H / "a/b", H / "a/b/c"]
    make_folders(fs, folders)
    assert [
        step for folder in folders for step in (named("make_folder", folder), named("fsync_folder", folder.parent))
    ] == fs.log
    fs.log = []
    remove_folders(fs, [*folders, H / "a/b/c/gone/deep"])
    assert [named("fsync_folder", folder.parent) for folder in reversed(folders)] == [
        line for line in fs.log if line.startswith("fsync_folder") and "gone" not in line
    ]
    assert ["/h"] == sorted(path for path in fs.folders() if path != "/")


def test_a_decided_transaction_may_have_no_log() -> None:
    """A missing log is no error; images of other transactions stay."""
    fs = world("/h/tx1.b", "/h/tx1.b0.1", "/h/tx1.new", "/h/tx1.x0-1", "/h/tx2.b", "/h/lock")
    remove_transaction_files(fs, H, "tx1")
    assert {"/h/tx1.x0-1", "/h/tx2.b", "/h/lock"} == left(fs)
    assert "fsync_folder /h" == fs.log[-1]


class Refusing(SimFs):
    """A file system on which every read and every change fails."""

    def lstat(self, path: Path) -> object:
        raise OSError(errno.EIO, "no")

    def names(self, folder: Path) -> list[str]:
        raise OSError(errno.EIO, "no")

    def make_folder(self, path: Path, mode: int) -> None:
        raise OSError(errno.EIO, "no")

    def remove_folder(self, path: Path) -> None:
        raise OSError(errno.EIO, "no")

    def fsync_folder(self, path: Path) -> None:
        raise OSError(errno.EIO, "no")


@pytest.mark.parametrize(
    "act",
    [
        lambda fs: make_folders(fs, [H / "a"]),
        lambda fs: remove_folders(fs, [H / "a"]),
        lambda fs: remove_all(fs, [H / "a"]),
        lambda fs: remove_transaction_files(fs, H, "tx"),
        lambda fs: sweep_orphans(fs, H),
        lambda fs: folders_to_make(fs, [], [H / "a"]),
        lambda fs: resolve(fs, H / "a"),
        lambda fs: StagingArea(fs, H / "a", "tx", 0, Digester("")).names(),
        lambda fs: StagingArea(fs, H / "a", "tx", 0, Digester("")).observe([], names=()),
    ],
)
def test_a_failing_disk_raises_storage_failed(act: Callable[[SimFs], object]) -> None:
    """Every failure raises StorageFailed with a path."""
    with pytest.raises(StorageFailed) as failed:
        act(Refusing())
    assert errno.EIO == failed.value.errno


def test_a_parent_that_cannot_be_synced() -> None:
    """A removal that is not durable raises."""
    fs = world("/h/a")
    fs.fault = Fault(at=fs.step + 2, code=errno.EIO)
    with pytest.raises(StorageFailed):
        remove_all(fs, [H / "a"])


def test_parked_content_is_durable() -> None:
    """The content is durable before its name; a failing disk raises StorageFailed."""
    fs = world()
    park(fs, H / "tx.x0", b"theirs")
    steps = ["create /h/tx.x0.part", "write /h/tx.x0.part", "fsync /h/tx.x0.part", "move /h/tx.x0", "fsync_folder /h"]
    assert (steps, {}, b"theirs") == (fs.log, fs.descriptors, fs.data("/h/tx.x0"))
    fs.fault = Fault(at=fs.step + 1, code=errno.EIO)
    with pytest.raises(StorageFailed):
        park(fs, H / "tx.x1", b"theirs")


def test_a_redacted_value() -> None:
    """Absent keys are None, and every value is "***"."""
    assert None is redacted_value(ABSENT)
    assert ["***"] * 4 == [redacted_value(value) for value in (None, True, 5, "sk-1")]


# --- looking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("links", "fine"), [(MAX_LINKS, True), (MAX_LINKS + 1, False)])
def test_as_many_links_as_the_kernel_follows(links: int, fine: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Forty links in a row are followed, and no more."""
    fs = world()
    for number in range(links):
        fs.add_link(f"/h/{number}", f"/h/{number + 1}")
    if fine:
        assert (Path(f"/h/{links}"), links) == ((route := resolve(fs, H / "0")).target, len(route.chain))
    else:
        with pytest.raises(Unsupported):
            resolve(fs, H / "0")


@pytest.mark.parametrize("mode", [mode for mode in range(0o1000) if not mode & 0o222])
def test_a_file_that_nobody_may_write(mode: int) -> None:
    """A file without any write permission is refused, to root too."""

    class Root(SimFs):
        def writable(self, path: Path) -> bool:
            return True

    fs = Root()
    fs.add_folder("/h")
    fs.add_file("/h/file", b"", mode)
    with pytest.raises(Unsupported, match="not writable"):
        require_replaceable(fs, H / "file")


def test_a_file_that_we_may_not_write() -> None:
    """An ACL, another owner or a read-only disk can forbid writing, whatever the mode."""

    class Closed(SimFs):
        def writable(self, path: Path) -> bool:
            return False

    fs = Closed()
    fs.add_folder("/h")
    fs.add_file("/h/file", b"", 0o666)
    with pytest.raises(Unsupported, match="not writable"):
        require_replaceable(fs, H / "file")


def test_the_first_existing_folder_ends_the_search() -> None:
    """Parents of an existing folder are not read."""
    fs = world(folders=("/h", "/h/a"))
    reads = fs.reads
    assert (H / "a/b", H / "a/b/c") == missing_folders(fs, H / "a/b/c/file")
    assert 3 == fs.reads - reads


# --- a transaction -----------------------------------------------------------------------------------------------


def test_only_workers_need_no_swap(tmp_path: Path) -> None:
    """A transaction with files needs a swap before its commit; one without may skip it."""
    home = home_at(tmp_path / "home")
    config = home.write("config", b"a")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(config, b"a", b"b")])
        assert not lease.has_committed
        transaction.prepare()
        with pytest.raises(JournalError):
            transaction.commit()
        roll_back(transaction)
        alone = lease.begin(**BEGIN, changes=[])
        alone.prepare()
        alone.swap()
        alone.commit()
        alone.finish()
    assert b"a" == config.read_bytes()


def test_a_closed_transaction_stays_closed(tmp_path: Path) -> None:
    """A transaction that was closed before its prepare cannot begin, and a closed one ends no worker."""
    home = home_at(tmp_path / "home")
    config = home.write("config", b"a")
    with home.journal.acquire(command="x", timeout=5) as lease:
        early = lease.begin(**BEGIN, changes=[change(config, b"a", b"b")])
        early.retract_workers()
        early.close_rolled_back("never begun")
        with pytest.raises(JournalError):
            early.prepare()
        late = lease.begin(**BEGIN, changes=[change(config, b"a", b"b")])
        late.prepare()
        late.log_worker_intent(nonce="new", port=1, executable="python", settings_hash="0")
        late.swap()
        late.commit()
        late.finish()
        home.machine.alive.add("new")
        late.retract_workers()
    assert ({"new"}, b"b") == (home.machine.alive, config.read_bytes())


def test_workers_are_retracted_by_themselves(tmp_path: Path) -> None:
    """Retracting workers changes no file before the commit; a worker without a relaunch record stays ended."""
    home = home_at(tmp_path / "home")
    config = home.write("config", b"a")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(config, b"a", b"b")])
        transaction.prepare()
        transaction.log_worker_stopping(record=WorkerRecord(nonce="old", port=1), relaunch=None)
        transaction.swap()
        transaction.retract_workers()
        assert ((), set(), b"b") == (transaction.workers, home.machine.alive, config.read_bytes())
        roll_back(transaction)
    assert b"a" == config.read_bytes()


@pytest.mark.parametrize(("broken", "interrupted"), [("fsync", False), ("move", False), ("make_folder", True)])
def test_a_disk_that_fails_for_good_while_preparing(broken: str, interrupted: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A transaction without a log leaves nothing; one with a log stays open where it cannot be removed."""

    class Broken(SimFs):
        broken: frozenset[str] = frozenset()

        def unlink(self, path: Path) -> None:
            if self.broken:
                raise OSError(errno.EIO, "no")
            super().unlink(path)

        def fsync(self, fd: int) -> None:
            if "fsync" in self.broken:
                raise OSError(errno.EIO, "no")
            super().fsync(fd)

        def move(self, source: Path, target: Path) -> None:
            if "move" in self.broken:
                raise OSError(errno.EIO, "no")
            super().move(source, target)

        def make_folder(self, path: Path, mode: int) -> None:
            if "make_folder" in self.broken:
                raise OSError(errno.EIO, "no")
            super().make_folder(path, mode)

    fs = Broken()
    fs.add_folder("/h")
    fs.add_file("/h/config", b"a")
    journal = journal_on(fs, Machine())
    with journal.acquire(command="x", timeout=0) as lease:
        changes = [change(H / "config", b"a", b"b"), change(H / "new/file", None, b"b")]
        transaction = lease.begin(**BEGIN, changes=changes)
        fs.broken = frozenset({broken})
        with pytest.raises(StorageFailed):
            transaction.prepare()
        if interrupted:
            with pytest.raises(JournalError):
                roll_back(transaction)
        else:
            roll_back(transaction)
        assert interrupted == bool(journal.interrupted())
        fs.broken = frozenset()
        lease.recover()
    assert {"/h/config"} == {path for path in left(fs) if "journal" not in path}


def test_files_are_restored_once(tmp_path: Path) -> None:
    """Foreign writes after the roll back stay, also to our own keys."""
    home = home_at(tmp_path / "home", fs := Unlinking())
    config = home.write("config", b"ours=0\n")
    edit = KeyEdit(path=("ours",), before="0", after="1")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(config, b"ours=0\n", b"ours=1\n", edit)])
        transaction.prepare()
        transaction.swap()
        transaction.restore_files()
        transaction.retract_workers()
        fs.broken = True
        with pytest.raises(StorageFailed):
            transaction.close_rolled_back("test")
        fs.broken = False
    config.write_bytes(b"ours=9\n")
    with home.journal.acquire(command="recover", timeout=5) as lease:
        recovery = lease.recover()
    assert ("rolled_back", (), b"ours=9\n") == (recovery.kind, recovery.conflicts, config.read_bytes())


class Unlinking(RealFs):
    """A file system that can refuse to remove a log."""

    broken = False

    def unlink(self, path: Path) -> None:
        if self.broken and path.name.endswith(".open"):
            raise OSError(errno.EIO, "no")
        super().unlink(path)


# --- drift -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "edits", "form", "theirs"),
    [
        (b"ours=1\n", (), "", b"theirs=1\n"),  # no format
        (b"ours=1\n", (), "lines", b"theirs=1\n"),  # no own key
        (None, (OURS,), "lines", b"theirs=1\n"),  # we delete what they write
        (b"ours=1\n", (OURS,), "lines", None),  # they deleted it
        (b"ours=1\n", (OURS,), "lines", b"ours=2\n"),  # they changed our key
        (b"ours=1\n", (OURS,), "lines", b"no text of this format"),
        (b"ours=1\n", (OURS,), "unknown", b"theirs=1\n"),
    ],
)
def test_unmergeable_content_is_drift(
    home: Home,
    after: bytes | None,
    edits: tuple[KeyEdit, ...],
    form: str,
    theirs: bytes | None,
) -> None:
    """A foreign write between prepare and swap stays as it is, and no other file changes."""
    config, other = home.write("config", b"x=1\n"), home.write("other", b"o")
    made = FileChange(path=config, before=b"x=1\n", after=after, edits=edits, format=form)
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(other, b"o", b"p"), made])
        transaction.prepare()
        if theirs is None:
            config.unlink()
        else:
            config.write_bytes(theirs)
        with pytest.raises(Drifted) as drifted:
            transaction.swap()
        assert (config,) == drifted.value.paths
        roll_back(transaction)
    assert b"o" == other.read_bytes()
    assert theirs == (config.read_bytes() if config.exists() else None)


@pytest.mark.parametrize(("edits", "commits"), [(1, True), (3, True), (4, False)])
def test_others_may_write_three_times(edits: int, commits: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Up to three edits just before our exchange are merged; after the next one the command gives up."""
    fs = world()
    fs.add_file("/h/config", b"x=1\n")
    texts = iter([b"x=1\nn=%d\n" % number for number in range(edits)])

    def write(fs: SimFs, what: str, about: str) -> None:
        if what == "exchange" and about == "/h/config" and (text := next(texts, None)):
            fs.edit("/h/config", text)

    fs.on_step = write
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(H / "config", b"x=1\n", b"x=1\nours=1\n", OURS)])
        transaction.prepare()
        if commits:
            transaction.swap()
            transaction.commit()
            transaction.finish()
        else:
            with pytest.raises(Drifted):
                transaction.swap()
            roll_back(transaction)
    last = b"x=1\nn=%d\n" % (edits - 1)
    assert (last + b"ours=1\n" if commits else last) == fs.data("/h/config")


def test_a_foreign_file_with_our_values_stays(home: Home) -> None:
    """A foreign file that replaces ours and has our values stays as it is."""
    config, late = home.write("config", b"x=1\n"), home.write("late", b"a")

    class Late(RealFs):
        done = False

        def fsync_folder(self, path: Path) -> None:
            super().fsync_folder(path)
            if path == home.path and b"ours" in config.read_bytes() and not self.done:
                self.done = True
                config.write_bytes(b"x=2\nours=1\n")

    other = home_at(home.path, Late())
    edited = change(config, b"x=1\n", b"x=1\nours=1\n", OURS)
    with other.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=[edited, change(late, b"a", b"b")])
        transaction.prepare()
        transaction.swap()
        inode = config.stat().st_ino
        [log] = (home.path / "journal").glob("*.open")
        assert b"reintent" not in log.read_bytes()
        transaction.commit()
        transaction.finish()
    assert (b"x=2\nours=1\n", inode) == (config.read_bytes(), config.stat().st_ino)


# --- going back --------------------------------------------------------------------------------------------------


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
@pytest.mark.parametrize("again", [b"theirs=1\n", None])
def test_a_deleted_file_whose_link_changed(home: Home, again: bytes | None) -> None:
    """A deletion is rolled back at its target, though the link leads elsewhere by now."""
    real, link, elsewhere = home.write("dotfiles/config", b"x=1\n"), home.path / "config", home.path / "elsewhere"
    link.symlink_to(real)
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(link, b"x=1\n", None)])
        transaction.prepare()
        transaction.swap()
    link.unlink()
    link.symlink_to(elsewhere)
    if again is not None:
        elsewhere.write_bytes(again)
    with home.journal.acquire(command="recover", timeout=5) as lease:
        lease.recover()
    assert b"x=1\n" == real.read_bytes()
    assert again == (elsewhere.read_bytes() if elsewhere.exists() else None)


def killed(home: Home, *changes: FileChange, commit: bool = False) -> str:
    """Return a command that stops after its swap, or after its commit, with a worker that it meant to end."""
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=changes)
        transaction.prepare()
        transaction.log_worker_stopping(record=WorkerRecord(nonce="old", port=1), relaunch=None)
        transaction.swap()
        if commit:
            transaction.commit()
    return transaction.id


def test_a_missing_image_stops_everything(home: Home) -> None:
    """If one of two files cannot be rolled back, neither is, and the transaction is reported as damaged."""
    one, two = home.write("one", b"a"), home.write("two", b"a")
    txid = killed(home, change(one, b"a", b"b"), change(two, b"a", b"b"))
    (home.path / "journal" / f"{txid}.b").unlink()
    for path in home.path.glob(".one.*"):  # the displaced file is a second copy of the image
        path.unlink()
    assert ("damaged", "refuse") == tuple(home.journal.inspect(txid)[key] for key in ("state", "decision"))
    with home.journal.acquire(command="recover", timeout=5) as lease, pytest.raises(Damaged):
        lease.recover()
    assert (b"b", b"b") == (one.read_bytes(), two.read_bytes())


def test_damage_names_the_files_that_are_known(home: Home) -> None:
    """If `prepared` is unreadable, the intents before it still name the files."""
    config = home.write("config", b"a")
    txid = killed(home, change(config, b"a", b"b"))
    log = home.path / "journal" / f"{txid}.open"
    log.write_bytes(log.read_bytes().replace(b'"t":"prepared"', b'"t":"PREPARED"'))
    with home.journal.acquire(command="recover", timeout=5) as lease, pytest.raises(Damaged) as damaged:
        lease.recover()
    assert [(str(config), "after")] == [(file["path"], file["now"]) for file in damaged.value.files]
    log.write_bytes(frame(0, {"t": "begin", "v": 1}))
    assert [] == home.journal.inspect(txid)["files"]


DECISIONS = [(False, "prepared", "roll_back"), (True, "committed", "finish")]


@pytest.mark.parametrize(("commit", "state", "decision"), DECISIONS)
def test_inspect_reports_the_decision(home: Home, commit: bool, state: str, decision: str) -> None:  # noqa: FBT001 - a row of a table
    """`inspect` reports the decision before recovery carries it out."""
    txid = killed(home, change(home.write("config", b"a"), b"a", b"b"), commit=commit)
    assert (state, decision) == tuple(home.journal.inspect(txid)[key] for key in ("state", "decision"))


@pytest.mark.parametrize(("commit", "state", "decision"), DECISIONS)
def test_images_of_a_restored_transaction_are_not_needed(home: Home, commit: bool, state: str, decision: str) -> None:  # noqa: FBT001 - a row of a table
    """Images are removed before the log: a kill between is no damage."""
    config = home.write("config", b"a")
    txid = killed(home, change(config, b"a", b"b"), commit=commit)
    log = home.path / "journal" / f"{txid}.open"
    with home.journal.acquire(command="recover", timeout=5) as lease:
        written = log.read_bytes()
        lease.recover()
    known = parse(written)
    rolled = b"" if commit else frame(len(known.records), {"t": "rolled"})
    log.write_bytes(written[: known.length] + rolled)
    config.write_bytes(b"b")  # the after-image, or a foreign write
    assert (state, decision) == tuple(home.journal.inspect(txid)[key] for key in ("state", "decision"))
    with home.journal.acquire(command="recover", timeout=5) as lease:
        (done,) = lease.recover().transactions
    assert {"finish": "committed", "roll_back": "rolled_back"}[decision] == done["outcome"]


def test_a_key_that_others_changed_is_a_conflict(home: Home) -> None:
    """A changed own key is a conflict; only former content that its writer may not have found is parked."""
    config = home.write("config", b"x=1\n")
    killed(home, change(config, b"x=1\n", b"x=1\nours=1\n", OURS))
    config.write_bytes(b"x=1\nours=2\n")
    with home.journal.acquire(command="recover", timeout=5) as lease:
        recovery = lease.recover()
    assert ("conflict", (("ours",),)) == (recovery.kind, recovery.conflicts)
    kept = [b"x=1\n"] if WINDOWS and not isinstance(home.fs, WithoutExchange) else []
    parked = [home.path / "journal" / name for name in recovery.transactions[0]["parked"]]
    assert kept == [path.read_bytes() for path in parked]


@pytest.mark.parametrize(("broken", "alive"), [("fsync", {"old"}), ("unlink", set())])
def test_a_worker_is_retired_between_commit_and_log(tmp_path: Path, broken: str, alive: set[str]) -> None:
    """A worker ends after its commit is durable, and before the log that names it is removed."""

    class Broken(RealFs):
        broken = ""

        def fsync(self, fd: int) -> None:
            if self.broken == "fsync":
                raise OSError(errno.EIO, "no")
            super().fsync(fd)

        def unlink(self, path: Path) -> None:
            if self.broken == "unlink" and "journal" not in path.name and path.name.startswith("."):
                raise OSError(errno.EIO, "no")
            super().unlink(path)

    home = home_at(tmp_path / "home", fs := Broken())
    killed(home, change(home.write("config", b"a"), b"a", b"b"), commit=True)
    home.machine.alive.add("old")
    fs.broken = broken
    with home.journal.acquire(command="recover", timeout=5) as lease, pytest.raises(StorageFailed):
        lease.recover()
    assert alive == home.machine.alive


def test_a_displaced_file_keeps_its_mode() -> None:
    """A foreign file that the swap displaced is restored with its own mode."""
    fs = world()
    fs.add_file("/h/config", b"x=1\n")
    once = iter(["now"])

    def write(fs: SimFs, what: str, about: str) -> None:
        if what == "exchange" and next(once, None):
            fs.edit("/h/config", b"theirs=1\n", 0o604)

    fs.on_step = write
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(H / "config", b"x=1\n", b"x=2\n")])
        transaction.prepare()
        with pytest.raises(Drifted):
            transaction.swap()
        roll_back(transaction)
    assert (b"theirs=1\n", 0o604) == (fs.data("/h/config"), fs.node("/h/config").mode)


def test_a_reintent_is_durable_before_it_is_used() -> None:
    """Image, its name, record and staged file are durable before the exchange."""
    fs = world()
    fs.add_file("/h/config", b"x=1\n")
    once = iter(["now"])

    def write(fs: SimFs, what: str, about: str) -> None:
        if what == "exchange" and next(once, None):
            fs.edit("/h/config", b"x=2\n")

    fs.on_step = write
    with journal_on(fs, Machine()).acquire(command="x", timeout=0) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(H / "config", b"x=1\n", b"x=1\nours=1\n", OURS)])
        transaction.prepare()
        fs.log = []
        transaction.swap()
        steps = [
            line.replace(f"/h/journal/{transaction.id}", "J").replace(f"/h/.config.{transaction.id}", "C")
            for line in fs.log
        ]
        transaction.commit()
        transaction.finish()
    assert steps == [
        *("exchange /h/config", "fsync_folder /h"),
        *("create J.b0.1", "write J.b0.1", "fsync J.b0.1", "fsync_folder /h/journal"),
        *("write J.open", "fsync J.open"),
        *("create C-0.1.part", "write C-0.1.part", "set_mode C-0.1.part", "fsync C-0.1.part", "move C-0.1"),
        *("fsync_folder /h", "exchange /h/config", "fsync_folder /h"),
    ]


def test_a_restored_copy_takes_over_metadata(home: Home) -> None:
    """A copy of the image gets rights and mtime from the log; a merged text gets no old mtime."""
    for theirs, expected in ((None, b"x=1\n"), (b"x=1\nours=1\ny=2\n", b"x=1\ny=2\n")):
        config = home.write("config", b"x=1\n")
        give_to_all(config)
        former = rights(config)
        os.utime(config, ns=(471_100, 471_100))
        killed(home, change(config, b"x=1\n", b"x=1\nours=1\n", OURS))
        for path in home.path.glob(".config.*"):
            path.unlink()
        if theirs is not None:
            config.write_bytes(theirs)
        with home.journal.acquire(command="recover", timeout=5) as lease:
            lease.recover()
        assert (expected, former) == (config.read_bytes(), rights(config))
        assert (theirs is None) == (471_100 == config.stat().st_mtime_ns)


def test_a_folder_that_took_the_place_of_a_file(home: Home) -> None:
    """A folder at the target's path is a conflict, and stays."""
    config = home.write("config", b"a")
    killed(home, change(config, b"a", b"b"))
    config.unlink()
    config.mkdir()
    with home.journal.acquire(command="recover", timeout=5) as lease:
        recovery = lease.recover()
    assert ("conflict", ((str(config),),), True) == (recovery.kind, recovery.conflicts, config.is_dir())


def test_an_open_log_that_cannot_be_read(tmp_path: Path) -> None:
    """A failing read of a log is no damage, to recovery or `inspect`."""

    class Unreadable(RealFs):
        broken = ""

        def read(self, path: Path) -> bytes:
            if self.broken and path.name.endswith(self.broken):
                raise OSError(errno.EIO, "no")
            return super().read(path)

    home = home_at(tmp_path / "home", fs := Unreadable())
    txid = killed(home, change(home.write("config", b"a"), b"a", b"b"))
    fs.broken = ".open"
    with home.journal.acquire(command="recover", timeout=5) as lease:
        for ask in (lease.recover, lambda: home.journal.inspect(txid)):
            with pytest.raises(StorageFailed):
                ask()


def test_a_commit_that_cannot_be_revoked(tmp_path: Path) -> None:
    """A failing fsync of the folder raises StorageFailed."""

    class Broken(RealFs):
        broken = False

        def fsync_folder(self, path: Path) -> None:
            if self.broken:
                raise OSError(errno.EIO, "no")
            super().fsync_folder(path)

    home = home_at(tmp_path / "home", fs := Broken())
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(**BEGIN, changes=[change(home.write("config", b"a"), b"a", b"b")])
        transaction.prepare()
        transaction.swap()
        transaction.commit()
        fs.broken = True
        with pytest.raises(StorageFailed):
            transaction.restore_files()
        fs.broken = False
        roll_back(transaction)
    assert b"a" == (home.path / "config").read_bytes()


def test_a_missing_file_that_stays_missing(home: Home) -> None:
    """A change without effect may be of a missing file; a failing read raises."""
    home.commit(change(home.path / "none", None, None))
    assert [] == home.names()
    with pytest.raises(Drifted):
        home.commit(change(home.path / "none", b"", b""))
