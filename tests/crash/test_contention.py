"""A real writer without a lock, as Codex is one, edits at the instant of a real swap; its edit survives."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from journal import ABSENT, Drifted, KeyEdit
from tests.crash.lines import parse
from tests.crash.sizes import SEED, size
from tests.journal.support import Home, change, home_at, roll_back
from tests.numbers import Numbers
from tests.systems import WINDOWS

REPOSITORY = Path(__file__).parents[2]
TRIALS = size("CONTENTION", 120, 4000)
OURS = KeyEdit(path=("url",), before="upstream", after="proxy")
BEFORE = b"url=upstream\nuser=1\n" + b"".join(b"filler%d=x\n" % n for n in range(200))


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[str]]:
    """Another program, which stores a setting in each file that it is told; see `tests.crash.storing`."""
    command, pipe = [sys.executable, "-m", "tests.crash.storing"], subprocess.PIPE
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, text=True, bufsize=1) as process:
        yield process
        process.communicate(timeout=30)


def store_a_setting(stranger: subprocess.Popen[str], path: Path, delay: float) -> None:
    """Let the other program begin, after so many seconds; it says "stored" in the end."""
    assert stranger.stdin is not None
    stranger.stdin.write(f"{path}|{delay}\n")


def is_stored(stranger: subprocess.Popen[str]) -> bool:
    assert stranger.stdout is not None
    return stranger.stdout.readline() == "stored\n"


def switch(home: Home, path: Path) -> str:
    with home.journal.acquire(command="install", timeout=5) as lease:
        edited = change(path, BEFORE, BEFORE.replace(b"upstream", b"proxy"), OURS)
        transaction = lease.begin(command="install", argv=(), from_state="a", to_state="b", changes=[edited])
        try:
            transaction.prepare()
            transaction.swap()
        except Drifted:
            roll_back(transaction)
            return "given up"
        transaction.commit()
        transaction.finish()
    return "committed"


def test_one_edit_at_the_instant_of_the_swap(
    tmp_path: Path, stranger: subprocess.Popen[str], numbers: Numbers
) -> None:
    """The other program's setting is in the file afterwards, at whatever instant it wrote."""
    choose = random.Random(SEED)
    lost = overwritten = parted = 0
    alone = home_at(tmp_path / "alone")
    path = alone.write("config", BEFORE)
    store_a_setting(stranger, path, 0)  # the program runs by now
    assert is_stored(stranger)
    path.write_bytes(BEFORE)
    began = time.perf_counter()
    switch(alone, path)
    latest = time.perf_counter() - began
    for number in range(TRIALS):
        home = home_at(tmp_path / str(number))
        path = home.write("config", BEFORE)
        store_a_setting(stranger, path, choose.random() * latest)
        outcome = switch(home, path)
        assert is_stored(stranger)
        values = parse(path.read_bytes())
        left = [home.path / name for name in home.names() if name not in {"config", "tmp-of-codex"}]
        lost += "theirs" not in values or not ("user" in values or left)
        # A writer that read before our swap and wrote after our last observation undoes ours: `status` reports drift.
        overwritten += outcome == "committed" and values.get("url") != "proxy"
        if WINDOWS and left:  # it may have found no file, between the renames of an exchange: see `hides_targets`
            assert [BEFORE] == [path.read_bytes() for path in left]
            parted += 1
        else:
            assert [] == left
    numbers.count("edits at the instant of a swap", "edits", TRIALS)
    numbers.count("edits at the instant of a swap", "ours overwritten by a text that was read before", overwritten)
    numbers.count("edits at the instant of a swap", "beside which the former content is parked", parted)
    numbers.count("edits at the instant of a swap", "violations", lost)
    assert lost == 0


def test_a_key_that_stays_absent(tmp_path: Path) -> None:
    """A file that appears between plan and swap is merged, not replaced."""
    home = home_at(tmp_path / "home")
    path = home.path / "config"
    key = KeyEdit(path=("ours",), before=ABSENT, after="1")
    with home.journal.acquire(command="x", timeout=5) as lease:
        transaction = lease.begin(
            command="x", argv=(), from_state="a", to_state="b", changes=[change(path, None, b"ours=1\n", key)]
        )
        transaction.prepare()
        path.write_bytes(b"theirs=1\n")
        transaction.swap()
        transaction.commit()
        transaction.finish()
    assert b"theirs=1\nours=1\n" == path.read_bytes()
    assert ["config"] == home.names()
