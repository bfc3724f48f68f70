"""The JSON is the contract: every answer of an installation's life is held, field by field, to a golden file.

`nox -s golden` writes them anew; the difference is then read by a person before it is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.contract.story import life, made_equal
from tests.end_to_end.harness import Machine

GOLDEN = Path(__file__).parents[2] / "fixtures" / "results"
ERROR = {"command", "status", "schema_version", "error", "code", "next_user_action", "changed"}


@pytest.mark.posix("paths and commands as a POSIX shell has them; test_secrets.py holds the rest of each answer")
def test_every_answer_of_an_installations_life(machine: Machine) -> None:
    """Keys, closed sets, exit codes and sentences."""
    machine.environ["PATH"] = "/usr/bin:/bin"  # no Codex CLI: its version is not part of the contract
    results = {name: made_equal(machine, act()) for name, act in life(machine)}
    if os.environ.get("CFP_TEST_WRITE_GOLDEN") == "1":
        GOLDEN.mkdir(exist_ok=True)
        for old in GOLDEN.glob("*.json"):
            old.unlink()
        for name, answer in results.items():
            (GOLDEN / f"{name}.json").write_text(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
    golden = {path.stem: json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))}
    assert set(golden) == set(results)
    for name, answer in results.items():
        assert golden[name] == answer, name


def test_every_answer_has_the_envelope() -> None:
    """And an error says what became of the files and what to do."""
    for path in GOLDEN.glob("*.json"):
        answer = json.loads(path.read_text())
        assert {"command", "status", "schema_version"} <= set(answer)
        assert 1 == answer["schema_version"]
        if answer["status"] == "error":
            assert set(answer) >= ERROR
            assert answer["exit_code"] != 0
