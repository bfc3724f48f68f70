"""A command looks at the home once before its lock, once under it, and once after its change; never more."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import pytest

from cfp.core.facts import Facts
from cfp.host.survey import RequestedAddress
from journal import Journal
from tests.crash.commands import COMMANDS, Command, on
from tests.homes.site import StagedHost, host_on, run_on

# Commands that report the home as it is after the change look at it once more.
LOOKS = {
    "install": 3,
    "set-upstream": 3,
    "fast": 2,
    "upstream add": 2,
    "upstream use": 3,
    "upstream remove": 2,
    "prepare-chatgpt-login": 2,
    "start": 3,
    "autostart": 2,
    "stop": 2,
    "uninstall": 3,
    "recover": 3,
}


# Commands that list the interrupted transactions otherwise than once, before their first survey or in it. (The lock
# recovers them by itself.)
LISTINGS = {
    "autostart": 2,  # the hook settles nothing: it looks again under the lock
}


@dataclass(frozen=True)
class CountingJournal:
    """A journal that counts how often somebody asks it for its interrupted transactions."""

    journal: Journal
    listings: list[str]

    def interrupted(self) -> tuple[str, ...]:
        self.listings.append("journal")
        return self.journal.interrupted()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)


@dataclass(frozen=True)
class CountingHost(StagedHost):
    """A host that counts the surveys of its home, and the listings of its interrupted transactions."""

    looks: list[Facts] = field(default_factory=list)
    listings: list[str] = field(default_factory=list)

    def survey(self, address: RequestedAddress | None = None, *, ask_codex: bool = False, **known: bool) -> Facts:
        if not known.get("settled", False):
            self.listings.append("survey")
        self.looks.append(super().survey(address, ask_codex=ask_codex, **known))
        return self.looks[-1]

    @cached_property
    def journal(self) -> Any:
        return CountingJournal(super().journal, self.listings)


@pytest.mark.parametrize("command", COMMANDS, ids=[command.name for command in COMMANDS])
def test_a_command_looks_once_at_each_stage(command: Command) -> None:
    """Plans and results come from the same facts: nothing looks again in between."""
    computer = command.machine()
    computer.seconds += 1
    staged = host_on(on(command.world()), computer)
    host = CountingHost(**{item.name: getattr(staged, item.name) for item in fields(staged)})
    answer = run_on(host, command.line.split())
    verb, *words = command.line.split()
    assert answer.code == 0, answer.text
    name = f"{verb} {words[0]}" if verb == "upstream" else verb
    assert len(host.looks) == LOOKS[name]
    assert len(host.listings) == LISTINGS.get(verb, 1), host.listings
