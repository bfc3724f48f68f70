"""A command looks at the home once before its lock, once under it, and once after its change; never more."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import pytest

from cfp.core.facts import Facts
from cfp.host.survey import RequestedAddress
from tests.crash.commands import COMMANDS, Command, on
from tests.homes.site import StagedHost, host_on, run_on

# Commands that report the home as it is after the change look at it once more.
LOOKS = {
    "install": 3,
    "set-upstream": 3,
    "prepare-chatgpt-login": 2,
    "start": 3,
    "autostart": 2,
    "stop": 2,
    "uninstall": 3,
    "recover": 3,
}


@dataclass(frozen=True)
class CountingHost(StagedHost):
    """A host that notes each look at its home: whether it also looked for interrupted transactions."""

    looks: list[bool] = field(default_factory=list)

    def survey(self, address: RequestedAddress | None = None, *, ask_codex: bool = False, **known: bool) -> Facts:
        self.looks.append(not known.get("settled", False))
        return super().survey(address, ask_codex=ask_codex, **known)


@pytest.mark.parametrize("command", COMMANDS, ids=[command.name for command in COMMANDS])
def test_a_command_looks_once_at_each_stage(command: Command) -> None:
    """Plans and results come from the same facts: nothing looks again in between."""
    computer = command.machine()
    computer.seconds += 1
    staged = host_on(on(command.world()), computer)
    host = CountingHost(**{item.name: getattr(staged, item.name) for item in fields(staged)})
    answer = run_on(host, command.line.split())
    verb = command.line.split()[0]
    assert answer.code == 0, answer.text
    assert len(host.looks) == LOOKS[verb]
    assert sum(host.looks) <= 1 or verb in {"autostart", "prepare-chatgpt-login", "stop", "recover"}
