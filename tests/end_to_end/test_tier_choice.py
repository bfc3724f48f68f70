"""Each place where a user can state a tier, and the tier that the provider gets through the proxy.

The places are those of Codex 0.130 to 0.171, and the proxy's policy is `auto` with an API key, which adds `priority`
to a request without a tier.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from cfp.demo.scripted_turns import ScriptedTurn
from tests.end_to_end.app import opened
from tests.end_to_end.harness import Machine, api_key_login
from tests.end_to_end.test_route_in_force import administered, cfp, turn
from tests.real_codex import FLEX, Version, at

REFUSED: Final = "Codex refuses its configuration"
Wire = str | None
ByVersion = Mapping[str, Wire]


@dataclass(frozen=True, slots=True)
class Place:
    """A place for a tier: `take_turn` states it there for one turn, `sees` is whether the proxy reads it."""

    sees: bool
    take_turn: Callable[[Machine, str], Wire]


def _turn(machine: Machine, *flags: str) -> Wire:
    before = len(machine.upstream.turns)
    ran = machine.codex_exec(*flags)
    if ran.code:
        assert before == len(machine.upstream.turns), ran.transcript
        return REFUSED
    (received,) = machine.upstream.turns[before:]
    tier = received.json().get("service_tier")
    assert tier is None or isinstance(tier, str)
    return tier


def _with_config(machine: Machine, before: str, after: str, *flags: str) -> Wire:
    """Take a turn while config.toml has these lines before and after its own."""
    content = machine.config.read_bytes()
    machine.config.write_bytes(before.encode() + content + after.encode())
    try:
        return _turn(machine, *flags)
    finally:
        machine.config.write_bytes(content)


def _user(machine: Machine, tier: str) -> Wire:
    return _with_config(machine, f'service_tier = "{tier}"\n', "")


def _flag(machine: Machine, tier: str) -> Wire:
    return _turn(machine, "-c", f'service_tier="{tier}"')


def _profile_file(machine: Machine, tier: str) -> Wire:
    profile = machine.home / "mine.config.toml"
    profile.write_text(f'service_tier = "{tier}"\n')
    try:
        return _turn(machine, "-p", "mine")
    finally:
        profile.unlink()


def _profile_table(machine: Machine, tier: str) -> Wire:
    return _with_config(machine, "", f'\n[profiles.mine]\nservice_tier = "{tier}"\n', "-p", "mine")


def _selected_table(machine: Machine, tier: str) -> Wire:
    return _with_config(machine, 'profile = "mine"\n', f'\n[profiles.mine]\nservice_tier = "{tier}"\n')


def _project(machine: Machine, tier: str) -> Wire:
    project = machine.work / ".codex"
    project.mkdir()
    (project / "config.toml").write_text(f'service_tier = "{tier}"\n')
    try:
        return _with_config(machine, "", f'\n[projects.{json.dumps(str(machine.work))}]\ntrust_level = "trusted"\n')
    finally:
        shutil.rmtree(project)


def _turn_start(machine: Machine, tier: str) -> Wire:
    before = len(machine.upstream.turns)
    with opened(machine) as app:
        assert ScriptedTurn().text == app.turn(app.thread(), serviceTier=tier)
    (received,) = machine.upstream.turns[before:]
    return received.json().get("service_tier")  # type: ignore[no-any-return]  # a test that fails shows it


PLACES: Final[dict[str, Place]] = {
    "config.toml": Place(sees=True, take_turn=_user),
    "a table that `profile` selects": Place(sees=True, take_turn=_selected_table),
    "a table of -p": Place(sees=False, take_turn=_profile_table),
    "a file of -p": Place(sees=False, take_turn=_profile_file),
    "a trusted project": Place(sees=False, take_turn=_project),
    "-c": Place(sees=False, take_turn=_flag),
    "turn/start": Place(sees=False, take_turn=_turn_start),
}
# From which version on a place is there, and from which on it is no more.
SINCE: Final[Mapping[str, Version]] = {"a file of -p": (0, 150)}
UNTIL: Final[Mapping[str, Version]] = {"a table of -p": (0, 150), "a table that `profile` selects": (0, 150)}
# Codex 0.130 refuses to start with another tier than these two in its configuration.
KNOWN_TO_0_130: Final = frozenset({"fast", "flex"})
TIERS: Final = ("fast", "priority", "default", "flex", "auto", "scale", "ultrafast")


def sent_by_codex(version: Version, place: str, tier: str) -> Wire:
    """The tier that Codex itself puts on the wire, measured: None for none."""
    in_configuration = place != "turn/start"
    if version < SINCE.get(place, version) or version >= UNTIL.get(place, (9, 9)):
        return REFUSED
    if version < (0, 150):
        if in_configuration:
            return {"fast": "priority", "flex": "flex"}[tier] if tier in KNOWN_TO_0_130 else REFUSED
        return "priority" if tier == "fast" else tier
    if tier == "flex":
        return at(version, FLEX)
    return "priority" if tier in {"fast", "priority"} else None


def expected(version: Version, place: str, tier: str) -> Wire:
    """Codex's word where there is one; else nothing where the proxy sees a choice, and `priority` where it cannot."""
    wire = sent_by_codex(version, place, tier)
    return wire if wire is not None or PLACES[place].sees else "priority"


def test_each_place_of_a_tier(machine: Machine, each_codex: tuple[Version, Path]) -> None:
    """Every tier at every place, and none: a tier on the wire stays, and a choice that can be seen adds nothing."""
    version, machine.codex = each_codex
    machine.relay()
    machine.write("auth.json", api_key_login())
    assert "on" == machine.install().json["fast"]["status"]
    assert "priority" == _turn(machine)
    outcomes = {
        (name, tier): place.take_turn(machine, tier)
        for name, place in PLACES.items()
        for tier in (TIERS if name == "config.toml" else ("fast", "default", "flex"))
    }
    wanted = {case: expected(version, *case) for case in outcomes}
    assert wanted == outcomes


@pytest.mark.posix("/etc/codex", needs="linux")
@pytest.mark.parametrize("name", ["config.toml", "managed_config.toml"])
def test_a_tier_of_the_administrator(machine: Machine, each_codex: tuple[Version, Path], name: str) -> None:
    """It counts as the user's own, and the commands name its file."""
    version, machine.codex = each_codex
    machine.relay()
    machine.write("auth.json", api_key_login())
    install, _ = administered(
        machine,
        {name: 'service_tier = "flex"\n'},
        cfp("install", "--start", "--port", str(machine.port), "--no-verify"),
        turn(machine),
    )
    fast = json.loads(install[1])["fast"]
    assert ("off", "fast_opted_out") == (fast["status"], fast["code"])
    assert f'/etc/codex/{name} says service_tier = "flex"' in fast["message"]
    (received,) = machine.upstream.turns
    assert at(version, FLEX) == received.json().get("service_tier")
