"""docs/architecture.md shows the machines as they are: its diagrams are generated from the tables."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cfp.core.state import State
from tests.lifecycle.drawing import TABLES, diagram
from tests.lifecycle.outcomes import OUTCOMES

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
_BLOCK = re.compile(r"(<!-- diagrams -->\n).*?(<!-- end of diagrams -->)", re.DOTALL)


def drawn() -> str:
    """Every table as a Mermaid diagram, then the outcome of every command in every state."""
    parts = [f"**{name}**\n\n```mermaid\n{diagram(table)}```\n" for name, table in TABLES.items()]
    verbs = list(OUTCOMES)
    rows = ["| state | " + " | ".join(f"`{verb}`" for verb in verbs) + " |", "|---" * (len(verbs) + 1) + "|"]
    rows += [f"| {state} | " + " | ".join(str(OUTCOMES[verb][state]) for verb in verbs) + " |" for state in State]
    return "\n".join(parts) + "\n**What each command leads to, or why it refuses**\n\n" + "\n".join(rows) + "\n"


def test_the_diagrams_in_the_document_are_those_of_the_tables() -> None:
    """`nox -s diagrams` writes them anew."""
    text = PAGE.read_text(encoding="utf-8")
    wanted = _BLOCK.sub(lambda match: match[1] + drawn() + match[2], text)
    if os.environ.get("CFP_TEST_WRITE_DIAGRAMS") == "1":
        PAGE.write_text(wanted, encoding="utf-8")
    assert _BLOCK.search(text), "the document has no place for them"
    assert PAGE.read_text(encoding="utf-8") == wanted
