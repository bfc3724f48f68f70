"""An operation that fails, once or from then on, leaves nothing that a recovery does not put right."""

from __future__ import annotations

import errno

import pytest

from journal import Damaged, JournalError
from tests.crash import invariants
from tests.crash.simfs import Fault, SimFs
from tests.crash.sizes import DEEP
from tests.crash.world import SCENARIOS, Machine, Outcome, Scenario, journal_on, recover, run

# The journal tells refused permission from the rest; a deep session tries every code all the same.
CODES = (errno.ENOSPC, errno.EIO, errno.EPERM)
READ_CODES = (errno.EIO, errno.EACCES)
if DEEP:
    CODES += (
        errno.EDQUOT,
        errno.EACCES,
        errno.EROFS,
        errno.EMFILE,
        errno.EINTR,
        errno.ESTALE,
        errno.EXDEV,
        errno.EBUSY,
    )
    READ_CODES += (errno.EMFILE, errno.ESTALE, errno.EINTR)
WAYS = (
    {"sticky": False},
    {"sticky": False, "too_late": True},
    {"sticky": True},
    {"sticky": True, "writes_only": True},
)


def complaints_after(scenario: Scenario, was: SimFs, fs: SimFs, machine: Machine, outcome: Outcome) -> list[str]:
    """Heal the file system, recover, and look."""
    fs.fault = fs.read_fault = None
    recover(fs, machine)
    told = None if outcome == "stuck" else outcome
    found = [
        *invariants.i1_all_before_or_all_after(scenario, was, fs, told),
        *invariants.i3_no_proxied_config_without_worker(scenario, fs, machine),
        *invariants.i4_nothing_left(scenario, fs),
        *invariants.i5_secrets_stay_private(fs, {target for target, _ in scenario.targets()}),
        *invariants.i7_untouched_stays_itself(scenario, was, fs),
    ]
    return [*found, "a descriptor is left open"] if fs.descriptors else found


def attempt(scenario: Scenario, fs: SimFs, machine: Machine) -> Outcome:
    """Run the command; a failure before its transaction began has touched nothing."""
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


@pytest.mark.parametrize("way", WAYS, ids=["once", "once-too-late", "sticky", "sticky-writes"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_failing_operations(scenario: Scenario, way: dict[str, bool]) -> None:
    """Every operation fails in every way: the command says what is true, and recovery leaves no mixture."""
    was = scenario.world()
    for at in range(1, steps(scenario)[0] + 1):
        for code in CODES:
            fs, machine = scenario.world(), scenario.machine()
            fs.fault = Fault(at=at, code=code, **way)
            outcome = attempt(scenario, fs, machine)
            found = complaints_after(scenario, was, fs, machine, outcome)
            assert found == [], (at, errno.errorcode[code], outcome)


@pytest.mark.parametrize("sticky", [False, True], ids=["once", "sticky"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_failing_reads(scenario: Scenario, sticky: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Every look at a file fails: the same promise."""
    was = scenario.world()
    for at in range(1, steps(scenario)[1] + 1):
        for code in READ_CODES:
            fs, machine = scenario.world(), scenario.machine()
            fs.read_fault = Fault(at=at, code=code, sticky=sticky)
            outcome = attempt(scenario, fs, machine)
            found = complaints_after(scenario, was, fs, machine, outcome)
            assert found == [], (at, errno.errorcode[code], outcome)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_short_writes(scenario: Scenario) -> None:
    """A file system that takes half of what it is given each time changes nothing but the number of calls."""
    was, fs, machine = scenario.world(), scenario.world(), scenario.machine()
    fs.short_writes = True
    outcome = run(journal_on(fs, machine), scenario, machine)
    assert outcome == ("rolled_back" if scenario.fails else "committed")
    assert complaints_after(scenario, was, fs, machine, outcome) == []
