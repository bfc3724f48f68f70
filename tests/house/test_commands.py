"""Each command has all that belongs to one, and the pages for people and agents name only what exists."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile

import pytest

from cfp.commands import COMMANDS
from cfp.commands.parsing import module_of, parsed, parser_of
from tests.house.source import REPOSITORY, modules

GUIDES = tuple(f".codex/{name}.md" for name in ("INSTALL", "UPDATE", "SET_UPSTREAM", "UNINSTALL"))
PAGES = ("README.md", "SKILL.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/guide.md", *GUIDES)

# Verbs that an agent need not know: machines call them, or a person at a prompt.
NOT_FOR_AGENTS = frozenset({"autostart", "serve", "completion", "journal", "unlink-skill"})

_SPAN = re.compile(r"`([^`\n]+)`")
_FENCE = re.compile(r"^```(?:bash|sh|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PROGRAM = re.compile(r"^(?:\S*/)?(?:codex-fast-proxy|cfp|python -m codex_fast_proxy)\s+")
_COMMENT = re.compile(r"\s#.*$")


def _flags(verb: str) -> frozenset[str]:
    return frozenset(parser_of(verb)._option_string_actions) | {"--version"}


def _spoken(page: str) -> list[list[str]]:
    """Every command line of ours on a page, as words from the verb on: in code spans, and in blocks of shell."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    lines = [line.strip() for block in _FENCE.findall(text) for line in block.splitlines()]
    spans = _SPAN.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    found = []
    for line in (*lines, *spans):
        shell = _COMMENT.sub("", line)
        named = _PROGRAM.match(shell)
        words = _PROGRAM.sub("", shell).split()
        if words and ((named and not words[0].startswith("-")) or words[0] in COMMANDS):
            found.append(words)
    return found


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_command_has_its_parts(verb: str) -> None:
    """Flags, and what runs them: with parsed `Args`, or raw as the worker does, whose start must be fast."""
    has = set(vars(module_of(verb)))
    assert {"add_arguments", "EXAMPLES"} <= has
    assert {"Args", "run"} <= has or "main" in has


@pytest.mark.parametrize("verb", COMMANDS)
def test_its_help_tells_all(verb: str) -> None:
    """Each flag and word says what it is for, and each example is a command line that the program takes."""
    actions = parser_of(verb)._actions
    assert [] == [action.dest for action in actions if not action.help]
    for words, what in module_of(verb).EXAMPLES:
        assert what
        parsed(verb, shlex.split(words.partition(" > ")[0]))


def _exists(words: list[str]) -> bool:
    verb = words[0]
    if verb not in COMMANDS:
        return verb in {"VERB", "COMMAND"}
    ours = takewhile(lambda word: word != "--", words)
    return {word.split("=")[0] for word in ours if word.startswith("--")} <= _flags(verb)


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_only_what_exists(page: str) -> None:
    """Every verb and every flag beside it that a page shows is one that the program takes."""
    wrong = [" ".join(words) for words in _spoken(page) if not _exists(words)]
    assert [] == wrong


def test_agents_know_every_verb() -> None:
    """SKILL.md says when to use each verb."""
    known = {words[0] for words in _spoken("SKILL.md")}
    assert set() == set(COMMANDS) - NOT_FOR_AGENTS - known


def test_every_verb_is_tested() -> None:
    """Some test names each verb as a word of a command line."""
    words = "\n".join(module.text for module in modules("tests"))
    assert [] == [verb for verb in COMMANDS if f'"{verb}"' not in words]


def test_the_pages_are_read() -> None:
    """The checks above find the commands that they are about."""
    assert ["uninstall", "--defer-stop"] in _spoken("SKILL.md")
    assert len(_spoken("README.md")) > 5


@pytest.mark.parametrize("page", ["SKILL.md", *GUIDES])
def test_agents_are_told_of_fields_that_exist(page: str) -> None:
    """Each field, status and code a page for agents names is one of the reference, made from the code."""
    known = set(re.findall(r"\w+", (REPOSITORY / "docs" / "reference.md").read_text(encoding="utf-8")))
    spans = _SPAN.findall((REPOSITORY / page).read_text(encoding="utf-8"))
    named = [span for span in spans if re.fullmatch(r"[a-z]\w*(\.[a-z]\w*)*", span) and "_" in span]
    assert named
    assert [] == [span for span in named if not set(span.split(".")) <= known]
