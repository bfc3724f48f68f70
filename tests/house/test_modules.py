"""Rules for every module of the house."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.source import Module, modules

OURS = modules("cfp", "journal")
TESTS = modules("tests")
WAIVING = modules("cfp", "journal", "tests")
LONGEST = 400
NAMES = frozenset({"utils", "util", "helpers", "helper", "manager", "handlers", "common", "misc", "data", "info"})

# Modules that may say `except Exception`: whatever happens there must become an answer.
CATCH_ALL = {
    "cfp/hook_process.py": "Codex sends the message after whatever stops the hook",
    "cfp/cli.py": "a bug ends in the one JSON object too",
    "cfp/lifecycle/machine.py": "whatever an undo raises, the undo is incomplete",
}

_WAIVER = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no (?:cover|branch))(?P<rest>.*)")
_CODES = re.compile(
    r"^(?:: ?(?P<noqa>[A-Z]+\d+(?:, ?[A-Z]+\d+)*)|\[(?P<ignore>[a-z-]+(?:, ?[a-z-]+)*)\]|)(?P<reason>.*)$"
)


def test_a_module_can_be_read_at_a_sitting() -> None:
    """No module is long; where one would be, it is two nouns."""
    sizes = {module.name: len(module.text.splitlines()) for module in OURS}
    assert {} == {name: size for name, size in sizes.items() if size > LONGEST}


def test_the_first_line_says_what_it_knows() -> None:
    """Every module and package begins with a docstring whose first line is a sentence."""
    firsts = {module.name: (ast.get_docstring(module.tree) or "").split("\n")[0].rstrip() for module in OURS}
    assert {} == {name: first for name, first in firsts.items() if not first.endswith((".", "?", "!", ":"))}


def test_a_module_has_a_name_of_its_own() -> None:
    """No drawer for everything."""
    names = {module.name: module.name.rpartition("/")[2].removesuffix(".py") for module in OURS}
    assert [] == [path for path, name in names.items() if name in NAMES]


def test_a_catch_all_stands_where_it_must() -> None:
    """`except Exception` hides what nobody thought of; it stands at the outer edge only."""
    handlers = {
        f"{module.name}:{node.lineno}"
        for module in OURS
        if module.name not in CATCH_ALL
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and not any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
    }
    assert set() == handlers


def _joins(module: Module) -> set[tuple[str, int]]:
    """Every literal that is joined to a path with `/`, and its line."""
    return {
        (node.right.value, node.lineno)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and isinstance(node.right, ast.Constant)
        and isinstance(node.right.value, str)
    }


def test_only_layout_knows_where_files_lie() -> None:
    """No other module joins a name of the home to a path, but for homes of its own making."""
    layout, *_ = [module for module in OURS if module.name == "cfp/layout.py"]
    names = {name for name, _ in _joins(layout)}
    own_homes = {"cfp/demo/home.py", "cfp/proxy/worker/command_line.py"}  # serve: the default, without the import
    joins = [
        f"{module.name}:{line} {name}"
        for module in OURS
        if module != layout and module.name not in own_homes
        for name, line in _joins(module)
        if name in names
    ]
    assert ".codex" in names
    assert [] == joins


def test_only_one_module_knows_transitions() -> None:
    """The library's traps are behind one door."""
    importers = {
        module.name
        for module in OURS
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "transitions" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "transitions")
    }
    assert importers <= {"cfp/lifecycle/machine.py"}


def _unexplained(lines: list[str]) -> list[int]:
    """Line numbers of waivers without code or reason; one reason holds for the same codes on the lines below it."""
    numbers = []
    explained: tuple[int, str] | None = None
    for number, line in enumerate(lines, 1):
        waiver = _WAIVER.search(line)
        if waiver is None or not _is_comment(line, waiver.start()):
            continue
        rest = _CODES.match(waiver["rest"])
        assert rest is not None
        codes = rest["noqa"] or rest["ignore"] or ("" if "pragma" in waiver[0] else None)
        has_reason = len(re.sub(r"[^\w]", "", rest["reason"])) > 3
        if codes is None or not (has_reason or (number - 1, codes) == explained):
            numbers.append(number)
        else:
            explained = (number, codes)
    return numbers


def _is_comment(line: str, start: int) -> bool:
    """Whether a `#` opens a comment, going by the quotes before it."""
    return line[:start].count('"') % 2 == 0 and line[:start].count("'") % 2 == 0


def test_a_waiver_says_why() -> None:
    """Every noqa, type: ignore and pragma names its code and gives a reason."""
    waivers = [f"{module.name}:{number}" for module in WAIVING for number in _unexplained(module.text.splitlines())]
    assert [] == waivers


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["x = 1  # noqa: S101 (a reason)"], []),
        (["x = 1  # noqa: S101, PLR0913  a reason"], []),
        (["x = 1  # type: ignore[no-any-return]  # a reason"], []),
        (["x = 1  # noqa: S101 - a reason", "y = 1  # noqa: S101"], []),
        (["x = 1  # pragma: no cover  another system"], []),
        (["x = 1  # noqa: S101"], [1]),
        (["x = 1  # noqa"], [1]),
        (["x = 1  # noqa (reason without a code)"], [1]),
        (["x = 1  # type: ignore"], [1]),
        (["x = 1  # pragma: no cover"], [1]),
        (["x = 1  # noqa: S101 (a reason)", "", "y = 1  # noqa: S101"], [3]),
    ],
)
def test_the_rule_sees_waivers(lines: list[str], expected: list[int]) -> None:
    """The check itself tells an explained waiver from a bare one."""
    assert expected == _unexplained(lines)


def _functions(module: Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_a_test_says_what_must_be_true() -> None:
    """Every test has a docstring: the promise, in words that outlive the code."""
    undocumented = [
        f"{module.name}:{function.lineno} {function.name}"
        for module in TESTS
        if module.name.rpartition("/")[2].startswith("test_")
        for function in _functions(module)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert [] == undocumented


def test_tests_patch_nothing() -> None:
    """Collaborators are arguments; a test that replaces part of a module holds that module's inside still."""
    patches = [
        f"{module.name}:{call.lineno}"
        for module in TESTS
        for call in module.calls()
        if ast.unparse(call.func)
        in {"monkeypatch.setattr", "mock.patch", "patch", "mocker.patch", "mock.patch.object"}
    ]
    assert [] == patches
