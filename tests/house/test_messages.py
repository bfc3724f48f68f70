"""Every code has a sentence, every sentence a use, and every placeholder a value."""

from __future__ import annotations

import ast
import string

from cfp.host.system.git import Relation
from cfp.messages import MESSAGES
from tests.house.source import dotted, modules

ERRORS = frozenset(
    {"Refused", "UsageError", "ConfigDrift", "ConfirmationRequired", "Busy", "Failed", "Stuck", "RecoveryRequired"}
)
# Codes that are put together from closed sets of other modules.
COMPOSED = {
    *(f"update.{relation}" for relation in Relation),
    *(code for code in MESSAGES if code.startswith(("diagnosis.", "hint.", "preparation.", "done.", "effect."))),
}


def raised() -> dict[str, str]:
    """Each literal code that is raised, and where."""
    return {
        call.args[0].value: f"{module.name}:{call.lineno}"
        for module in modules("cfp")
        for call in module.calls()
        if dotted(call.func).rpartition(".")[2] in ERRORS
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def mentioned() -> set[str]:
    """Each text in the code, besides the table itself."""
    return {
        node.value
        for module in modules("cfp")
        if module.name != "cfp/messages.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_code_has_a_sentence() -> None:
    """A user never reads a bare code."""
    assert {} == {code: where for code, where in raised().items() if code not in MESSAGES}


def test_every_sentence_has_a_use() -> None:
    """Words that nobody can meet are dropped."""
    assert set() == set(MESSAGES) - mentioned() - {str(code) for code in COMPOSED}


def test_sentences_are_sentences() -> None:
    """They end, they hold no line break, and placeholders are plain names."""
    for code, told in MESSAGES.items():
        for text in (told.sentence, *([told.action] if told.action else [])):
            assert text.strip() == text, code
            assert text.endswith((".", "?", ":", "{message}")), code
            assert "\n" not in text, code
            assert all(name is None or name.isidentifier() for _, name, _, _ in string.Formatter().parse(text)), code
