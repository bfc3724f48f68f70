"""The mutator breaks code in the ways that it says, one at a time."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.crash.mutations import mutants_of

SOURCE = '''
def swap(fs, folder):
    """Docs are no code."""
    with storage(folder):
        fs.fsync(folder)
        self.done = folder
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
    """Dropped effects and guards, turned effects, other numbers and answers, nothing returned; no two are alike."""
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    mutants = list(mutants_of(path))
    assert {
        "module.swap: without storage(folder)",
        "module.swap: drop fs.fsync(folder)",
        "module.swap: drop self.done = folder",
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
