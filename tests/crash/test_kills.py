"""Real processes, real files, real SIGKILL: at every operation of a command, and again inside its recovery."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from journal import JournalError, RealFs
from journal.fs import Fs
from journal.lock import NativeLocks
from tests.crash import invariants
from tests.crash.photograph import build, moved_to, photograph
from tests.crash.sizes import KILLS, SEED
from tests.crash.world import SCENARIOS, Machine, Scenario, journal_on, run

CHANGING = (
    *("create", "write", "reserve", "fsync", "set_owner", "set_mode", "set_xattr", "drop_xattr", "set_mtime"),
    *("exchange", "move", "move_new", "unlink", "make_folder", "remove_folder", "fsync_folder"),
)


class DeadlyFs:
    """The real file system, whose user dies before a given operation, or half-way through it if that writes."""

    def __init__(self, at: int, *, torn: bool) -> None:
        self._fs = RealFs()
        self._at = at
        self._torn = torn
        self.count = 0

    def __getattr__(self, name: str) -> object:
        call = getattr(self._fs, name)
        return self._counted(name, call) if name in CHANGING else call

    def _counted(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def operate(*arguments: object) -> object:
            self.count += 1
            if self.count == self._at:
                if self._torn and name == "write":
                    fd, data, offset = arguments
                    call(fd, data[: len(data) // 2], offset)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments)

        return operate


def in_a_child(act: Callable[[], None]) -> int:
    """Run something in a process of its own; returns its exit code, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException:  # noqa: BLE001 - the parent's test must not go on in the child
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def command(scenario: Scenario, home: Path, fs: Fs, machine: Machine) -> None:
    run(real_journal(home, fs, machine), scenario, machine)


def recovery(home: Path, fs: Fs, machine: Machine) -> None:
    with real_journal(home, fs, machine).acquire(command="recover", timeout=5) as lease:
        lease.recover()


def real_journal(home: Path, fs: Fs, machine: Machine) -> object:
    return journal_on(fs, machine, root=home / "journal", locks=NativeLocks())


def kills(operations: dict[str, int]) -> Iterator[tuple[Scenario, int, bool, int]]:
    """Every operation of every scenario once, then more of them at random, each with a second kill in mind."""
    choose = random.Random(SEED)
    planned = [(scenario, at) for scenario in SCENARIOS for at in range(1, operations[scenario.name] + 1)]
    while len(planned) < KILLS:
        scenario = choose.choice(SCENARIOS)
        planned.append((scenario, choose.randint(1, operations[scenario.name])))
    for scenario, at in planned:
        yield scenario, at, choose.random() < 0.5, choose.randint(1, 30)


def count_operations(scenario: Scenario, home: Path) -> int:
    here = moved_to(scenario, home)
    build(here, home)
    fs = DeadlyFs(0, torn=False)
    command(here, home, fs, scenario.machine())
    return fs.count


def test_killed_for_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a kill, and mostly a second one inside recovery, one more recovery leaves no mixture and nothing else."""
    operations = {
        scenario.name: count_operations(scenario, tmp_path / f"count-{scenario.name}") for scenario in SCENARIOS
    }
    done = nested = 0
    for number, (scenario, at, torn, second) in enumerate(kills(operations)):
        home = tmp_path / str(number)
        here = moved_to(scenario, home)
        build(here, home)
        was = photograph(home)
        code = in_a_child(lambda: command(here, home, DeadlyFs(at, torn=torn), scenario.machine()))  # noqa: B023 - runs at once
        assert code == -signal.SIGKILL, (scenario.name, at)
        done += 1
        code = in_a_child(lambda: recovery(home, DeadlyFs(second, torn=torn), Machine()))  # noqa: B023 - runs at once
        assert code in {0, -signal.SIGKILL}, (scenario.name, at, second)
        nested += code != 0
        recovery(home, RealFs(), Machine())
        assert complaints(scenario, was, photograph(home)) == [], (scenario.name, at, torn, second)
    with capsys.disabled():
        print(f"\n  {done} kills in commands, {nested} in recoveries", end=" ")  # noqa: T201 - the size is the result


def complaints(scenario: Scenario, was: object, now: object) -> list[str]:
    return [
        *invariants.i1_all_before_or_all_after(scenario, was, now, None),
        *invariants.i4_nothing_left(scenario, now),
        *invariants.i5_secrets_stay_private(now, {target for target, _ in scenario.targets()}),
        *invariants.i7_untouched_stays_itself(scenario, was, now),
    ]


def test_a_killed_recovery_is_never_stuck(tmp_path: Path) -> None:
    """A recovery that is killed over and over at its first operations ends as soon as one is let through."""
    scenario = SCENARIOS[0]
    home = tmp_path / "home"
    here = moved_to(scenario, home)
    build(here, home)
    was = photograph(home)
    assert in_a_child(lambda: command(here, home, DeadlyFs(45, torn=False), scenario.machine())) < 0
    for at in range(1, 12):
        in_a_child(lambda: recovery(home, DeadlyFs(at, torn=True), Machine()))  # noqa: B023 - runs at once
    with pytest.raises(JournalError):
        real_journal(home, RealFs(), Machine()).inspect("no-such-id")
    recovery(home, RealFs(), Machine())
    assert complaints(scenario, was, photograph(home)) == []
