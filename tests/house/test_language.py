"""The language of the house: docstrings open plainly, names are nouns, one name means one thing, rooms stay small."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.house.source import Module, modules

OURS = modules("cfp", "journal")
ALL = modules("cfp", "journal", "tests")

# A docstring that opens so must be read to its end before its reader knows what it is about.
RIDDLES = re.compile(
    r"(?:What|Who|Whom|Whose|Which|Where|Why|How|That|As|(?:The|All the) same|All that|Everything that)\b"
)
# What something is after it was found or told is not what it is.
PARTICIPLES = frozenset({"told", "found", "said", "asked", "taken", "given", "heard", "met", "got"})

# Names that stand twice on purpose.
TWINS = {
    "Args": "each verb's own flags",
    "Handle": "the same on every operating system, one file for each",
    "Server": "the same on every operating system, one file for each",
}

MOST_MODULES = 16
LARGE_ROOMS = {
    "cfp/commands": "one file a verb",
    "journal": "a flat package with a glossary",
}


def _documented(module: Module) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def _names(module: Module) -> Iterator[tuple[int, str]]:
    """Line and name of each variable, parameter and attribute that is bound."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name


def test_a_docstring_opens_plainly() -> None:
    """The first words say what the thing does or is."""
    openings = [
        f"{module.name}:{line} {text.splitlines()[0]}"
        for module in ALL
        for line, text in _documented(module)
        if RIDDLES.match(text)
    ]
    assert [] == openings


@pytest.mark.parametrize(
    ("text", "is_riddle"),
    [
        ("What only a look at files can tell.", True),
        ("The same in a thread.", True),
        ("Whether the process runs.", False),
        ("Return the head.", False),
        ("The thread that writes.", False),
        ("Assert nothing.", False),
    ],
)
def test_the_rule_sees_riddles(text: str, *, is_riddle: bool) -> None:
    """The check itself tells a riddle from a sentence."""
    assert is_riddle == bool(RIDDLES.match(text))


def test_a_name_is_a_noun() -> None:
    """No variable, parameter, attribute or function is called by what happened to it."""
    participles = [
        f"{module.name}:{line} {name}"
        for module in ALL
        for line, name in _names(module)
        if name.lstrip("_") in PARTICIPLES
    ]
    assert [] == participles


def test_a_class_has_a_name_of_its_own() -> None:
    """A class name means one class in the whole product."""
    counted = Counter(
        node.name for module in OURS for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)
    )
    assert set() == {name for name, count in counted.items() if count > 1 and not name.startswith("_")} - set(TWINS)


def test_a_package_stays_small() -> None:
    """A package has few enough modules that its listing reads as a table of contents."""
    rooms = Counter(module.name.rpartition("/")[0] for module in OURS if not module.name.endswith("/__init__.py"))
    assert set() == {room for room, count in rooms.items() if count > MOST_MODULES} - set(LARGE_ROOMS)
