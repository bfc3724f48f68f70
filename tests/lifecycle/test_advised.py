"""The advice of every code, followed literally, leads out of where it was given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cfp.messages import ERRORS
from cfp.messages.diagnoses import DIAGNOSES
from cfp.messages.failures import FAILURES
from cfp.messages.message import CLI, Message
from cfp.messages.refusals import REFUSALS
from tests.homes.site import CommandAnswer
from tests.lifecycle.advised import DIAGNOSED, REFUSED, Scenario
from tests.lifecycle.block import Block, block


def ways(action: str) -> list[list[str]]:
    """Return the commands of ours that an action names, in order; a way of its own behind each "or"."""
    parts = action.split("`")
    routes: list[list[str]] = [[]]
    for at in range(1, len(parts), 2):
        if routes[-1] and re.search(r"\b[oO]r\b", parts[at - 1]):
            routes.append([])
        if parts[at].startswith(f"{CLI} "):
            routes[-1].append(parts[at])
    return [way for way in routes if way]


def follow(place: Block, command: str, code: str, scenario: Scenario) -> None:
    """Run a command as it is written; where it is `doctor`, do what that advises, too."""
    for word, value in scenario.words(place).items():
        command = re.sub(rf"\b{word}\b", value, command)
    _, *words = shlex.split(command)
    answer = place.run(*words, *(scenario.flags if words[0] != "doctor" else ()))
    assert code != answer.refusal, f"{command} ends in what it answers: {answer.text}"
    if words[0] != "doctor":
        assert answer.code == 0, f"{command}: {answer.text}"
        return
    assert [check["name"] for check in answer.json["checks"] if not check["ok"]], "doctor knows of nothing"
    for further in next(iter(ways(answer.json["next_user_action"])), []):
        assert further.split()[1] != "doctor"
        follow(place, further, code, scenario)


def cases(table: Mapping[str, Scenario | str], messages: Mapping[Any, Message]) -> list[Any]:
    """Return a case for each way out of each code that has a home."""
    return [
        pytest.param(code, scenario, way, marks=_marks(scenario), id=f"{code}-{way}")
        for code, scenario in table.items()
        if isinstance(scenario, Scenario)
        for way in range(len(ways(messages[code].action)))
    ]


def _marks(scenario: Scenario) -> list[pytest.MarkDecorator]:
    return [pytest.mark.posix("fork")] if scenario.forks else []


def advise(place: Block, scenario: Scenario) -> str:
    """Ask, and return the advice: that of a check, where doctor is asked."""
    return str(place.run(*scenario.asks).json["next_user_action"])


def take(place: Block, scenario: Scenario, action: str, way: int, code: str) -> None:
    """Do what the advice says, by commands and by hand."""
    if scenario.hand_first:
        scenario.by_hand(place)
    for command in ways(action)[way]:
        follow(place, command, code, scenario)
    if not scenario.hand_first:
        scenario.by_hand(place)


@pytest.mark.parametrize(("code", "scenario", "way"), cases(DIAGNOSED, DIAGNOSES))
def test_the_advice_of_a_diagnosis_leads_out(code: str, scenario: Scenario, way: int, tmp_path: Path) -> None:
    """Each of its ways, one command after the other, and status says something else."""
    with block(tmp_path / "place") as place:
        scenario.arrange(place)
        assert code == place.diagnosis()
        take(place, scenario, advise(place, scenario), way, code)
        assert code != place.diagnosis()


@pytest.mark.parametrize(("code", "scenario", "way"), cases(REFUSED, ERRORS))
def test_the_advice_of_a_refusal_leads_out(code: str, scenario: Scenario, way: int, tmp_path: Path) -> None:
    """Each of its ways, one command after the other, and the command that was refused is so no more."""
    with block(tmp_path / "place") as place:
        scenario.arrange(place)
        assert code in codes(place.run(*scenario.asks))
        take(place, scenario, advise(place, scenario), way, code)
        assert code not in codes(place.run(*scenario.asks, *scenario.again))


@pytest.mark.parametrize("way", [0, 1])
def test_the_advice_of_an_uninstall_that_leaves_the_url(way: int, tmp_path: Path) -> None:
    """The first way keeps the URL that the user has set, the second one brings back that of before."""
    with block(tmp_path / "place") as place:
        place.enable()
        place.point_elsewhere()
        answer = place.run("uninstall")
        assert (3, "skipped_config_changed") == (answer.code, answer.json["config_restore"])
        for command in ways(answer.json["next_user_action"])[way]:
            follow(place, command, "skipped_config_changed", Scenario(arrange=Block.enable))
        assert "not_enabled" == place.diagnosis()
        urls = (place.other.base_url, place.upstream.base_url)
        assert urls[way] in place.config.read_text(encoding="utf-8")


def codes(answer: CommandAnswer) -> set[str]:
    """Return the refusal, or what doctor's checks are refused by."""
    return {answer.refusal, *(str(check["code"]) for check in answer.json.get("checks", ()) if not check["ok"])}


@pytest.mark.parametrize(("table", "messages"), [(DIAGNOSED, DIAGNOSES), (REFUSED, REFUSALS | FAILURES)])
def test_every_advised_command_is_followed(
    table: Mapping[str, Scenario | str], messages: Mapping[Any, Message]
) -> None:
    """A code whose advice names a command of ours, and no other, has a home here, or the reason for having none."""
    assert {code for code, text in messages.items() if ways(text.action)} == table.keys()
    assert all(reason for reason in table.values())
