"""The mutations of a module: each mutant is one small change in one function.

Left out, one at a time: every statement with an effect (so every barrier), every branch, guard, handler, filter and
context manager. Changed: the order of neighbouring effects, comparisons, numbers, booleans, sums, return values.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

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
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}
Change = tuple[str, Callable[[], None]]
ChangeOfLines = tuple[range, str, Callable[[], None]]


@dataclass(frozen=True)
class Mutant:
    """One change: `name` says its place and kind, and its number of that kind in the function.

    function  qualified name and first line of the function that differs
    lines     of the text that must run for the change to have an effect
    """

    path: Path
    name: str
    code: ast.Module
    function: tuple[str, int]
    lines: range


@dataclass(frozen=True)
class Place:
    """A node, its function, and the lines of its statement."""

    node: ast.AST
    where: str
    function: tuple[str, int]
    lines: range


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Yield every mutant of one module, in the order of the text."""
    source = path.read_text()
    untested = {number for number, line in enumerate(source.splitlines(), 1) if "pragma: no cover" in line}
    seen: dict[str, int] = {}
    for number in range(10**6):
        tree = ast.parse(source)
        change = next((one for at, one in enumerate(changes_in(tree, untested)) if at == number), None)
        if change is None:
            return
        place, what, apply = change
        apply()
        title = f"{path.stem}.{place.where}: {what}"
        seen[title] = count = seen.get(title, 0) + 1
        name = title + (f" #{count}" if count > 1 else "")
        code = ast.fix_missing_locations(tree)
        yield Mutant(path=path, name=name, code=code, function=place.function, lines=place.lines)


def changes_in(tree: ast.Module, untested: set[int]) -> Iterator[tuple[Place, str, Callable[[], None]]]:
    for where, function in functions(tree, "", untested):
        for place in inside(function, where, untested):
            for lines, what, apply in changes_of_lists(place.node):
                yield replace(place, lines=lines), what, apply
            for what, apply in changes_of(place.node):
                yield place, what, apply


def functions(node: ast.AST, prefix: str, untested: set[int]) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield functions and methods, also those of one platform, without nested functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from functions(child, f"{prefix}{child.name}.", untested)
        elif isinstance(child, ast.If):
            for branch in (child.body, child.orelse):
                if branch and untested.isdisjoint({child.lineno if branch is child.body else branch[0].lineno - 1}):
                    yield from functions(ast.Module(body=branch, type_ignores=[]), prefix, untested)


def inside(function: ast.FunctionDef, where: str, untested: set[int]) -> Iterator[Place]:
    """Yield the nodes that run in a function: no annotation, no default, no branch that this platform never takes."""
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    pending: list[tuple[ast.AST, range]] = [(function, range(function.lineno, function.lineno + 1))]
    while pending:
        node, lines = pending.pop()
        if getattr(node, "lineno", 0) in untested:
            pending += [(child, lines) for child in reversed(getattr(node, "orelse", None) or [])]
            continue
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            lines = head_of(node)
        yield Place(node=node, where=where, function=(where, first), lines=lines)
        if node is function:
            children: list[ast.AST] = list(function.body)
        elif isinstance(node, ast.AnnAssign):
            children = [node.value] if node.value else []
        else:
            children = list(ast.iter_child_nodes(node))
        pending += [(child, lines) for child in reversed(children)]


def head_of(node: ast.stmt | ast.ExceptHandler) -> range:
    """Return the lines of a statement, without those of the statements inside."""
    body = getattr(node, "body", None)
    last = body[0].lineno - 1 if isinstance(body, list) else node.end_lineno or node.lineno
    return range(node.lineno, max(last, node.lineno) + 1)


def changes_of_lists(node: ast.AST) -> Iterator[ChangeOfLines]:
    """Yield changes of the statements inside a statement; their lines are those of the inner statements."""
    for name, statements in ast.iter_fields(node):
        if isinstance(statements, list) and name in {"body", "orelse", "finalbody"}:
            yield from dropped(statements)
            yield from turned(statements)


def changes_of(node: ast.AST) -> Iterator[Change]:
    yield from unguarded(node)
    yield from other_values(node)


def unguarded(node: ast.AST) -> Iterator[Change]:
    """Leave out a branch, a loop, a filter, a handler or a condition."""
    match node:
        case ast.If(test=test) | ast.IfExp(test=test):
            for value, word in ((True, "always"), (False, "never")):
                yield f"{word} {short(test)}", setting(node, "test", ast.Constant(value=value))
        case ast.While(test=test) if not isinstance(test, ast.Constant):
            yield f"never {short(test)}", setting(node, "test", ast.Constant(value=False))
        case ast.comprehension(ifs=ifs):
            for at, test in enumerate(ifs):
                yield f"without if {short(test)}", replacing(ifs, at, ast.Constant(value=True))
        case ast.ExceptHandler(type=ast.AST() as kind, body=[first, *_]) if not isinstance(first, ast.Raise):
            yield f"without except {short(kind)}", setting(node, "body", [ast.Raise()])
        case ast.BoolOp(values=values):
            idle = ast.Constant(value=isinstance(node.op, ast.And))
            for at, value in enumerate(values):
                yield f"without {short(value)} in {short(node)}", replacing(values, at, idle)
        case ast.With(items=items):
            yield from without_manager(items)


def other_values(node: ast.AST) -> Iterator[Change]:
    """Use another comparison, sum, number, boolean or return value."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            other = SWAPS[type(op)]
            yield f"{other.__name__} in {short(node)}", setting(node, "ops", [other()])
        case ast.BinOp(op=(ast.Add() | ast.Sub()) as op):
            other = SWAPS[type(op)]
            yield f"{other.__name__} in {short(node)}", setting(node, "op", other())
        case ast.Constant(value=bool(value)):
            yield f"{not value} for {value}", setting(node, "value", not value)
        case ast.Constant(value=int(value)):
            yield f"{value + 1} for {value}", setting(node, "value", value + 1)
        case ast.Return(value=ast.AST() as value) if not (isinstance(value, ast.Constant) and not value.value):
            yield f"return nothing for {short(value)}", setting(node, "value", ast.Constant(value=None))


def setting(node: ast.AST, field: str, value: object) -> Callable[[], None]:
    return lambda: setattr(node, field, value)


def replacing(nodes: list[ast.expr], at: int, value: ast.expr) -> Callable[[], None]:
    return lambda: nodes.__setitem__(at, value)


def is_effect(statement: ast.stmt) -> bool:
    """Whether a statement has an effect other than on a local name."""
    match statement:
        case ast.Expr(value=value):
            return not isinstance(value, ast.Constant)
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)
    return isinstance(statement, ast.Raise | ast.AugAssign | ast.Delete | ast.Continue | ast.Break)


def is_plain_store(statement: ast.stmt) -> bool:
    """Whether it only stores a parameter or a constant in an attribute: two such statements have no order."""
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name())], value=value):
            return all(is_plain(node) for node in ast.walk(value))
    return False


def is_plain(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name):
            return name != "self"
        case ast.Call(func=ast.Name(id=name)):
            return name in {"len", "list", "tuple"}
        case ast.Attribute(value=ast.Name()):
            return True
    return isinstance(node, ast.Constant | ast.List | ast.JoinedStr | ast.FormattedValue | ast.expr_context)


def dropped(statements: list[ast.stmt]) -> Iterator[ChangeOfLines]:
    """Leave out a statement with an effect; it stays in the text, so that names keep their scope."""
    for at, statement in enumerate(statements):
        if is_effect(statement):
            never = ast.If(test=ast.Constant(value=False), body=[statement], orelse=[])
            what = f"drop {short(statement)}"
            yield head_of(statement), what, lambda at=at, never=never: statements.__setitem__(at, never)


def turned(statements: list[ast.stmt]) -> Iterator[ChangeOfLines]:
    """Exchange two neighbouring effects."""
    for at, pair in enumerate(itertools.pairwise(statements)):
        if all(is_effect(one) and not isinstance(one, ast.Raise | ast.Continue | ast.Break) for one in pair):
            if all(is_plain_store(one) for one in pair):
                continue
            one, other = pair
            what = f"{short(other, 40)} before {short(one, 40)}"
            lines = range(one.lineno, head_of(other).stop)
            yield lines, what, lambda at=at, pair=pair: statements.__setitem__(slice(at, at + 2), pair[::-1])


def without_manager(items: list[ast.withitem]) -> Iterator[Change]:
    """Leave out one context manager; `with` needs one, so it is replaced by one that does nothing."""
    for at, item in enumerate(items):
        idle = ast.withitem(context_expr=ast.parse("__import__('contextlib').nullcontext()", mode="eval").body)
        if item.optional_vars is None:
            yield f"without {short(item.context_expr)}", lambda at=at, idle=idle: items.__setitem__(at, idle)


def short(node: ast.AST, most: int = 60) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."
