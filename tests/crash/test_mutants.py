"""The mutator breaks code in the ways that it says, one at a time."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.crash.mutants import mutants_of

SOURCE = '''
def swap(fs, folder):
    """Docs are no code."""
    with storage(folder):
        fs.fsync(folder)
    if folder == 1 and fs:
        raise ValueError
    return folder
'''


def test_each_mutant_is_one_change(tmp_path: Path) -> None:
    """Dropped effects and guards, turned conditions, other numbers, nothing returned; no two are alike."""
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    mutants = list(mutants_of(path))
    assert {
        "module.swap: without storage(folder)",
        "module.swap: drop fs.fsync(folder)",
        "module.swap: not folder == 1 and fs",
        "module.swap: drop raise ValueError",
        "module.swap: Or in folder == 1 and fs",
        "module.swap: NotEq in folder == 1",
        "module.swap: 2 for 1",
        "module.swap: return nothing for folder",
    } == {mutant.name for mutant in mutants}
    texts = {ast.unparse(mutant.code) for mutant in mutants}
    assert len(mutants) == len(texts | {ast.unparse(ast.parse(SOURCE))}) - 1
