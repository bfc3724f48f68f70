"""The mutator makes the changes that it names, one at a time."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from tests.crash.mutants import failing, in_child, journal_modules
from tests.crash.mutations import changes_in, mutants_of

SOURCE = '''
def swap(fs, folder):
    """Docs are no code."""
    with storage(folder):
        fs.fsync(folder)
        self.done = folder
        self.more = [fs]
    if folder == 1 and fs:
        raise ValueError
    try:
        return [one for one in folder if one]
    except OSError:
        return None

if folder:
    def other():
        while fs:
            continue
'''


def test_each_mutant_is_one_change(tmp_path: Path) -> None:
    """Effects and guards dropped, effects exchanged, other numbers and results; no two mutants are alike.

    Two plain assignments are not exchanged: no test could notice.
    """
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    mutants = list(mutants_of(path))
    assert {
        "module.swap: without storage(folder)",
        "module.swap: drop fs.fsync(folder)",
        "module.swap: drop self.done = folder",
        "module.swap: drop self.more = [fs]",
        "module.swap: self.done = folder before fs.fsync(folder)",
        "module.swap: drop raise ValueError",
        "module.swap: always folder == 1 and fs",
        "module.swap: never folder == 1 and fs",
        "module.swap: without folder == 1 in folder == 1 and fs",
        "module.swap: without fs in folder == 1 and fs",
        "module.swap: NotEq in folder == 1",
        "module.swap: 2 for 1",
        "module.swap: return nothing for [one for one in folder if one]",
        "module.swap: without if one",
        "module.swap: without except OSError",
        "module.other: never fs",
        "module.other: drop continue",
    } == {mutant.name for mutant in mutants}
    texts = {ast.unparse(mutant.code) for mutant in mutants}
    assert len(mutants) == len(texts | {ast.unparse(ast.parse(SOURCE))}) - 1


def test_a_mutant_has_the_lines_of_its_change() -> None:
    """No mutant has the line of a `def`: a function's tests do not run that line, so it would have no tests."""
    for path in journal_modules():
        tree = ast.parse(path.read_text())
        heads = {node.lineno for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert [what for place, what, _ in changes_in(tree, set()) if not heads.isdisjoint(place.lines)] == []


def test_a_mutant_without_tests_survives(request: pytest.FixtureRequest) -> None:
    """Without a test nothing fails."""
    assert failing(request.session, []) == ""


@pytest.mark.posix("fork")
def test_an_error_of_the_harness_is_raised() -> None:
    """An exception in the child outside of a test is raised in the parent: it says nothing of the mutant."""
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        in_child(lambda: b"%d" % (1 // 0))
    assert in_child(lambda: b"answer") == b"answer"
    assert in_child(lambda: os._exit(0)) == b""
    assert in_child(lambda: os._exit(3)) is None
