"""Processes that change files die at any operation, on every system: TerminateProcess on Windows, SIGKILL elsewhere.

The kills of `test_kills` need fork and run whole commands; these need processes alone, and run the journal. On
Windows they also come between the renames of one exchange.

The start of an interpreter is nearly all of a kill's time. So several are started ahead, and several homes, each a
lane, have their kills at the same time; a home with an interrupted transaction is copied, not made anew.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash.dying import AFTER, BEFORE, perform
from tests.crash.sizes import SEED, size
from tests.journal.support import home_at
from tests.numbers import VIOLATIONS, Numbers
from tests.systems import WINDOWS

REPOSITORY = Path(__file__).parents[2]
LANES = 3
READY = 2  # processes of each lane that are started before they are needed
KILLS = size("PROCESS_KILLS", 30, 2000)  # of each kind of work
LATEST_ACT = 12  # the last operation of a recovery at which it is killed; the next recovery gets further
ALIVE = 0

Point = tuple[int, str]


class Processes:
    """Processes that die once they are told at what."""

    def __init__(self) -> None:
        self._ready: deque[subprocess.Popen[str]] = deque()

    def die(self, home: Path, what: str, at: int, how: str) -> int:
        while len(self._ready) < READY:
            command = [sys.executable, "-m", "tests.crash.dying"]
            pipe = subprocess.PIPE
            self._ready.append(
                subprocess.Popen(
                    command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
                )
            )
        process = self._ready.popleft()
        output, _ = process.communicate(f"{home}|{what}|{at}|{how}\n", timeout=120)
        assert output == "", output
        return process.returncode

    def end(self) -> None:
        for process in self._ready:
            with suppress(OSError):
                process.kill()
            process.communicate()


def lay_out(home: Path, what: str) -> None:
    """Make the home that `what` begins with: `uninstall` is after a transaction that was interrupted half-way."""
    home.mkdir()
    for name, content in BEFORE.items():
        (home / name).write_bytes(content)
    if what == "uninstall":
        perform(home, "break_off", 0, "alive")


def points(acts: list[str]) -> list[Point]:
    """Return each operation, half of each write, and what lies between the renames of an exchange."""
    every: list[Point] = []
    for at, name in enumerate(acts, start=1):
        every.append((at, "before"))
        if name == "write":
            every.append((at, "half"))
        if name == "exchange" and WINDOWS:
            every += [(at, "half"), (at, "late")]
    return every


def complaints(home: Path) -> list[str]:
    """Recover, and check: all before or all after, nothing left, and nothing to do for a second recovery."""
    journal = home_at(home).journal
    with journal.acquire(command="recover", timeout=5) as lease:
        kind = lease.recover().kind
        again = lease.recover().kind
    files = {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.parent != journal.root
    }
    problems = [] if files in (BEFORE, AFTER) else [f"a mixture: {sorted(files)}"]
    problems += [] if kind != "conflict" and again == "clean" else [f"{kind}, then {again}"]
    return problems if journal.is_clean() else [*problems, "a file of the journal is left"]


@dataclass
class Lane:
    """A home whose processes are killed one after the other."""

    home: Path
    choose: random.Random
    processes: Processes = field(default_factory=Processes)
    kills: int = 0
    problems: list[str] = field(default_factory=list)

    def die(self, what: str, at: int, how: str) -> bool:
        """Whether a process died at this point, and did not end before it."""
        dead = self.processes.die(self.home, what, at, how) != ALIVE
        self.kills += dead
        return dead

    def work(self, what: str, left: deque[Point], enough: int) -> None:
        """Kill processes at the points that are left, the first of each round in the same home as it began."""
        beginning = self.home.with_name(f"{self.home.name} at the beginning")
        lay_out(self.home, what)
        self.home.rename(beginning)
        try:
            while left and self.kills < enough and not self.problems:
                shutil.copytree(beginning, self.home)
                self.kill(what, *left.popleft())
                shutil.rmtree(self.home)
        finally:
            self.processes.end()

    def kill(self, what: str, at: int, how: str) -> None:
        """Kill a process at a point, and perhaps recoveries after it; then let one complete, and check."""
        assert self.die(what, at, how), (at, how)
        for _ in range(self.choose.randint(0, 2)):
            if not self.die("recover", self.choose.randint(1, LATEST_ACT), self.choose.choice(("before", "half"))):
                break
        self.problems += [f"{at} {how}: {problem}" for problem in complaints(self.home)]


@pytest.mark.parametrize("what", ["install", "give_up", "uninstall"])
def test_a_killed_process_leaves_all_or_nothing(what: str, tmp_path: Path, numbers: Numbers) -> None:
    """After the death of a process at any operation, and of recoveries after it, one recovery makes it whole."""
    lay_out(tmp_path / "rehearsal", what)
    every = points(perform(tmp_path / "rehearsal", what, 0, "alive").names)
    choose = random.Random(f"{SEED} {what}")
    left = deque(point for _ in range(0, KILLS, len(every)) for point in choose.sample(every, len(every)))
    lanes = [Lane(tmp_path / f"home {number}", random.Random(choose.random())) for number in range(LANES)]
    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(lambda lane: lane.work(what, left, KILLS // LANES), lanes))
    kills, problems = sum(lane.kills for lane in lanes), [problem for lane in lanes for problem in lane.problems]
    numbers.count("killed processes", "of the journal, one process a kill", kills)
    numbers.count("killed processes", VIOLATIONS, len(problems))
    assert problems == []
    assert kills >= KILLS
