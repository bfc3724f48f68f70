"""The repository as house rules see it: its files, its modules, their syntax trees."""

from __future__ import annotations

import ast
import fnmatch
import functools
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("cfp", "journal")


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file; `name` is its path in the repository."""

    name: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parse(self.text)

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))


@functools.cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Every file that git would ship, committed or about to be; all files below where there is no git."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git") is None:
        return tuple(_unignored(REPOSITORY))
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    paths = (REPOSITORY / name for name in listed.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def _unignored(folder: Path) -> Iterator[Path]:
    """The files below a folder that .gitignore does not name, in git's order."""
    ignored = [".git", *(line.rstrip("/") for line in (REPOSITORY / ".gitignore").read_text().split())]
    for path in sorted(folder.iterdir(), key=lambda path: path.name + "/" * path.is_dir()):
        if any(fnmatch.fnmatchcase(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from _unignored(path)
        else:
            yield path


def modules(*folders: str) -> tuple[Module, ...]:
    """The Python files below these folders."""
    files = []
    for path in tracked():
        name = path.relative_to(REPOSITORY).as_posix()
        if name.endswith(".py") and name.startswith(tuple(f"{folder}/" for folder in folders)):
            files.append(Module(name, path.read_text(encoding="utf-8")))
    return tuple(files)


def dotted(node: ast.expr) -> str:
    """The name of what is called: `os.replace`, `open`; "?.unlink" for a method of some value."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute(value=ast.Name() as owner):
            return f"{owner.id}.{node.attr}"
        case ast.Attribute():
            return f"?.{node.attr}"
        case _:
            return "?"
