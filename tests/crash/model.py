"""Crash a command at every operation, in every way, recover, and check; then crash the recovery as well.

A world is counted for each crash point and each outcome of what no fsync covered. A world that was checked before,
under the same terms, is not recovered again: the program reads no clock and no random numbers.

No command runs twice for this: while one runs, every world in which it could stop is saved: before each operation,
half-way through each write, and after the last one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from journal import Recovery
from tests.crash import invariants
from tests.crash.power import PowerCut
from tests.crash.simfs import SimFs
from tests.crash.story import Outcome, Processes, Story
from tests.numbers import Numbers

KILLED, POWERLESS = "boot-1", "boot-2"


@dataclass
class Tally:
    """Counts of an exploration."""

    seen: int = 0
    states: int = 0
    nested: int = 0
    complaints: list[str] = field(default_factory=list)

    def tell(self, numbers: Numbers) -> None:
        section = "crash model"
        numbers.count(section, "worlds that a kill or a power cut left", self.seen)
        numbers.count(section, "worlds that differ: recovered and checked", self.states)
        numbers.count(section, "worlds that differ, of a recovery that crashed too", self.nested)
        numbers.count(section, "violations", len(self.complaints))


@dataclass(frozen=True, kw_only=True)
class End:
    """A world in which a program stopped: before its last operation, or with `outcome` as its result."""

    fs: SimFs
    machine: Processes
    outcome: Outcome | None = None


class Ends:
    """Every world in which a run could stop."""

    def __init__(self, fs: SimFs, machine: Processes) -> None:
        self.all: list[End] = []
        self._machine = machine
        fs.on_step = lambda fs, what, about: self.add(fs)
        fs.on_half_write = self.add

    def add(self, fs: SimFs, outcome: Outcome | None = None) -> None:
        self.all.append(End(fs=fs.after_kill(), machine=self._machine.copy(), outcome=outcome))


@dataclass
class Explorer:
    """One scenario's crashes.

    depth   number of crashes in a row
    cuts    number of power cuts that are drawn at each
    limit   stop after this number of images; every first crash is run in any case
    broken  barriers to leave out in command and recovery, as `SimFs.broken_barriers`
    lame    numbers of the command's operations that do nothing though they should be barriers
    first_only  end with the first complaint
    """

    story: Story
    tally: Tally
    choose: random.Random
    depth: int = 2
    cuts: int = 8
    exchanges: bool = True
    windows: bool = False
    broken: frozenset[str] = frozenset()
    lame: frozenset[int] = frozenset()
    first_only: bool = False
    limit: int = 10**9
    done: set[tuple[object, ...]] = field(default_factory=set)
    checked: set[tuple[object, ...]] = field(default_factory=set)
    settled: set[int] = field(default_factory=set)
    frontier: list[tuple[End, str, int]] = field(default_factory=list)

    def world(self) -> SimFs:
        fs = self.story.world()
        fs.exchanges, fs.windows = self.exchanges, self.windows
        fs.broken_barriers = self.broken
        return fs

    def explore(self) -> None:
        self.was = self.world()
        fs, machine = self.world(), self.story.machine()
        fs.lame = self.lame
        ends = Ends(fs, machine)
        outcome = self.story.play(fs, machine)
        ends.add(fs, outcome)
        for end in ends.all:
            if not self.enough:
                self.after(end, boot=KILLED, depth=1)
        while self.frontier and self.tally.seen < self.limit and not self.enough:
            # A random order spreads a small budget over all of the first crashes.
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
        power = PowerCut(end.fs)
        machine = end.machine.after_power_cut()
        for draw in {power.draw(self.choose, any_subset=number % 2 == 1): None for number in range(self.cuts)}:
            cut = End(fs=power.world(draw), machine=machine, outcome=end.outcome)
            self.check(cut, boot=POWERLESS, depth=depth)

    def check(self, end: End, *, boot: str, depth: int) -> None:
        self.tally.seen += 1
        world = (end.fs.fingerprint(), end.outcome, boot, frozenset(end.machine.alive))
        # Durability does not count at the last depth: a world that was checked at any depth is not checked again.
        if (*world, depth) in self.done or (depth == self.depth and world in self.checked):
            return
        self.done.add((*world, depth))
        self.checked.add(world)
        self.tally.states += 1
        self.tally.nested += depth > 1
        fs, machine = end.fs.after_kill(), end.machine.copy()
        ends = Ends(fs, machine) if depth < self.depth else None
        complaints = invariants.i5_secrets_stay_private(fs, self.story.owned())
        try:
            recovery = self.story.recover(fs, machine, boot=boot)
            complaints += self.judge(fs, machine, recovery, end.outcome, boot)
        except Exception as error:  # noqa: BLE001 - whatever it is, the state that caused it is worth more
            complaints.append(f"recovery raised {error!r}")
        if complaints:
            self.tally.complaints.append(f"{self.story.name} depth {depth} {boot}: {complaints}")
        elif ends is not None:
            inner = (End(fs=one.fs, machine=one.machine, outcome=end.outcome) for one in ends.all)
            self.frontier += [(one, boot, depth + 1) for one in inner]

    def judge(
        self, fs: SimFs, machine: Processes, recovery: Recovery, outcome: Outcome | None, boot: str
    ) -> list[str]:
        for transaction in recovery.transactions:
            if outcome not in {None, transaction["outcome"]}:
                return [f"the command said {outcome}, recovery says {transaction['outcome']}"]
            outcome = transaction["outcome"]
        complaints = [
            *invariants.i1_all_before_or_all_after(self.story, self.was, fs, outcome),
            *invariants.i4_nothing_left(self.story, fs),
            *invariants.i5_secrets_stay_private(fs, self.story.owned()),
            *invariants.i7_untouched_stays_itself(self.story, self.was, fs),
        ]
        if recovery.kind == "conflict":
            complaints.append("a conflict where nobody else wrote")
        if boot == KILLED:
            complaints += invariants.i3_no_proxied_config_without_worker(self.story, fs, machine)
        if fs.descriptors:
            complaints.append("a descriptor is left open")
        after = fs.fingerprint()
        if after not in self.settled:
            self.settled.add(after)
            again = fs.after_kill()
            second = self.story.recover(again, machine.copy(), boot=boot)
            complaints += invariants.i6_recovered_for_good(fs, again, second)
        return complaints
