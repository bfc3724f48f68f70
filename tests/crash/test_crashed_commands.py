"""Whole commands, killed or without power at any operation: every file is as before or as planned.

The real command line runs, with its real plans and tables, on files and processes in memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.crash.commands import COMMANDS, INSTALL, LATER, LAYOUT, SET, Command, on
from tests.crash.model import Ends, Explorer, Tally
from tests.crash.power import PowerCut
from tests.crash.simfs import SimFs, below, key_of
from tests.crash.sizes import DEEP, DEPTH, IMAGES, SEED
from tests.homes.computer import Computer
from tests.homes.site import run_line
from tests.numbers import Numbers

NAMES = [command.name for command in COMMANDS]
NEXT = (INSTALL, SET, "start", "stop", "recover", LATER, "uninstall")


@pytest.mark.parametrize("windows", [False, True], ids=["POSIX", "Windows"])
@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_no_crash_of_a_command_leaves_a_mixture(command: Command, windows: bool, numbers: Numbers) -> None:  # noqa: FBT001 - a parameter of the test
    """All files are as before or all as planned, also after a crash of recovery; no file or worker is left."""
    tally = Tally()
    limit = 3 * IMAGES // (8 * len(COMMANDS))
    Explorer(command, tally, random.Random(SEED), depth=DEPTH, limit=limit, windows=windows).explore()
    tally.tell(numbers)
    assert tally.complaints == []


def crashed(command: Command) -> Iterator[tuple[SimFs, Computer]]:
    """Yield each kind of world that a kill or a power cut during the command leaves on any system, unrecovered."""
    choose = random.Random(SEED)
    for windows in (False, True):
        fs, computer = command.world(), command.machine()
        fs.windows = windows
        ends = Ends(fs, computer)
        command.play(fs, computer)
        ends.add(fs)
        for end in ends.all:
            yield end.fs, end.machine
            power = PowerCut(end.fs)
            yield power.world(power.draw(choose, any_subset=True)), end.machine.after_power_cut()


def settled(command: Command) -> Iterator[tuple[SimFs, Computer]]:
    """Yield the worlds after recovery; those that differ in the journal alone count as one."""
    known = set()
    for fs, computer in crashed(command):
        command.recover(fs, computer, boot="boot-1")
        if (key := (picture(fs), len(computer.workers))) not in known:
            known.add(key)
            yield fs, computer


def picture(fs: SimFs) -> frozenset[tuple[str, bytes]]:
    """Return every file but the journal's own."""
    return frozenset((path, node.data) for path, node in fs.files() if not path.startswith(below(LAYOUT.journal)))


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_every_command_works_after_every_outcome(command: Command, numbers: Numbers) -> None:
    """After a crash and its recovery each command works or refuses without a change; an uninstall then succeeds.

    The gate tries two of them in each world, a deep session all.
    """
    tried = 0
    for number, (start, computer) in enumerate(settled(command)):
        for line in NEXT if DEEP else (NEXT[number % len(NEXT)], NEXT[(number + 3) % len(NEXT)]):
            fs, workers = start.after_kill(), computer.copy()
            before = picture(fs)
            answer = run_line(on(fs), workers, line)
            assert answer.code in {0, 2, 3}, (line, answer.text)
            if answer.json.get("changed") is False:
                assert before == picture(fs), (line, answer.text)
            assert leaves_for_good(command, fs, workers) == [], line
            tried += 1
    numbers.count("crash model", "second commands after a crashed one", tried)


def leaves_for_good(command: Command, fs: SimFs, computer: Computer) -> list[str]:
    """Uninstall, and return complaints about files that differ from those before the install."""
    answer = run_line(on(fs), computer, "uninstall")
    problems = [] if answer.code == 0 else [answer.text]
    for path, theirs in zip((LAYOUT.config, LAYOUT.hooks), command.theirs(), strict=True):
        if (now := fs.data(fs.led_to(path))) not in theirs:
            problems.append(f"{path} is {now!r}")
    problems += [
        f"{path} is left" for path in (*fs.seen,) if path.startswith((key_of(LAYOUT.state), key_of(LAYOUT.journal)))
    ]
    return problems + (["a worker is left"] if computer.workers else [])
