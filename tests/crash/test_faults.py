"""An operation that fails, once or permanently: recovery restores order."""

from __future__ import annotations

import errno
import random
from contextlib import suppress

import pytest

from journal import Damaged, JournalError
from tests.crash import invariants
from tests.crash.simfs import Fault, SimFs
from tests.crash.sizes import DEEP, FAULT_CODES, SEED
from tests.crash.world import SCENARIOS, Machine, Outcome, Scenario, journal_on, recover, run
from tests.numbers import Numbers

CODES = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.EMFILE, errno.EINTR, errno.ESTALE, errno.EXDEV, errno.EBUSY),
)[:FAULT_CODES]
READ_CODES = CODES if DEEP else (errno.EIO, errno.EACCES)
# An operation that takes effect and reports a failure is typical of network file systems: one code is enough.
WAYS = (
    (CODES, {"sticky": False}),
    (CODES, {"sticky": True}),
    (CODES, {"sticky": True, "writes_only": True}),
    (CODES if DEEP else (errno.EIO,), {"sticky": False, "too_late": True}),
)


def complaints_after(scenario: Scenario, was: SimFs, fs: SimFs, machine: Machine, outcome: Outcome) -> list[str]:
    """Heal the file system, recover, and check."""
    fs.fault = fs.read_fault = None
    recover(fs, machine)
    result = None if outcome == "stuck" else outcome
    problems = [
        *invariants.i1_all_before_or_all_after(scenario, was, fs, result),
        *invariants.i3_no_proxied_config_without_worker(scenario, fs, machine),
        *invariants.i4_nothing_left(scenario, fs),
        *invariants.i5_secrets_stay_private(fs, {target for target, _ in scenario.targets()}),
        *invariants.i7_untouched_stays_itself(scenario, was, fs),
    ]
    return [*problems, "a descriptor is left open"] if fs.descriptors else problems


def attempt(scenario: Scenario, fs: SimFs, machine: Machine) -> Outcome:
    """Run the command; a failure before its transaction began must have changed no file."""
    try:
        return run(journal_on(fs, machine), scenario, machine)
    except Damaged:
        raise
    except JournalError:
        return "rolled_back"


def steps(scenario: Scenario) -> tuple[int, int]:
    fs, machine = scenario.world(), scenario.machine()
    run(journal_on(fs, machine), scenario, machine)
    return fs.step, fs.reads


@pytest.mark.parametrize("way", WAYS, ids=["once", "sticky", "sticky-writes", "once-too-late"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_failing_operations(
    scenario: Scenario, way: tuple[tuple[int, ...], dict[str, bool]], numbers: Numbers
) -> None:
    """For every operation and error code the command's error is true, and recovery leaves no mixture."""
    was = scenario.world()
    codes, how = way
    bad = []
    for at in range(1, steps(scenario)[0] + 1):
        for code in codes:
            fs, machine = scenario.world(), scenario.machine()
            fs.fault = Fault(at=at, code=code, **how)
            outcome = attempt(scenario, fs, machine)
            if problems := complaints_after(scenario, was, fs, machine, outcome):
                bad.append((at, errno.errorcode[code], outcome, problems))
    tell(numbers, "cells of the bare protocol", steps(scenario)[0] * len(codes), bad)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_failing_recoveries(scenario: Scenario, numbers: Numbers) -> None:
    """The disk fills at any operation, and recovery fails at one of its own: the next recovery succeeds."""
    was, choose = scenario.world(), random.Random(SEED)
    bad, tried = [], 0
    for at in range(1, steps(scenario)[0] + 1):
        for _ in range(25 if DEEP else 2):
            fs, machine = scenario.world(), scenario.machine()
            fs.fault = Fault(at=at, code=errno.ENOSPC, sticky=True)
            outcome = attempt(scenario, fs, machine)
            second = fs.step + choose.randint(1, 30)
            fs.fault = Fault(at=second, code=choose.choice(CODES), sticky=choose.random() < 0.5)
            with suppress(JournalError):
                recover(fs, machine)
            tried += 1
            if problems := complaints_after(scenario, was, fs, machine, outcome):
                bad.append((at, second, outcome, problems))
    tell(numbers, "pairs: one in a command, one in its recovery", tried, bad)


def tell(numbers: Numbers, what: str, many: int, bad: list[object]) -> None:
    numbers.count("failing operations", what, many)
    numbers.count("failing operations", "violations", len(bad))
    assert bad == []


@pytest.mark.parametrize("sticky", [False, True], ids=["once", "sticky"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_failing_reads(scenario: Scenario, sticky: bool, numbers: Numbers) -> None:  # noqa: FBT001 - a parameter of the test
    """For every failing read the command's error is true, and recovery leaves no mixture."""
    was = scenario.world()
    bad = []
    for at in range(1, steps(scenario)[1] + 1):
        for code in READ_CODES:
            fs, machine = scenario.world(), scenario.machine()
            fs.read_fault = Fault(at=at, code=code, sticky=sticky)
            outcome = attempt(scenario, fs, machine)
            if problems := complaints_after(scenario, was, fs, machine, outcome):
                bad.append((at, errno.errorcode[code], outcome, problems))
    tell(numbers, "failing reads of the bare protocol", steps(scenario)[1] * len(READ_CODES), bad)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_short_writes(scenario: Scenario) -> None:
    """A file system that writes half of each request changes only the number of calls."""
    was, fs, machine = scenario.world(), scenario.world(), scenario.machine()
    fs.short_writes = True
    outcome = run(journal_on(fs, machine), scenario, machine)
    assert outcome == ("rolled_back" if scenario.fails else "committed")
    assert complaints_after(scenario, was, fs, machine, outcome) == []
