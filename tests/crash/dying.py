"""A process that changes files by the journal, or recovers them, and dies at an operation: TerminateProcess, SIGKILL.

`python -m tests.crash.dying` waits for one line, HOME WHAT AT HOW, so that it can be started before it is needed.
It exits with 0 where it comes to its end alive.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from journal import Lease, Transaction
from journal.fs import OLD
from tests.homes.acts import ActingFs, Acts, Befall, killed, killed_half_way, nothing
from tests.journal.support import Home, change, home_at, roll_back

CONFIG, HOOKS = b"theirs=1\n", b"hooks=2\n" * 300
BEFORE = {"config": CONFIG, "hooks": HOOKS, "old": b"goes\n"}
AFTER = {"config": CONFIG + b"ours=1\n", "hooks": HOOKS + b"more\n", "state/settings": b"new\n"}
NAMES = ("config", "hooks", "old", "state/settings")


class HalfExchanges(ActingFs):
    """Of an exchange of three renames (Windows) one or two are made before the end."""

    def __init__(self, acts: Acts, renames: int) -> None:
        super().__init__(acts)
        self._renames = renames

    def exchange(self, first: Path, second: Path) -> bool:
        self._acts.act("exchange", lambda: self._half(first, second))
        return self._fs.exchange(first, second)

    def _half(self, first: Path, second: Path) -> None:
        old = first.with_name(first.name + OLD)
        self._fs.move_new(second, old)
        if self._renames == 2:
            self._fs.move_new(first, second)


HOW: dict[str, tuple[Befall, int]] = {
    "alive": (nothing, 0),
    "before": (killed, 0),
    "half": (killed_half_way, 1),
    "late": (killed_half_way, 2),
}


def swapped(lease: Lease, home: Home) -> Transaction:
    changes = [change(home.path / name, BEFORE.get(name), AFTER.get(name)) for name in NAMES]
    transaction = lease.begin(command="install", argv=(), from_state="a", to_state="b", changes=changes)
    transaction.prepare()
    transaction.swap()
    return transaction


def install(home: Home) -> None:
    with home.journal.acquire(command="install", timeout=5) as lease:
        transaction = swapped(lease, home)
        transaction.commit()
        transaction.finish()


def give_up(home: Home) -> None:
    with home.journal.acquire(command="install", timeout=5) as lease:
        roll_back(swapped(lease, home))


def break_off(home: Home) -> None:
    """Leave a transaction open, as a kill before its commit does."""
    with home.journal.acquire(command="install", timeout=5) as lease:
        swapped(lease, home)


def recover(home: Home) -> None:
    with home.journal.acquire(command="recover", timeout=5) as lease:
        lease.recover()


def uninstall(home: Home) -> None:
    with home.journal.acquire(command="uninstall", timeout=5) as lease:
        lease.recover()
        lease.remove_journal()


WHAT: dict[str, Callable[[Home], None]] = {
    "install": install,
    "give_up": give_up,
    "break_off": break_off,
    "recover": recover,
    "uninstall": uninstall,
}


def perform(root: Path, what: str, at: int, how: str) -> Acts:
    befall, renames = HOW[how]
    acts = Acts(at, befall)
    WHAT[what](home_at(root, HalfExchanges(acts, renames)))
    return acts


if __name__ == "__main__":
    folder, verb, number, manner = sys.stdin.readline().rstrip("\n").split("|")
    perform(Path(folder), verb, int(number), manner)
