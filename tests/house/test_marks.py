"""The tests that are left out on Windows, counted: a mark without need would be missed by nobody."""

from __future__ import annotations

import ast
import json
import os
from collections import Counter
from collections.abc import Iterator

from tests.house.source import REPOSITORY, Module, modules

# The number of test functions of each folder that are left out, by mark; written anew by CFP_TEST_WRITE_GOLDEN=1.
LEFT_OUT = REPOSITORY / "fixtures" / "left_out.json"
MARKS = ("beyond_wine", "posix")
TESTS = modules("tests")


def test_what_is_left_out_is_counted() -> None:
    """Each folder leaves out as many tests as the table says, no more and no less."""
    counted = {mark: dict(sorted(_by_folder(mark).items())) for mark in MARKS}
    if os.environ.get("CFP_TEST_WRITE_GOLDEN") == "1":
        LEFT_OUT.write_text(json.dumps(counted, indent=2) + "\n", newline="\n")
    assert json.loads(LEFT_OUT.read_text()) == counted


def test_each_mark_has_its_reason() -> None:
    """One text, of more than a word or two letters, that names what is lacking and not that something fails."""
    reasons = [(module.name, call) for module in TESTS for call in _calls(module.tree)]
    assert len(reasons) > len(MARKS)
    for name, call in reasons:
        (reason,) = call.args
        assert isinstance(reason, ast.Constant), name
        text = str(reason.value)
        assert len(text) >= 3, (name, text)
        assert not any(word in text.lower() for word in ("fail", "flaky", "todo", "not supported")), (name, text)


def test_no_condition_hides_a_system() -> None:
    """A test that Windows leaves out says so by a mark, where it is counted, and not by a condition of its own.

    What only Windows runs is another matter: `nox -s windows` runs it.
    """
    conditions = [
        f"{module.name}:{call.lineno}"
        for module in TESTS
        for call in module.calls()
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "skipif"
        and any(word in ast.unparse(call) for word in ("win32", "os.name", "WINDOWS", "linux", "geteuid", "getuid"))
        and not any(word in ast.unparse(call) for word in ("!= 'win32'", "not WINDOWS"))
    ]
    assert [] == conditions


def _calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    """The calls of `pytest.mark.posix(...)` and its like."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=attr, value=ast.Attribute(attr="mark"))) if attr in (
                names or MARKS
            ):
                yield node


def _by_folder(mark: str) -> Counter[str]:
    """The number of test functions that carry a mark, themselves or by their class or module, per folder."""
    counts: Counter[str] = Counter()
    shared = {name for module in TESTS if module.name == "tests/systems.py" for name in _names(module.tree, mark)}
    for module in TESTS:
        folder, _, file = module.name.rpartition("/")
        if file.startswith("test_"):
            aliases = shared | _names(module.tree, mark)
            counts[folder] += sum(1 for _ in _marked(module, mark, aliases))
    return +counts


def _names(tree: ast.Module, mark: str) -> set[str]:
    """The variables of a module that stand for the mark."""
    assigned = [node for node in tree.body if isinstance(node, ast.Assign) and any(_calls(node.value, mark))]
    return {target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)}


def _marked(module: Module, mark: str, aliases: set[str]) -> Iterator[ast.stmt]:
    def carries(*nodes: ast.AST) -> bool:
        return any(
            any(_calls(node, mark))
            or any(isinstance(part, ast.Name) and part.id in aliases for part in ast.walk(node))
            for node in nodes
        )

    def walk(body: list[ast.stmt], *, inherited: bool) -> Iterator[ast.stmt]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, inherited=inherited or carries(*node.decorator_list))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield from [node] if inherited or carries(*node.decorator_list) else []

    yield from walk(module.tree.body, inherited="pytestmark" in aliases or carries(*_pytestmark(module.tree)))


def _pytestmark(tree: ast.Module) -> Iterator[ast.AST]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(name, ast.Name) and name.id == "pytestmark" for name in node.targets
        ):
            yield node.value
