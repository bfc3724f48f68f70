"""Whole commands on a machine that fails or interrupts them: their answers are true, and recovery restores order.

A cell is a command, one of its file operations, an error code and its duration. The gate gives each operation two of
the four durations in turn, with one code each; a deep session gives it all. The gate runs all of them on the
journal's protocol alone (test_faults.py).
"""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from dataclasses import fields

import pytest

from cfp import signals
from cfp.core.facts import Facts
from cfp.host.survey import RequestedAddress
from tests.crash import invariants
from tests.crash.commands import COMMANDS, Command, on
from tests.crash.simfs import Fault, SimFs
from tests.crash.sizes import DEEP
from tests.crash.world import CANARY
from tests.homes.computer import Computer
from tests.homes.site import CommandAnswer, StagedHost, host_on, run_on
from tests.numbers import Numbers
from tests.systems import ENDING

CODES = (
    *(errno.ENOSPC, errno.EACCES, errno.EIO, errno.EPERM, errno.EROFS, errno.EDQUOT),
    *(errno.EMFILE, errno.EINTR, errno.ESTALE, errno.EXDEV, errno.EBUSY),
)
WAYS = (
    {"sticky": False},
    {"sticky": False, "too_late": True},
    {"sticky": True},
    {"sticky": True, "writes_only": True},
)
NAMES = [command.name for command in COMMANDS]


def operations(command: Command) -> range:
    fs = command.world()
    before = fs.step
    command.play(fs, command.machine())
    return range(before + 1, fs.step + 1)


def codes_for(number: int) -> tuple[int, ...]:
    return CODES if DEEP else (CODES[number % len(CODES)],)


def complaints_after(command: Command, fs: SimFs, computer: Computer, answer: CommandAnswer) -> list[str]:
    """Heal the machine, recover, and check."""
    problems = ["a bug"] if answer.code == 70 else []
    problems += ["I5: a secret in the answer"] if CANARY.decode() in answer.text else []
    problems += ["no sentence says what failed"] if answer.code and not answer.json.get("error") else []
    fs.fault = None
    command.recover(fs, computer, boot="boot-1")
    was = command.world()
    return [
        *problems,
        *invariants.i1_all_before_or_all_after(command, was, fs, answer.outcome),
        *invariants.i3_no_proxied_config_without_worker(command, fs, computer),
        *invariants.i4_nothing_left(command, fs),
        *invariants.i5_secrets_stay_private(fs, command.owned()),
        *invariants.i7_untouched_stays_itself(command, was, fs),
        *(["a descriptor is left open"] if fs.descriptors else []),
    ]


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_failing_operations(command: Command, numbers: Numbers) -> None:
    """For every failing operation the answer is true, and recovery leaves no mixture."""
    cells, bad = 0, []
    for at in operations(command):
        for way_number, way in enumerate(WAYS):
            if not DEEP and (at + way_number) % 2:
                continue
            for code in codes_for(at + 3 * way_number):
                fs, computer = command.world(), command.machine()
                fs.fault = Fault(at=at, code=code, **way)
                answer = command.say(fs, computer)
                cells += 1
                if problems := complaints_after(command, fs, computer, answer):
                    bad.append((at, errno.errorcode[code], way, answer.code, problems))
    numbers.count("failing operations", "cells of whole commands", cells)
    numbers.count("failing operations", "violations", len(bad))
    assert bad == []


@pytest.fixture
def _signals() -> Iterator[None]:
    """Let SIGTERM end a command as in a program of its own."""
    former = {number: signal.getsignal(number) for number in ENDING}
    signals.listen()
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_interrupted_at_any_operation(command: Command, numbers: Numbers) -> None:
    """After ^C or SIGTERM before any operation the answer is true, and nothing has to be recovered."""
    bad = []
    for at in operations(command):
        number = signal.SIGINT if at % 2 else signal.SIGTERM
        fs, computer = command.world(), command.machine()
        fs.on_step = lambda fs, what, about, at=at, number=number: fs.step == at and signal.raise_signal(number)
        answer = command.say(fs, computer)
        fs.on_step = None
        open_logs = [path for path in fs.seen if path.endswith(".open")]
        problems = complaints_after(command, fs, computer, answer)
        if problems or open_logs:
            bad.append((at, number.name, answer.code, open_logs, problems))
    numbers.count("failing operations", "interrupts of whole commands", len(operations(command)))
    numbers.count("failing operations", "violations", len(bad))
    assert bad == []


class _Impatient(StagedHost):
    """A host with ^C at the first read after the commit, when the lock is free again."""

    def survey(self, address: RequestedAddress | None = None, *, ask_codex: bool = False, **known: bool) -> Facts:
        if self.journal.has_committed:
            raise KeyboardInterrupt
        return super().survey(address, ask_codex=ask_codex, **known)


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_interrupted_between_the_change_and_the_answer(command: Command) -> None:
    """^C after the commit is not answered with "nothing changed"."""
    fs, computer = command.world(), command.machine()
    computer.seconds += 1
    staged = host_on(on(fs), computer)
    host = _Impatient(**{field.name: getattr(staged, field.name) for field in fields(staged)})
    answer = run_on(host, command.line.split())
    assert (answer.code, answer.json.get("code")) in {(0, None), (3, None), (130, "interrupted_when_done")}
    assert complaints_after(command, fs, computer, answer) == []


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_short_writes(command: Command) -> None:
    """A file system that writes half of each request changes only the number of calls."""
    fs, computer = command.world(), command.machine()
    fs.short_writes = True
    answer = command.say(fs, computer)
    assert complaints_after(command, fs, computer, answer) == []
    assert answer.outcome == "committed"
