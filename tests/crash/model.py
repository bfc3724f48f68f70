"""Crash a command at every operation, in every way, recover, and check; then crash the recovery as well.

A state is a world that a crash may leave. It is counted when recovery ran on it and all invariants were checked; a
world that was checked before, under the same terms, is counted as seen only.

No command runs twice for this: while one runs, every world in which it could stop is put aside. That is before each
operation, half-way through each write, and after the last one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from journal import Recovery
from tests.crash import invariants
from tests.crash.simfs import SimFs
from tests.crash.world import Machine, Outcome, Scenario, journal_on, recover, run

KILLED, POWERLESS = "boot-1", "boot-2"


@dataclass
class Tally:
    """What an exploration has seen."""

    seen: int = 0
    states: int = 0
    nested: int = 0
    complaints: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.seen} crash images seen, {self.states} distinct states checked, {self.nested} of them nested"


@dataclass(frozen=True, kw_only=True)
class End:
    """A world in which a program stopped: before its last act, or with `outcome` as its last word."""

    fs: SimFs
    machine: Machine
    outcome: Outcome | None = None


class Ends:
    """Every world in which a run could stop."""

    def __init__(self, fs: SimFs, machine: Machine) -> None:
        self.all: list[End] = []
        self._machine = machine
        fs.on_step = lambda fs, what, about: self.add(fs)
        fs.on_half_write = self.add

    def add(self, fs: SimFs, outcome: Outcome | None = None) -> None:
        self.all.append(End(fs=fs.after_kill(), machine=self._machine.copy(), outcome=outcome))


@dataclass
class Explorer:
    """One scenario's crashes.

    depth   how many crashes in a row
    cuts    how many power cuts are drawn at each
    limit   stop after so many images; every first crash is seen in any case
    broken  barriers to take away in command and recovery, as `SimFs.broken_barriers`
    lame    numbers of the command's operations that do nothing though they should be barriers
    first_only  end with the first complaint
    """

    scenario: Scenario
    tally: Tally
    choose: random.Random
    depth: int = 2
    cuts: int = 8
    exchanges: bool = True
    broken: frozenset[str] = frozenset()
    lame: frozenset[int] = frozenset()
    first_only: bool = False
    limit: int = 10**9
    done: set[tuple[object, ...]] = field(default_factory=set)
    settled: set[int] = field(default_factory=set)
    frontier: list[tuple[End, str, int]] = field(default_factory=list)

    def world(self) -> SimFs:
        fs = self.scenario.world()
        fs.exchanges = self.exchanges
        fs.broken_barriers = self.broken
        return fs

    def explore(self) -> None:
        self.was = self.world()
        fs, machine = self.world(), self.scenario.machine()
        fs.lame = self.lame
        ends = Ends(fs, machine)
        outcome = run(journal_on(fs, machine), self.scenario, machine)
        ends.add(fs, outcome)
        for end in ends.all:
            if not self.enough:
                self.after(end, boot=KILLED, depth=1)
        while self.frontier and self.tally.seen < self.limit and not self.enough:
            # Any order would do; a random one spreads a small budget over all of the first crashes.
            index = self.choose.randrange(len(self.frontier))
            self.frontier[index], self.frontier[-1] = self.frontier[-1], self.frontier[index]
            end, boot, depth = self.frontier.pop()
            self.after(end, boot=boot, depth=depth)

    @property
    def enough(self) -> bool:
        return self.first_only and bool(self.tally.complaints)

    def after(self, end: End, *, boot: str, depth: int) -> None:
        """Check every world that this end may leave: after a kill, and after several power cuts."""
        self.check(end, boot=boot, depth=depth)
        for number in range(self.cuts):
            cut = end.fs.after_power_cut(self.choose, any_subset=number % 2 == 1)
            self.check(End(fs=cut, machine=Machine(), outcome=end.outcome), boot=POWERLESS, depth=depth)

    def check(self, end: End, *, boot: str, depth: int) -> None:
        self.tally.seen += 1
        terms = (end.fs.fingerprint(), end.outcome, boot, frozenset(end.machine.alive), depth)
        if terms in self.done:
            return
        self.done.add(terms)
        self.tally.states += 1
        self.tally.nested += depth > 1
        fs, machine = end.fs.after_kill(), end.machine.copy()
        ends = Ends(fs, machine) if depth < self.depth else None
        complaints = invariants.i5_secrets_stay_private(fs, self.targets)
        try:
            recovery = recover(fs, machine, boot=boot)
            complaints += self.judge(fs, machine, recovery, end.outcome, boot)
        except Exception as error:  # noqa: BLE001 - whatever it is, the state that caused it is worth more
            complaints.append(f"recovery raised {error!r}")
        if complaints:
            self.tally.complaints.append(f"{self.scenario.name} depth {depth} {boot}: {complaints}")
        elif ends is not None:
            inner = (End(fs=one.fs, machine=one.machine, outcome=end.outcome) for one in ends.all)
            self.frontier += [(one, boot, depth + 1) for one in inner]

    def judge(self, fs: SimFs, machine: Machine, recovery: Recovery, outcome: Outcome | None, boot: str) -> list[str]:
        for transaction in recovery.transactions:
            if outcome not in {None, transaction["outcome"]}:
                return [f"the command said {outcome}, recovery says {transaction['outcome']}"]
            outcome = transaction["outcome"]
        complaints = [
            *invariants.i1_all_before_or_all_after(self.scenario, self.was, fs, outcome),
            *invariants.i4_nothing_left(self.scenario, fs),
            *invariants.i5_secrets_stay_private(fs, self.targets),
            *invariants.i7_untouched_stays_itself(self.scenario, self.was, fs),
        ]
        if recovery.kind == "conflict":
            complaints.append("a conflict where nobody else wrote")
        if boot == KILLED:
            complaints += invariants.i3_no_proxied_config_without_worker(self.scenario, fs, machine)
        if fs.descriptors:
            complaints.append("a descriptor is left open")
        after = fs.fingerprint()
        if after not in self.settled:
            self.settled.add(after)
            again = fs.after_kill()
            second = recover(again, machine.copy(), boot=boot)
            complaints += invariants.i6_recovered_for_good(fs, again, second)
        return complaints

    @property
    def targets(self) -> set[str]:
        return {target for target, _ in self.scenario.targets()}
