"""Break the journal on purpose, one small way at a time, and see whether its tests notice.

    python -m tests.crash.mutants [--part N/M] [--only MODULE]

Each mutant runs in a process of its own that has everything but the journal imported already. The score is printed,
with every survivor; one that is not listed in EXCUSED with its reason makes the exit code 1.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from tests.crash.excused import EXCUSED

REPOSITORY = Path(__file__).parent.parent.parent
TESTS = (  # the quick ones first: most mutants fall at once
    *(f"tests/journal/test_{name}.py" for name in ("rarities", "sight", "codec", "files", "api")),
    *(f"tests/crash/test_{name}.py" for name in ("broken_logs", "faults", "crashes", "foreign_edits")),
    "tests/journal/test_lock.py",
)
SMALL = {"CFP_TEST_CRASH_IMAGES": "4000", "CFP_TEST_CRASH_DEPTH": "2", "HYPOTHESIS_PROFILE": "ci"}
LONGEST = 600.0  # seconds; a mutant that never ends is noticed
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}


@dataclass(frozen=True)
class Mutant:
    """One change: `name` says where and what, and which of its kind in that function it is."""

    module: str
    name: str
    code: ast.Module


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of one module, in the order of the text."""
    source = path.read_text()
    untested = {number for number, line in enumerate(source.splitlines(), 1) if "pragma: no cover" in line}
    seen: dict[str, int] = {}
    for number in range(10**6):
        tree = ast.parse(source)
        change = next((one for at, one in enumerate(changes_in(tree, untested)) if at == number), None)
        if change is None:
            return
        where, what, apply = change
        apply()
        seen[f"{where}: {what}"] = count = seen.get(f"{where}: {what}", 0) + 1
        name = f"{path.stem}.{where}: {what}" + (f" #{count}" if count > 1 else "")
        yield Mutant(module=f"journal.{path.stem}", name=name, code=ast.fix_missing_locations(tree))


Change = tuple[str, str, Callable[[], None]]


def changes_in(tree: ast.Module, untested: set[int]) -> Iterator[Change]:
    for where, function in functions(tree, ""):
        for node in inside(function, untested):
            for what, apply in changes_of(node):
                yield where, what, apply


def functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from functions(child, f"{prefix}{child.name}.")


def inside(function: ast.FunctionDef, untested: set[int]) -> Iterator[ast.AST]:
    """What runs in a function: no annotation, no default, no branch that this platform never takes."""
    pending: list[ast.AST] = list(reversed(function.body))
    while pending:
        node = pending.pop()
        if getattr(node, "lineno", 0) in untested:
            continue
        yield node
        if isinstance(node, ast.AnnAssign):
            pending += [node.value] if node.value else []
        else:
            pending += reversed(list(ast.iter_child_nodes(node)))


def changes_of(node: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    for name, statements in ast.iter_fields(node):
        if isinstance(statements, list) and name in {"body", "orelse", "finalbody"}:
            yield from dropped(statements)
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield f"not {short(test)}", lambda: setattr(node, "test", ast.UnaryOp(op=ast.Not(), operand=test))
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            other = SWAPS[type(op)]
            yield f"{other.__name__} in {short(node)}", lambda: setattr(node, "ops", [other()])
        case ast.BoolOp(op=op) | ast.BinOp(op=(ast.Add() | ast.Sub()) as op):
            other = SWAPS[type(op)]
            yield f"{other.__name__} in {short(node)}", lambda: setattr(node, "op", other())
        case ast.Constant(value=bool(value)):
            yield f"{not value} for {value}", lambda: setattr(node, "value", not value)
        case ast.Constant(value=int(value)):
            yield f"{value + 1} for {value}", lambda: setattr(node, "value", value + 1)
        case ast.Return(value=ast.AST() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield f"return nothing for {short(value)}", lambda: setattr(node, "value", ast.Constant(value=None))
        case ast.With(items=items):
            yield from unguarded(node, items)


def dropped(statements: list[ast.stmt]) -> Iterator[tuple[str, Callable[[], None]]]:
    """Leave out a statement that is there for its effect alone."""
    for at, statement in enumerate(statements):
        effect = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
        if effect or isinstance(statement, ast.Raise | ast.AugAssign | ast.Delete):
            yield f"drop {short(statement)}", lambda at=at: statements.__setitem__(at, ast.Pass())


def unguarded(node: ast.With, items: list[ast.withitem]) -> Iterator[tuple[str, Callable[[], None]]]:
    """Leave out one context manager; `with` needs one, so the last is replaced by one that does nothing."""
    for at, item in enumerate(items):
        idle = ast.withitem(context_expr=ast.parse("__import__('contextlib').nullcontext()", mode="eval").body)
        if item.optional_vars is None:
            yield f"without {short(item.context_expr)}", lambda at=at, idle=idle: items.__setitem__(at, idle)


def short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the mutant in the place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._mutant.module:
            return None
        file = REPOSITORY / (name.replace(".", "/") + ".py")
        return importlib.util.spec_from_file_location(name, file, loader=self)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.code, f"<{self._mutant.name}>", "exec"), module.__dict__)  # noqa: S102 - it is a mutant


def run_tests(mutant: Mutant | None) -> int:
    """In a child: pytest's exit code, where 0 means that nobody noticed. None stands for the journal as it is."""
    import pytest  # noqa: PLC0415 - imported by the parent already; nothing of ours may be

    os.environ.update(SMALL)
    os.chdir(REPOSITORY)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    if mutant is not None:
        sys.meta_path.insert(0, _Finder(mutant))
    return int(pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *TESTS]))


def is_noticed(mutant: Mutant | None) -> bool:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setpgid(0, 0)
            code = run_tests(mutant)
        finally:
            os._exit(code)
    watch = os.pidfd_open(child)
    try:
        ended, _, _ = select.select([watch], [], [], LONGEST)
        if not ended:
            os.killpg(child, signal.SIGKILL)
        return os.waitpid(child, 0)[1] != 0
    finally:
        os.close(watch)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default="1/1", help="the Nth of M parts, each a sample of all modules")
    parser.add_argument("--only", default="", help="a module's name")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    for name in ("pytest", "hypothesis", "hypothesis.strategies", "filelock", "tomlkit", "transitions", "psutil"):
        importlib.import_module(name)
    modules = sorted((REPOSITORY / "journal").glob("*.py"))
    mutants = [one for path in modules if arguments.only in {"", path.stem} for one in mutants_of(path)]
    mine = mutants[part - 1 :: parts]
    survivors, began = [], time.monotonic()
    if is_noticed(None):
        print("the tests fail, or last too long, with the journal as it is")  # noqa: T201 - the answer
        return 2
    for mutant in mine:
        if not is_noticed(mutant):
            survivors.append(mutant.name)
            print(f"survived: {mutant.name}  ({EXCUSED.get(mutant.name, 'not excused')})", flush=True)  # noqa: T201 - the answer
    unexcused = [name for name in survivors if name not in EXCUSED]
    noticed = len(mine) - len(survivors)
    print(  # noqa: T201 - the answer
        f"{noticed} of {len(mine)} mutants noticed ({100 * noticed / max(1, len(mine)):.1f} %), "
        f"{len(survivors)} survive, {len(unexcused)} of them without an excuse; {time.monotonic() - began:.0f} s"
    )
    return bool(unexcused)


if __name__ == "__main__":
    sys.exit(main())
