"""docs/schemas: published, current, and true of every golden answer. `nox -s golden` writes them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cfp.commands import COMMANDS
from cfp.commands.parsing import load
from tests.contract.promises import CLOSED, ERROR, FIELDS, SOMETIMES, STATUSES
from tests.contract.schemas import schema
from tests.house.source import REPOSITORY

GOLDEN = {
    path.stem: json.loads(path.read_text()) for path in sorted((REPOSITORY / "fixtures" / "results").glob("*.json"))
}
PUBLISHED = REPOSITORY / "docs" / "schemas"
WITHOUT_RESULT = frozenset(verb for verb in COMMANDS if not load(verb).has_format)
VERBS = [verb for verb in COMMANDS if verb in STATUSES]


def answers(verb: str) -> list[dict[str, Any]]:
    return [answer for answer in GOLDEN.values() if answer["command"] == verb]


def place(verb: str) -> Path:
    return PUBLISHED / f"{verb}.json"


def test_every_verb_that_answers_has_statuses() -> None:
    """Whoever adds a verb says what it answers."""
    assert set(COMMANDS) - WITHOUT_RESULT == set(STATUSES)


@pytest.mark.parametrize("verb", VERBS)
def test_published_and_current(verb: str) -> None:
    """The published schemas follow from the code and the golden answers."""
    made = json.dumps(schema(verb, answers(verb)), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("CFP_TEST_WRITE_GOLDEN") == "1":
        PUBLISHED.mkdir(exist_ok=True)
        place(verb).write_text(made, encoding="utf-8")
    assert made == place(verb).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name, answer in GOLDEN.items() if answer["command"] in STATUSES])
def test_true_of_the_golden_answers(name: str) -> None:
    """Each validates, and each of its fields is explained."""
    answer = {key: value for key, value in GOLDEN[name].items() if key != "exit_code"}
    validator = Draft202012Validator(json.loads(place(answer["command"]).read_text(encoding="utf-8")))
    assert [] == [error.message for error in validator.iter_errors(answer)]
    if answer["status"] != "error":
        assert set() == set(answer) - set(FIELDS)


def test_wrong_answers_are_seen() -> None:
    """The schema refuses an unknown status, a value outside a closed set, a missing field, a wrong type."""
    validator = Draft202012Validator(json.loads(place("status").read_text(encoding="utf-8")))
    good = {key: value for key, value in GOLDEN["status_ready"].items() if key != "exit_code"}
    assert validator.is_valid(good)
    hint = {**good["chatgpt_login_hint"], "status": "odd"}
    for wrong in (
        {"status": "odd"},
        {"state": "odd"},
        {"pid": "1"},
        {"chatgpt_login_hint": hint},
        {"command": "stop"},
    ):
        assert not validator.is_valid({**good, **wrong}), wrong
    assert not validator.is_valid({key: value for key, value in good.items() if key != "state"})


def test_nothing_is_explained_that_nobody_meets() -> None:
    """A field that no answer has any more is dropped."""
    names = {name for answer in GOLDEN.values() for name in answer} | {
        name for of in SOMETIMES.values() for name in of
    }
    assert set() == set(FIELDS) - names - set(ERROR)
    assert set() == {path.partition(".")[0] for path in CLOSED} - set(FIELDS)
