"""A TOML text as text: its sections and entries, and the span of each key and value.

The text was parsed before, so the scanner only locates and never validates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from cfp.codex.text import Unparseable, line_and_column
from cfp.codex.toml_reader import STRING, loads

Span: TypeAlias = tuple[int, int]
Path: TypeAlias = tuple[str | int, ...]

_TRIVIA = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_PART = re.compile(r"[ \t]*+([A-Za-z0-9_-]++|\"(?:[^\"\\\n]|\\.)*+\"|'[^'\n]*+')[ \t]*+(\.?)")
_STRING = re.compile(STRING, re.DOTALL)
_SCALAR = re.compile(r"[^#\r\n,\[\]{}\"']++")
_NESTED = re.compile(rf"[^\[\]{{}}\"'#]++|#[^\n]*+|{STRING}|[\[\]{{}}]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key = value`.

    path   from the root; an int is the index of an element of an array of tables
    parts  span of each part of the dotted key, quotes included
    value  span of the value
    """

    path: Path
    parts: tuple[Span, ...]
    value: Span

    @property
    def start(self) -> int:
        return self.parts[0][0]

    @property
    def end(self) -> int:
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Section:
    """A header `[path]` or `[[path]]` and its entries; the first section is the root and has an empty header."""

    path: Path
    header: Span
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scope:
    """Sibling entries: those of a section, or of the inline table that `inline` holds."""

    path: Path
    entries: list[Entry]
    section: Section | None = None
    inline: Entry | None = None


@lru_cache(maxsize=8)
def scan(text: str) -> list[Section]:
    """Locate every section and its entries, in the order of the text. The answer is shared, and never changed."""
    sections = [Section((), (0, 0))]
    arrays: dict[Path, int] = {}
    at = skip(text, 0)
    while at < len(text):
        if text[at] == "[":
            sections.append(_section(text, at, arrays))
            at = sections[-1].header[1]
        else:
            entry = _entry(text, at, sections[-1].path)
            sections[-1].entries.append(entry)
            at = entry.end
        at = skip(text, at)
    return sections


def scopes(text: str, sections: list[Section], path: Path) -> Iterator[Scope]:
    """Yield every scope that may hold an entry for `path`, or for a table on the way to it."""
    for section in sections:
        if path[: len(section.path)] == section.path:
            yield from _inward(text, Scope(section.path, section.entries, section=section), path)


def _inward(text: str, scope: Scope, path: Path) -> Iterator[Scope]:
    yield scope
    for entry in scope.entries:
        if len(entry.path) < len(path) and path[: len(entry.path)] == entry.path and text[entry.value[0]] == "{":
            inner = Scope(entry.path, list(_inline_entries(text, entry)), inline=entry)
            yield from _inward(text, inner, path)


def _inline_entries(text: str, table: Entry) -> Iterator[Entry]:
    at = skip(text, table.value[0] + 1)
    while at < table.end - 1:
        entry = _entry(text, at, table.path)
        yield entry
        at = skip(text, entry.end)
        if text[at] == ",":
            at = skip(text, at + 1)


def _section(text: str, at: int, arrays: dict[Path, int]) -> Section:
    """Read a header; below an array of tables, a path goes through its last element."""
    width = 2 if text.startswith("[[", at) else 1
    names, _, end = _key(text, at + width)
    path: Path = ()
    for depth, name in enumerate(names, 1):
        path += (name,)
        if width == 2 and depth == len(names):
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path += (arrays[path],)
    return Section(path, (at, end + width))


def _entry(text: str, at: int, base: Path) -> Entry:
    names, parts, equals = _key(text, at)
    start = skip(text, equals + 1)
    return Entry(base + names, parts, (start, _value_end(text, start)))


def _key(text: str, at: int) -> tuple[tuple[str, ...], tuple[Span, ...], int]:
    """Read a dotted key: names, spans, and the offset of what follows it."""
    names: list[str] = []
    parts: list[Span] = []
    while True:
        part = _PART.match(text, at)
        if part is None:
            raise _scan_error(text, at)
        names.append(_name(part[1]))
        parts.append(part.span(1))
        at = part.end()
        if not part[2]:
            return tuple(names), tuple(parts), at


def _name(spelled: str) -> str:
    if spelled[0] == "'" or (spelled[0] == '"' and "\\" not in spelled):
        return spelled[1:-1]
    return next(iter(loads(f"{spelled} = 0"))) if spelled[0] == '"' else spelled


def _value_end(text: str, at: int) -> int:
    if text[at : at + 1] in {"[", "{"}:
        return _bracket_end(text, at)
    value = _STRING.match(text, at) or _SCALAR.match(text, at)
    if value is None:
        raise _scan_error(text, at)
    return at + len(value[0].rstrip(" \t"))


def _bracket_end(text: str, at: int) -> int:
    depth = 0
    for token in _NESTED.finditer(text, at):
        depth += (token[0] in {"[", "{"}) - (token[0] in {"]", "}"})
        if depth == 0:
            return token.end()
    raise _scan_error(text, at)


def skip(text: str, at: int) -> int:
    """Return the offset behind white space, newlines and comments."""
    trivia = _TRIVIA.match(text, at)
    return trivia.end() if trivia else at


def _scan_error(text: str, at: int) -> Unparseable:
    return Unparseable("it cannot be followed", **line_and_column(text, at))
