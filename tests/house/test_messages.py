"""Every code has a sentence, every sentence a use, and only some modules hold sentences."""

from __future__ import annotations

import ast
import string

import pytest

from cfp.messages import ERRORS, message
from tests.house.message_tables import MessageTable, message_tables
from tests.house.source import modules

TABLES = tuple(message_tables())


def mentioned() -> set[str]:
    """Each text in the code outside the tables."""
    return {
        node.value
        for module in modules("cfp", "journal")
        if not module.name.startswith("cfp/messages/")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_code_has_a_message(table: MessageTable) -> None:
    """The type of a table's codes lists exactly its keys, in their order."""
    assert table.codes == tuple(table.table)


def test_no_error_code_has_two_messages() -> None:
    """The tables of errors have no key in common."""
    parts = [code for table in TABLES for code in table.codes if table.table.items() <= ERRORS.items()]
    assert sorted(ERRORS) == sorted(parts)


def test_an_unknown_code_is_refused() -> None:
    """It makes no sentence at run time; in the code, mypy refuses it."""
    with pytest.raises(KeyError):
        message("no_such_code")


def test_every_sentence_has_a_use() -> None:
    """A code that no other module mentions is dropped."""
    assert set() == {code for table in TABLES for code in table.codes} - mentioned()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_sentences_are_sentences(table: MessageTable) -> None:
    """They end, they hold no line break, and placeholders are plain names."""
    for code, entry in table.table.items():
        for text in (entry.sentence, *([entry.action] if entry.action else [])):
            assert text.strip() == text, code
            assert text.endswith((".", "?", ":", "{message}", "{work}")), code
            assert "\n" not in text, code
            assert all(name is None or name.isidentifier() for _, name, _, _ in string.Formatter().parse(text)), code
