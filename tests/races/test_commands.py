"""Concurrent commands: their result is that of the same commands in some serial order.

The order is that in which they acquired the lock: the same commands run again in it, and the homes are compared.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cfp.commands.autostart import LOCK_TIMEOUT_S
from journal.context import Lock
from journal.lock import NativeLocks
from tests.crash.sizes import SEED, size
from tests.homes.acts import Acts
from tests.homes.site import CommandAnswer
from tests.numbers import VIOLATIONS, Numbers
from tests.scenes import ENVIRON, INSTALL, MOVE, dotfiles, lay, photograph, plain, worker_dies
from tests.staged import Stage, in_children

ROUNDS = size("RACE_ROUNDS", 20, 2000)
WORDS = (
    INSTALL,
    INSTALL,
    MOVE,
    (*MOVE, "--restart"),
    ("start",),
    ("autostart", "--quiet"),
    ("stop",),
    ("uninstall",),
    ("uninstall", "--defer-stop"),
    ("prepare-chatgpt-login", "--apply"),
    ("recover",),
)
EXPECTED = {0, 2, 3}  # done, refused, conflict; never busy, interrupted or a bug
CROWDS = (2, 2, 8, 2, 8, 2, 32)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@dataclass(frozen=True, slots=True)
class Turnstile:
    """The real lock, which records the order of its holders."""

    record: Path
    name: str

    def acquire(self, path: Path, timeout: float) -> Lock:
        lock = NativeLocks().acquire(path, timeout)
        with self.record.open("a") as record:
            record.write(self.name + "\n")
        return lock


def staged(root: Path, number: int) -> Stage:
    stage = Stage(root=root, environ=ENVIRON)
    stage.home.parent.mkdir(parents=True)
    (plain, dotfiles)[number % 2](stage)
    if number % 3:
        assert stage.run(*INSTALL).code == 0
    if number % 3 == 2:
        worker_dies(stage)
    return stage


def run_at_once(stage: Stage, commands: Sequence[tuple[str, ...]]) -> list[int]:
    """Run each command in a process of its own, all started by one event; return their exit codes."""
    reading, writing = os.pipe()

    def one(number: int) -> int:
        os.close(writing)
        os.read(reading, 1)  # the end of the file starts them all
        answer = stage.run(*commands[number], locks=Turnstile(stage.root / "order", str(number)))
        (stage.root / f"said-{number}").write_text(answer.out)
        return answer.code

    try:
        return in_children([lambda number=number: one(number) for number in range(len(commands))], writing)
    finally:
        os.close(reading)


def in_order(stage: Stage, commands: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the commands in the order of their last lock; a command that never acquired it changed nothing."""
    record = stage.root / "order"
    passed = [int(name) for name in record.read_text().split()] if record.exists() else []
    last = {number: place for place, number in enumerate(passed)}
    return [commands[number] for number in sorted(last, key=lambda number: last[number])]


def race(root: Path, number: int, choose: random.Random) -> list[str]:
    """Run one round, and return complaints."""
    stage = staged(root, number)
    was = photograph(stage)
    commands = [choose.choice(WORDS) for _ in range(CROWDS[number % len(CROWDS)])]
    codes = run_at_once(stage, commands)
    order = in_order(stage, commands)
    raced = photograph(stage)
    complaints = [
        f"{commands[one]} exits {code}: {(stage.root / f'said-{one}').read_text()}"
        for one, code in enumerate(codes)
        if code not in EXPECTED
    ]
    if len(raced.alive) > 1:
        complaints.append(f"{len(raced.alive)} workers")
    if (kind := stage.run("recover").json["status"]) != "clean":
        complaints.append(f"something was left to recover: {kind}")
    lay(stage, was)
    for words in order:
        stage.run(*words)
    serial = photograph(stage)
    if raced.everything() != serial.everything() or len(raced.alive) != len(serial.alive):
        differing = {
            path
            for path in {*raced.everything(), *serial.everything()}
            if raced.everything().get(path) != serial.everything().get(path)
        }
        complaints.append(f"no order explains {sorted(differing)}, {len(raced.alive)} workers; {order}")
    return complaints


def test_commands_at_once(tmp_path: Path, numbers: Numbers) -> None:
    """The result of 2, 8 or 32 processes is that of a serial order: none is lost or hangs, and one worker runs."""
    choose = random.Random(SEED)
    complaints = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        complaints += [f"round {number}: {complaint}" for complaint in race(tmp_path / str(number), number, choose)]
        numbers.time("races", "round of commands at once", time.perf_counter() - began)
        shutil.rmtree(tmp_path / str(number))
    numbers.count("races", "rounds of commands at once", ROUNDS)
    numbers.count("races", VIOLATIONS, len(complaints))
    assert [] == complaints


def test_twelve_hooks_at_once(tmp_path: Path) -> None:
    """Twelve sessions that begin together start one worker; every hook exits 0 in time, and none logs an error."""
    stage = staged(tmp_path / "stage", 2)
    began = time.monotonic()
    assert [0] * 12 == run_at_once(stage, [("autostart", "--quiet")] * 12)
    assert time.monotonic() - began < 10  # the hook's timeout in hooks.json
    assert 1 == len(stage.street.workers)
    log = stage.layout.autostart_log.read_text().splitlines()
    unexpected = [line for line in log if json.loads(line)["status"] not in {"started", "already_running", "busy"}]
    assert [] == unexpected
    assert 1 == sum(json.loads(line)["status"] == "started" for line in log)


@dataclass(frozen=True, slots=True)
class Knocking:
    """The real lock; a process that is about to wait for it reports that on a pipe."""

    pipe: int

    def acquire(self, path: Path, timeout: float) -> Lock:
        os.write(self.pipe, b"!")
        return NativeLocks().acquire(path, timeout)


def settled_after_a_killed_holder(words: tuple[str, ...], stage: Stage) -> CommandAnswer:
    """Return the result of a command that waits for the lock while its holder is killed in an install."""

    def stopped(_: object) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    holder = os.fork()
    if holder == 0:
        stage.run(*INSTALL, "--upstream-base", "https://third.example/v1", acts=Acts(20, stopped))
        os._exit(0)
    assert os.WIFSTOPPED(os.waitpid(holder, os.WUNTRACED)[1])
    assert stage.host().journal.interrupted()
    reading, writing = os.pipe()
    waiting = os.fork()
    if waiting == 0:
        answer = stage.run(*words, locks=Knocking(writing))
        (stage.root / "said").write_text(answer.out)
        os._exit(answer.code)
    os.close(writing)
    knocked = os.read(reading, 1)
    os.close(reading)
    began = time.monotonic()
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    code = os.waitstatus_to_exitcode(os.waitpid(waiting, 0)[1])
    assert time.monotonic() - began < LOCK_TIMEOUT_S
    assert knocked == b"!", "it never came to the lock"
    return CommandAnswer(code=code, out=(stage.root / "said").read_text())


@pytest.mark.parametrize(
    "words", [INSTALL, MOVE, ("start",), ("stop",), ("uninstall",), ("recover",)], ids=lambda words: words[0]
)
def test_a_killed_holder_of_the_lock_blocks_nobody(words: tuple[str, ...], tmp_path: Path) -> None:
    """A command that waits for the lock of a killed process continues at once, and recovers its transaction."""
    stage = staged(tmp_path / "stage", 2)
    answer = settled_after_a_killed_holder(words, stage)
    assert answer.code == 0, answer.out
    assert answer.json["recovered" if words != ("recover",) else "transactions"]
    assert () == stage.host().journal.interrupted()


def test_a_killed_holder_of_the_lock_leaves_a_session_its_proxy(tmp_path: Path) -> None:
    """A waiting hook continues at once too: it starts the worker, and leaves the transaction to `recover`."""
    stage = staged(tmp_path / "stage", 2)
    answer = settled_after_a_killed_holder(("autostart",), stage)
    assert (answer.code, answer.status, answer.json["reason"]) == (0, "started", "interrupted"), answer.out
    assert 1 == len(stage.street.workers)
    assert stage.host().journal.interrupted()
    assert "rolled_back" == stage.run("recover").status
    assert () == stage.host().journal.interrupted()
    assert 1 == len(stage.street.workers)
