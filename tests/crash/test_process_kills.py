"""Processes that change files die at any operation, on every system: TerminateProcess on Windows, SIGKILL elsewhere.

The kills of `test_kills` need fork and run whole commands; these need processes alone, and run the journal. On
Windows they also come between the renames of one exchange.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.crash.dying import AFTER, BEFORE, perform
from tests.crash.sizes import SEED, size
from tests.journal.support import home_at
from tests.numbers import VIOLATIONS, Numbers

REPOSITORY = Path(__file__).parents[2]
READY = 3  # processes that are started before they are needed
KILLS = size("PROCESS_KILLS", 110 if sys.platform == "win32" else 30, 2000)  # of each kind of work
LATEST_ACT = 12  # the last operation of a recovery at which it is killed; the next recovery gets further
ALIVE = 0


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


@pytest.fixture
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    processes.end()


def lay_out(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    for name, content in BEFORE.items():
        (home / name).write_bytes(content)


def points(acts: list[str]) -> list[tuple[int, str]]:
    """Return each operation, half of each write, and what lies between the renames of an exchange."""
    every: list[tuple[int, str]] = []
    for at, name in enumerate(acts, start=1):
        every.append((at, "before"))
        if name == "write":
            every.append((at, "half"))
        if name == "exchange" and sys.platform == "win32":
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


@pytest.mark.parametrize("what", ["install", "give_up", "uninstall"])
def test_a_killed_process_leaves_all_or_nothing(
    what: str, tmp_path: Path, processes: Processes, numbers: Numbers
) -> None:
    """After the death of a process at any operation, and of recoveries after it, one recovery makes it whole."""
    home, choose = tmp_path / "home", random.Random(f"{SEED} {what}")

    def begin() -> None:
        lay_out(home)
        if what == "uninstall":  # of the journal: after a transaction that was interrupted
            processes.die(home, "install", interrupted_at, "before")

    lay_out(home)
    interrupted_at = len(perform(home, "install", 0, "alive").names) // 2
    begin()
    everywhere = points(perform(home, what, 0, "alive").names)
    kills, problems = 0, []
    while kills < KILLS and not problems:
        for at, how in choose.sample(everywhere, len(everywhere)):
            if kills >= KILLS:
                break
            begin()
            assert processes.die(home, what, at, how) != ALIVE, (at, how)
            kills += 1
            for _ in range(choose.randint(0, 2)):
                dead = processes.die(
                    home, "recover", choose.randint(1, LATEST_ACT), choose.choice(("before", "half"))
                )
                kills += dead != ALIVE
            problems += [f"{at} {how}: {problem}" for problem in complaints(home)]
    numbers.count("killed processes", "of the journal, one process a kill", kills)
    numbers.count("killed processes", VIOLATIONS, len(problems))
    assert problems == []
