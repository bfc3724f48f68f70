"""The skill, the guides and the program carry each instruction of the user, and the checks see where one is gone."""

from __future__ import annotations

import pytest

from tests.contract.instructions import INSTRUCTIONS, RESTART, VERBS
from tests.contract.places import Answer, Held, Instruction, Line, Page, Place, Said, skill

ROWS = [
    pytest.param(instruction, id=f"{subject} {number}")
    for subject, rows in INSTRUCTIONS.items()
    for number, instruction in enumerate(rows, 1)
]


@pytest.mark.parametrize("instruction", ROWS)
def test_each_instruction_has_its_place(instruction: Instruction) -> None:
    """Each place of it is there: text, field, message, command line or test."""
    assert instruction.places
    assert [] == [flaw for place in instruction.places if (flaw := place.flaw())], instruction.text


@pytest.mark.parametrize("rows", INSTRUCTIONS.values(), ids=INSTRUCTIONS)
def test_no_instruction_stands_twice(rows: tuple[Instruction, ...]) -> None:
    """A row of the table is one instruction."""
    texts = [instruction.text for instruction in rows]
    assert sorted(set(texts)) == sorted(texts)


@pytest.mark.parametrize(
    "place",
    [
        skill(VERBS, "a sentence that nobody wrote"),
        skill("A heading that nobody wrote", "`status`"),
        Page("SKILL.md", "", "| `status` |"),  # of another part of the page
        Answer("install", "startup_hook.command.word"),
        Answer("install", "next_user_action", RESTART.upper()),
        Answer("install", "started", value=False),
        Said("refusals.REFUSALS", "no_such_code", ""),
        Said("refusals.REFUSALS", "busy", "words of nobody"),
        Said("refusals.NOWHERE", "busy", ""),
        Line("install --strat"),
        Line("benchmark", "pairs", 4),
        Held("house/test_instructions.py", "test_that_nobody_wrote"),
        Held("house/test_of_nobody.py", "test_each_instruction_has_its_place"),
    ],
    ids=repr,
)
def test_what_is_gone_is_seen(place: Place) -> None:
    """Each kind of place fails where its text, field, code, flag or test is not there."""
    assert place.flaw()
