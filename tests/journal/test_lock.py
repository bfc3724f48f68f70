"""Mutual exclusion with real processes and real locks, also while the folder is removed and made again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from journal import LockBusy
from tests.journal.support import change, home_at

if sys.platform != "win32":
    from journal._posix_lock import _is_same_file, _native

REPOSITORY = Path(__file__).parent.parent.parent
HOLD = """
import sys, pathlib
sys.path.insert(0, {repository!r})
from tests.journal.support import home_at
from journal.lock import NativeLocks
class Announced(NativeLocks):
    def acquire(self, path, timeout):
        print("waits", flush=True)
        return super().acquire(path, timeout)
with home_at(pathlib.Path({home!r}), locks=Announced()).journal.acquire(command="hold", timeout=120) as lease:
    print("held", flush=True)
    {then}
"""


def holder(home: Path, then: str = "sys.stdin.readline()") -> subprocess.Popen[bytes]:
    """A process that acquires the lock, prints "held", and runs `then`."""
    code = HOLD.format(repository=str(REPOSITORY), home=str(home), then=then)
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def wait_for(process: subprocess.Popen[bytes], word: bytes) -> None:
    """Read its output up to that line; a process that ends without it fails the test."""
    assert process.stdout is not None
    assert word in (line.rstrip() for line in process.stdout)


def end(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=150)
    return process.returncode


def test_a_busy_lock_names_its_holder(tmp_path: Path) -> None:
    """LockBusy has pid and command of the holder."""
    home = home_at(tmp_path / "home")
    with holder(home.path) as process:
        wait_for(process, b"waits")
        wait_for(process, b"held")
        with pytest.raises(LockBusy) as busy:
            home.journal.acquire(command="x", timeout=0)
        assert (process.pid, "hold") == (busy.value.holder["pid"], busy.value.holder["command"])
        assert 0 == end(process)


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    """The kernel releases the lock of a killed process, and its holder's file misleads nobody."""
    home = home_at(tmp_path / "home")
    with holder(home.path) as process:
        wait_for(process, b"waits")
        wait_for(process, b"held")
        process.kill()
        end(process)
    with home.journal.acquire(command="x", timeout=0) as lease:
        assert "clean" == lease.recover().kind


def test_a_waiting_command_gets_the_lock(tmp_path: Path) -> None:
    """A waiting command continues when the holder ends."""
    home = home_at(tmp_path / "home")
    with home.journal.acquire(command="x", timeout=0) as lease, holder(home.path) as process:
        wait_for(process, b"waits")
        lease.__exit__(None, None, None)
        wait_for(process, b"held")
        assert 0 == end(process)


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.06, 0.1])
def test_a_waiting_command_survives_the_removal_of_the_journal(tmp_path: Path, pause: float) -> None:
    """A command that waits while the folder is removed makes a new one, and holds a lock that others see."""
    home = home_at(tmp_path / "home")
    with home.journal.acquire(command="uninstall", timeout=5) as lease, holder(home.path) as process:
        wait_for(process, b"waits")
        time.sleep(pause)  # the folder must go at a random point of the waiting, for which there is no event
        lease.remove_journal()
        lease.__exit__(None, None, None)
        wait_for(process, b"held")
        with pytest.raises(LockBusy) as busy:
            home.journal.acquire(command="x", timeout=0)
        assert process.pid == busy.value.holder["pid"]
        assert 0 == end(process)


@pytest.mark.posix("the file of a lock can be removed there")
def test_a_lock_on_an_unlinked_file_is_released(tmp_path: Path) -> None:
    """A lock on an unlinked file, or one whose path is another file by now, is released at once."""
    path = tmp_path / "lock"
    lock = _native(path)
    lock.acquire(timeout=0)
    assert _is_same_file(lock, path)
    path.unlink()
    assert not _is_same_file(lock, path)
    path.touch()
    assert not _is_same_file(lock, path)
    lock.release()


def test_a_removed_journal_leaves_nothing(tmp_path: Path) -> None:
    """After the last act of an uninstall the home is empty, and a journal on it is clean and usable."""
    home = home_at(tmp_path / "home")
    config = home.write("config", b"a")
    home.commit(change(config, b"a", b"b"))
    with home.journal.acquire(command="uninstall", timeout=5) as lease:
        lease.remove([config])
        lease.remove_journal()
    assert [] == os.listdir(home.path)
    assert ((), ()) == (home.journal.interrupted(), home.journal.history())
    with home.journal.acquire(command="x", timeout=0):
        pass


def test_many_at_once(tmp_path: Path) -> None:
    """Concurrent processes that each add one line, some of which remove the journal, lose no line."""
    home = home_at(tmp_path / "home")
    home.write("config", b"")
    work = f"""
    from tests.journal.support import change
    path = pathlib.Path({str(home.path / "config")!r})
    before = path.read_bytes()
    tx = lease.begin(command="add", argv=(), from_state="a", to_state="b",
                     changes=[change(path, before, before + str(len(before)).encode() + b"\\n")])
    tx.prepare(); tx.swap(); tx.commit(); tx.finish()
    if len(before) % 3 == 0: lease.remove_journal()
    """.strip()
    processes = [holder(home.path, work) for _ in range(8)]
    codes = [end(process) for process in processes]
    assert [0] * 8 == codes
    assert 8 == (home.path / "config").read_bytes().count(b"\n")
