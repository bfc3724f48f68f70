"""A real writer without a lock, as Codex is one, edits at the instant of a real swap; its edit survives."""

from __future__ import annotations

import contextlib
import os
import random
import time
from pathlib import Path

from journal import ABSENT, Drifted, KeyEdit
from tests.crash.lines import dump, parse
from tests.crash.sizes import SEED, size
from tests.journal.support import Home, change, home_at, roll_back
from tests.numbers import Numbers

TRIALS = size("CONTENTION", 120, 4000)
OURS = KeyEdit(path=("url",), before="upstream", after="proxy")
BEFORE = b"url=upstream\nuser=1\n" + b"".join(b"filler%d=x\n" % n for n in range(200))


def store_a_setting(path: Path, delay: float) -> None:
    """Read, modify, write a new file and rename it: no lock, no fsync (Codex 0.169 `write_atomically`)."""
    end = time.perf_counter() + delay
    while time.perf_counter() < end:
        pass
    values = parse(path.read_bytes())
    beside = path.with_name("tmp-of-codex")
    beside.write_bytes(dump(values | {"theirs": "1"}))
    beside.replace(path)


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


def test_one_edit_at_the_instant_of_the_swap(tmp_path: Path, numbers: Numbers) -> None:
    """The other program's setting is in the file afterwards, at whatever instant it wrote."""
    choose = random.Random(SEED)
    lost = overwritten = 0
    for number in range(TRIALS):
        home = home_at(tmp_path / str(number))
        path = home.write("config", BEFORE)
        delay = choose.random() * 0.006
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                store_a_setting(path, delay)
            os._exit(0)
        outcome = switch(home, path)
        os.waitpid(child, 0)
        values = parse(path.read_bytes())
        lost += "theirs" not in values
        # A writer that read before our swap and wrote after our last observation undoes ours: `status` reports drift.
        overwritten += outcome == "committed" and values["url"] != "proxy"
        assert [] == [name for name in home.names() if name not in {"config", "tmp-of-codex"}]
    numbers.count("edits at the instant of a swap", "edits", TRIALS)
    numbers.count("edits at the instant of a swap", "ours overwritten by a text that was read before", overwritten)
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
