"""docs/reference.md is what the commands are now. `nox -s reference` writes it anew."""

from __future__ import annotations

import json
import os

from cfp.commands import COMMANDS
from cfp.commands.parsing import parser_of
from tests.contract.reference import reference
from tests.house.source import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference.md"
SCHEMAS = REPOSITORY / "docs" / "schemas"


def test_current() -> None:
    """Flags, statuses, fields, codes: all as in the code."""
    schemas = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.glob("*.json")}
    made = reference(schemas)
    if os.environ.get("CFP_TEST_WRITE_REFERENCE") == "1":
        PAGE.write_text(made, encoding="utf-8")
    assert made == PAGE.read_text(encoding="utf-8")


def test_complete() -> None:
    """Every verb has its section, every flag its row."""
    page = PAGE.read_text(encoding="utf-8")
    for verb in COMMANDS:
        section = page.partition(f"### `{verb}`\n")[2].partition("\n### ")[0]
        flags = set(parser_of(verb)._option_string_actions) - {"--codex-home", "--format", "-h", "--help"}
        assert set() == {flag for flag in flags if f"`{flag}`" not in section}, verb
