"""The interface of the journal: its refusals, its reports, and the cost of reading it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journal import (
    ABSENT,
    Damaged,
    Interrupted,
    Journal,
    JournalError,
    KeyEdit,
    NewerLog,
    RealFs,
    StorageFailed,
    Transaction,
    Unsupported,
    WorkerRecord,
)
from journal.lease import Lease
from tests.access import others_may_read
from tests.journal.support import Home, change, home_at, roll_back
from tests.systems import as_root

HEAVY = ("filelock", "ctypes", "subprocess", "asyncio", "tomllib", "tomlkit", "httpx", "journal.transaction")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_at(tmp_path / "home", tool="test 1")


def prepared(lease: Lease, path: Path, before: bytes | None = b"a", *edits: KeyEdit, **more: object) -> Transaction:
    transaction = lease.begin(
        command="install",
        argv=("--upstream-base", "https://me:pw@host/v1?k=1"),
        from_state="absent",
        to_state="enabled",
        changes=[change(path, before, b"b" if not edits else b"ours=1\n", *edits)],
        **more,
    )
    transaction.prepare()
    return transaction


def test_reading_is_cheap() -> None:
    """`interrupted` needs no lock, no folder and no heavy module: the hook of every session calls it."""
    code = """
import sys
import tempfile
from pathlib import Path
from journal import Journal, RealFs
assert () == Journal(Path("/nonexistent/j"), fs=RealFs(), formats={}, processes=None).interrupted()
print(*sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=Path(__file__).parents[2])
    assert set() == set(HEAVY) & set(run.stdout.decode().split())


def test_an_interrupted_transaction_is_visible(home: Home) -> None:
    """An open transaction is in `interrupted` and `inspect`, with the decision of recovery, and without values."""
    config = home.write("config", b"ours=secret\n")
    edit = KeyEdit(path=("ours",), before="secret", after="1")
    with home.journal.acquire(command="install", timeout=5) as lease:
        transaction = prepared(lease, config, b"ours=secret\n", edit)
        transaction.log_worker_intent(nonce="n", port=1, executable="python", settings_hash="0")
        transaction.log_worker_started(nonce="n", pid=7, started="1", boot_id="b")
        transaction.swap()
    assert (transaction.id,) == home.journal.interrupted()
    view = home.journal.inspect(transaction.id)
    assert ("prepared", "roll_back", "install") == (view["state"], view["decision"], view["command"])
    assert [("after", "***")] == [(file["now"], file["edits"][0]["before"]) for file in view["files"]]
    assert [("proc_intent", None), ("proc_started", 7)] == [(w["event"], w.get("pid")) for w in view["workers"]]
    assert "secret" not in str(view)
    assert "pw@" not in str(view)
    with pytest.raises(JournalError):
        home.journal.inspect("nothing")
    with home.journal.acquire(command="next", timeout=5) as lease:
        with pytest.raises(Interrupted):
            lease.begin(command="x", argv=(), from_state="a", to_state="b", changes=[])
        with pytest.raises(Interrupted):
            lease.remove_journal()
        assert "rolled_back" == lease.recover().kind


def test_a_committed_transaction_is_finished(home: Home) -> None:
    """After the commit record recovery keeps the after-images and ends the workers that were to be stopped."""
    config = home.write("config", b"a")
    home.machine.alive.add("old")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = prepared(lease, config)
        old = WorkerRecord(nonce="old", port=1, pid=1, started="1", boot_id="b")
        transaction.log_worker_stopping(record=old, relaunch=None)
        transaction.swap()
        transaction.commit()
    assert "finish" == home.journal.inspect(transaction.id)["decision"]
    with home.journal.acquire(command="recover", timeout=5) as lease:
        recovery = lease.recover()
        assert "clean" == lease.recover().kind
    assert ("finished", "stopped") == (recovery.kind, recovery.workers[0]["outcome"])
    assert b"b" == config.read_bytes()
    assert set() == home.machine.alive


def test_a_busy_worker_is_left_for_later(home: Home) -> None:
    """Recovery restores the files at once and reports that the worker still runs."""
    config = home.write("config", b"a")
    home.machine.alive.add("new")
    home.machine.deferring = True
    with home.journal.acquire(command="x", timeout=5) as lease:
        prepared(lease, config).log_worker_intent(nonce="new", port=1, executable="python", settings_hash="0")
    with home.journal.acquire(command="recover", timeout=5) as lease:
        recovery = lease.recover()
    assert [("new", "deferred")] == [(worker["nonce"], worker["outcome"]) for worker in recovery.workers]
    assert () == home.journal.interrupted()


def test_workers_are_retracted_and_relaunched_once(home: Home) -> None:
    """A second call has no effect, in this process and in a later recovery."""
    config = home.write("config", b"a")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = prepared(lease, config)
        transaction.log_worker_stopping(record=WorkerRecord(nonce="old", port=1), relaunch="old")
        transaction.log_worker_intent(nonce="new", port=1, executable="python", settings_hash="0")
        home.machine.alive.add("new")
        transaction.restore_files()
        transaction.retract_workers()
        transaction.retract_workers()
        assert ["stopped", "relaunched"] == [worker["outcome"] for worker in transaction.workers]
        assert {"old"} == home.machine.alive
        home.machine.alive.clear()  # it ended by itself: no second retraction
    with home.journal.acquire(command="recover", timeout=5) as lease:
        lease.recover()
    assert set() == home.machine.alive


def test_steps_out_of_order_are_refused(home: Home) -> None:
    """A transaction cannot skip a step or repeat an earlier one."""
    config = home.write("config", b"a")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(
            command="x", argv=(), from_state="a", to_state="b", changes=[change(config, b"a", b"b")]
        )
        for step in (transaction.swap, transaction.commit, transaction.finish):
            with pytest.raises(JournalError):
                step()
        with pytest.raises(JournalError):
            transaction.log_worker_intent(nonce="n", port=1, executable="python", settings_hash="0")
        transaction.prepare()
        with pytest.raises(JournalError):
            transaction.prepare()
        transaction.swap()
        with pytest.raises(JournalError):
            transaction.close_rolled_back("files are not given back")
        transaction.commit()
        transaction.finish()
        with pytest.raises(JournalError):
            transaction.finish()
        assert () == transaction.restore_files()
        transaction.close_rolled_back("too late, and harmless")
    assert b"b" == config.read_bytes()


def test_folders_are_made_and_removed(home: Home) -> None:
    """A requested folder is private, and a roll back removes it unless something is in it."""
    config, worker = home.write("config", b"a"), home.path / "state" / "worker"
    for leave in (False, True):
        with home.journal.acquire(command="x", timeout=5) as lease:
            transaction = prepared(lease, config, folders=[worker])
            assert not others_may_read(worker)
            if leave:
                (worker / "log").touch()
            roll_back(transaction)
        assert leave == worker.exists()


def test_signals_wait_for_the_decision(home: Home) -> None:
    """Between swap and finish a signal stays pending; it arrives after the decision."""
    config = home.write("config", b"a")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = prepared(lease, config)
        transaction.swap()
        signal.raise_signal(signal.SIGINT)  # to this thread: pytest-xdist has others
        transaction.commit()
        with pytest.raises(KeyboardInterrupt):
            transaction.finish()
    assert ((), b"b") == (home.journal.interrupted(), config.read_bytes())


def test_an_abandoned_lease_lets_signals_through(home: Home) -> None:
    """The end of a lease unblocks the signals, whatever its transaction came to."""
    config = home.write("config", b"a")
    with home.journal.acquire(command="x", timeout=5) as lease:
        prepared(lease, config).swap()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_history_is_redacted_and_bounded(tmp_path: Path) -> None:
    """The history shows keys and no value, and drops old lines."""
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    home = home_at(tmp_path / "home", clock=lambda: now[0])
    config = home.path / "config"
    url = KeyEdit(path=("p", "url"), before="https://me:pw@a/v1?k=1", after="http://127.0.0.1:1/v1")
    token = KeyEdit(path=("token",), before=ABSENT, after="sk-1")
    home.commit(change(config, None, b"x", url, token))
    home.commit(change(home.path / "auth", None, b"y", token, secret=True))
    [first, second] = home.journal.history()
    assert [
        {"key": ["p", "url"], "before": "***", "after": "***"},
        {"key": ["token"], "before": None, "after": "***"},
    ] == first["files"][0]["edits"]
    assert [{"key": ["token"], "before": None, "after": "***"}] == second["files"][0]["edits"]
    for number in range(60):
        now[0] += timedelta(minutes=1)
        home.commit(change(config, b"x%d" % number if number else b"x", b"x%d" % (number + 1)))
    assert 50 == len(home.journal.history())
    now[0] += timedelta(days=91)
    home.commit(change(config, b"x60", b"end"))
    assert 1 == len(home.journal.history())
    text = (home.path / "journal" / "history.jsonl").read_text()
    assert "pw" not in text
    assert "sk-1" not in text


def test_a_torn_history_is_read_and_continued(home: Home) -> None:
    """A line that a power cut left half-written is skipped, and the next one is whole."""
    config = home.write("config", b"a")
    home.commit(change(config, b"a", b"b"))
    history = home.path / "journal" / "history.jsonl"
    history.write_bytes(history.read_bytes() + b'{"id": "half')
    home.commit(change(config, b"b", b"c"))
    assert 2 == len(home.journal.history())


def test_damage_changes_no_file(home: Home) -> None:
    """A log that was durable and is unreadable now is refused, with the state of its files."""
    config = home.write("config", b"a")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = prepared(lease, config)
        transaction.swap()
    log = home.path / "journal" / f"{transaction.id}.open"
    whole = log.read_bytes()
    second = whole.index(b"\n") + 60
    log.write_bytes(whole[:second] + b"#" + whole[second + 1 :])
    names = home.names()
    with home.journal.acquire(command="recover", timeout=5) as lease, pytest.raises(Damaged) as damaged:
        lease.recover()
    assert (transaction.id, ()) == (damaged.value.txid, damaged.value.files)
    assert ("damaged", "refuse") == tuple(home.journal.inspect(transaction.id)[key] for key in ("state", "decision"))
    assert (names, b"b") == (home.names(), config.read_bytes())
    log.write_bytes(whole)
    image = home.path / "journal" / f"{transaction.id}.b"
    image.write_bytes(b"?")
    displaced = home.path / f".config.{transaction.id}-0.0"
    displaced.rename(home.path / "kept")
    with home.journal.acquire(command="recover", timeout=5) as lease, pytest.raises(Damaged):
        lease.recover()
    assert b"b" == config.read_bytes()
    (home.path / "kept").rename(displaced)
    with home.journal.acquire(command="recover", timeout=5) as lease:
        assert "rolled_back" == lease.recover().kind
    assert b"a" == config.read_bytes()


def test_a_log_of_another_version_is_refused(home: Home) -> None:
    """A log of a newer version is left to the newer tool."""
    config = home.write("config", b"a")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = prepared(lease, config)
    log = home.path / "journal" / f"{transaction.id}.open"
    from journal.codec import frame  # noqa: PLC0415 - the one test that forges a log

    log.write_bytes(frame(0, {"t": "begin", "v": 2}))
    with home.journal.acquire(command="recover", timeout=5) as lease, pytest.raises(NewerLog):
        lease.recover()
    with pytest.raises(NewerLog):
        home.journal.inspect(transaction.id)


def test_remove_is_forward_only_and_repeatable(home: Home) -> None:
    """Files and empty folders are removed; a missing path is no error, and a folder with content stays."""
    file, kept = home.write("state/a", b"1"), home.write("full/b", b"2")
    paths = [file, home.path / "never", file.parent, kept.parent]
    with home.journal.acquire(command="uninstall", timeout=5) as lease:
        lease.remove(paths)
        lease.remove(paths)
    assert ["full", "full/b"] == home.names()


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_link_is_removed_without_its_target(home: Home) -> None:
    """A link is removed, and the file that it leads to stays."""
    home.write("full/b", b"2")
    (home.path / "link").symlink_to(Path("full/b"))
    with home.journal.acquire(command="uninstall", timeout=5) as lease:
        lease.remove([home.path / "link"])
    assert ["full", "full/b"] == home.names()


def test_errors_have_a_path_and_no_content(home: Home) -> None:
    """A storage error has path and errno; no text of an error contains a file's content."""
    with pytest.raises(StorageFailed) as failed:
        Journal(home.path / "no" / "journal", fs=RealFs(), formats={}, processes=home.machine).acquire(
            command="x", timeout=0
        )
    assert "ENOENT" in str(failed.value)


@as_root
def test_a_file_of_another_owner_is_refused() -> None:
    """Without the right to keep a file's owner, the file is not replaced."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        path = Path(folder)
        path.chmod(0o777)
        assert 0 == as_nobody(path)


def as_nobody(path: Path) -> int:
    """Try to change a file of root's, which anybody may write, as another user."""
    (path / "config").write_bytes(b"a")
    (path / "config").chmod(0o666)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            home = home_at(path)
            with home.journal.acquire(command="x", timeout=0) as lease, pytest.raises(Unsupported) as error:
                prepared(lease, path / "config")
            code = 0 if error.value.reason == "its owner cannot be kept" and home.names() == ["config"] else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
