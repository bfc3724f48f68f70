"""Every code has a sentence, every sentence a use, and only some modules hold sentences."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator

import pytest

from cfp.errors import CfpError
from cfp.messages import ERRORS, message
from tests.house.message_tables import MessageTable, all_messages, message_tables
from tests.house.source import REPOSITORY, Module, modules
from tests.promised import BLANK, placeholders

TABLES = tuple(message_tables())

# The modules besides cfp.messages that hold sentences, and their readers.
SENTENCES_ELSEWHERE = {
    "cfp/bench/capture.py": "the benchmark's own Codex",
    "cfp/bench/statistics.py": "developers",
    "cfp/bench/workload.py": "the model",
    "cfp/commands/completion.py": "readers of --help",
    "cfp/commands/overview.py": "readers of --help",
    "cfp/commands/probing.py": "the model",
    "cfp/commands/run.py": "readers of --help",
    "cfp/commands/serve.py": "readers of --help",
    "cfp/demo/provider.py": "the demo's Codex",
    "cfp/demo/scripted_turns.py": "the demo's Codex",
    "cfp/proxy/attempt.py": "the model",
}
_SENTENCE = re.compile(r"(?:^|\. )[A-Z`].* .*\.\s*\Z|^[A-Z]\S* .*\.\s*\Z", re.DOTALL)


def heirs(kind: type[CfpError]) -> Iterator[type[CfpError]]:
    """Yield all subclasses."""
    for heir in kind.__subclasses__():
        yield heir
        yield from heirs(heir)


def _texts(module: Module) -> Iterator[tuple[int, str]]:
    """Yield each text of a module that is no docstring, with its line; f-strings with {} for their values."""
    docstrings, parts = set(), set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstrings |= {id(child.value) for child in node.body[:1] if isinstance(child, ast.Expr)}
        if isinstance(node, ast.JoinedStr):
            parts |= {id(value) for value in node.values}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(value.value) if isinstance(value, ast.Constant) else "{}" for value in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | parts:
            yield node.lineno, node.value


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
            assert text.endswith((".", "?", ":", "{message}", "{work}", "{error}", "{action}")), code
            assert "\n" not in text, code
            assert all(name is None or name.isidentifier() for _, name, _, _ in string.Formatter().parse(text)), code


def _raised() -> Iterator[tuple[str, str, set[str]]]:
    """Yield where each error with a constant code and named details is made, its code and the names."""
    for module in modules("cfp"):
        for node in ast.walk(module.tree):
            match node:
                case ast.Call(func=ast.Name(id=kind), args=[ast.Constant(value=str(code))]) if kind in KINDS:
                    names = {keyword.arg for keyword in node.keywords}
                    if None not in names:  # else `**details`, which the tests of the commands see filled
                        yield f"{module.name} {code}", code, {str(name) for name in names}


KINDS = {"CfpError", *(kind.__name__ for kind in heirs(CfpError))}
# Errors that are caught on the way, and raised again with the rest.
COMPLETED_LATER = {"cfp/core/manifest.py record_of_newer_version", "cfp/host/provider/outbound.py upstream_tls"}


FILLED_IN_FOR_ALL = {"verb"}  # by cfp/cli.py: the command that failed


def test_every_error_has_the_values_of_its_message() -> None:
    """No user reads "(no host)": whoever raises a code gives all that its sentence and its action name."""
    raised = list(_raised())
    lacking = {
        place
        for place, code, names in raised
        if code in ERRORS and placeholders(ERRORS[code]) - names - FILLED_IN_FOR_ALL
    }
    assert lacking == COMPLETED_LATER
    assert 100 < len(raised)


def test_no_answer_lacks_a_value() -> None:
    """The golden answers of all commands, and no sentence that reads as if a value were missing."""
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "fixtures" / "results").rglob("*.json")]
    texts += [message.sentence + message.action for message in all_messages()]
    assert [] == [match[0] for text in texts if (match := BLANK.search(text))]


def test_only_messages_holds_sentences() -> None:
    """A text of several words that begins with a capital letter and ends with a period is a message."""
    places = {
        f"{module.name}:{line}": text
        for module in modules("cfp")
        if not module.name.startswith("cfp/messages/") and module.name not in SENTENCES_ELSEWHERE
        for line, text in _texts(module)
        if _SENTENCE.search(text)
    }
    assert {} == places


def test_every_exception_holds_a_sentence() -> None:
    """A module that no longer needs its exception loses it."""
    holders = {module.name for module in modules("cfp") for _, text in _texts(module) if _SENTENCE.search(text)}
    assert set() == set(SENTENCES_ELSEWHERE) - holders
