"""Each command has all that belongs to one, and the pages for people and agents name only what exists."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile

import pytest

from cfp.commands import COMMANDS
from cfp.commands.command import Command, ForegroundCommand
from cfp.commands.parsing import load, parsed, parser_of
from tests.contract.promises import STATUSES
from tests.house.source import REPOSITORY, modules

GUIDES = tuple(f".codex/{name}.md" for name in ("INSTALL", "UPDATE", "SET_UPSTREAM", "UNINSTALL"))
PAGES = ("README.md", "SKILL.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/guide.md", *GUIDES)

# Verbs that an agent need not know: machines call them, or a person at a prompt.
NOT_FOR_AGENTS = frozenset({"autostart", "serve", "completion", "journal", "unlink-skill"})

# Verbs that no test runs by its harness's `cfp`, and the test that runs each all the same.
RUN_OTHERWISE = {
    "serve": ("tests/proxy/worker/test_command_line.py", "test_it_serves_and_leaves"),
    "completion": ("tests/commands/test_completion.py", "test_bash_completes"),
}
STORY = "tests/contract/story.py"

# Verbs whose status is not written where the answer is made, and the module that says it. That nothing else is said,
# each answer in the tests shows: `tests.promised`.
COMPUTED = {
    "start": "cfp/commands/start.py",
    "autostart": "cfp/commands/autostart.py",
    "verify-upstream": "cfp/proxy/attempt.py",
    "benchmark": "cfp/commands/benchmark.py",
    "recover": "cfp/commands/recover.py journal/recovery.py",
    "link-skill": "cfp/host/system/skill_link.py",
    "unlink-skill": "cfp/host/system/skill_link.py",
    "demo": "cfp/commands/demo.py",
    "dashboard": "cfp/commands/dashboard.py",
}

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
    commands = []
    for line in (*lines, *spans):
        shell = _COMMENT.sub("", line)
        named = _PROGRAM.match(shell)
        words = _PROGRAM.sub("", shell).split()
        if words and ((named and not words[0].startswith("-")) or words[0] in COMMANDS):
            commands.append(words)
    return commands


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_command_has_its_parts(verb: str) -> None:
    """Flags, and what runs them: with parsed `Args`, or raw as the worker does, whose start must be fast."""
    command = load(verb)
    assert command.description
    assert command.examples
    assert isinstance(command, Command if verb != "serve" else ForegroundCommand)


@pytest.mark.parametrize("verb", COMMANDS)
def test_its_help_tells_all(verb: str) -> None:
    """Each flag and word says what it is for, and each example is a command line that the program takes."""
    actions = parser_of(verb)._actions
    assert [] == [action.dest for action in actions if not action.help]
    for words, what in load(verb).examples:
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
    """Each verb is run as a process and judged: by asserts beside it, or in the story by its golden answer."""
    tests = {
        (module.name, part.name): part
        for module in modules("tests")
        for part in ast.walk(module.tree)
        if isinstance(part, ast.FunctionDef)
    }
    run = {
        verb
        for (place, name), test in tests.items()
        if place == STORY
        or (name.startswith("test_") and any(isinstance(part, ast.Assert) for part in ast.walk(test)))
        for verb in _run_by(test)
    }
    assert set(RUN_OTHERWISE) == set(COMMANDS) - run
    assert set() == set(RUN_OTHERWISE.values()) - set(tests)


def _strings(tree: ast.Module, node: ast.AST, known: set[str]) -> Iterator[str]:
    """The texts that an expression may come to, through the names of its module."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value
        if isinstance(part, ast.Name) and part.id not in known:
            known.add(part.id)
            for other in ast.walk(tree):
                if isinstance(other, ast.Assign | ast.AnnAssign) and other.value is not None:
                    targets = other.targets if isinstance(other, ast.Assign) else [other.target]
                    if any(isinstance(target, ast.Name) and target.id == part.id for target in targets):
                        yield from _strings(tree, other.value, known)


@pytest.mark.parametrize("verb", [verb for verb in STATUSES if verb not in COMPUTED])
def test_the_contract_lists_what_the_code_says(verb: str) -> None:
    """Neither a status that nobody hears of, nor one that no code can answer."""
    (module,) = (part for part in modules("cfp") if part.name == f"cfp/commands/{_file(verb)}.py")
    statuses = {
        text
        for call in module.calls()
        if isinstance(call.func, ast.Name) and call.func.id == "Result"
        for keyword in call.keywords
        if keyword.arg == "status"
        for text in _strings(module.tree, keyword.value, set())
    }
    assert set(STATUSES[verb]) == statuses


def _file(verb: str) -> str:
    return COMMANDS[verb][0]


@pytest.mark.parametrize("verb", COMPUTED)
def test_no_status_is_promised_that_no_code_says(verb: str) -> None:
    """A status that another module computes stands in that module."""
    sources = [module for module in modules("cfp", "journal") if module.name in COMPUTED[verb].split()]
    words = {part.value for module in sources for part in ast.walk(module.tree) if isinstance(part, ast.Constant)}
    assert set() == set(STATUSES[verb]) - words


def _run_by(test: ast.FunctionDef) -> Iterator[str]:
    """The verbs of `….cfp("VERB", …)` in a test: the program, started as its user starts it."""
    for call in ast.walk(test):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "cfp":
            yield from (word.value for word in call.args[:1] if isinstance(word, ast.Constant))


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
