"""Sets, inserts and deletes one key of a TOML text; every other byte stays.

A deletion removes exactly the bytes that the insertion added: a line with the newline before it, `, key = value`
in an inline table, a section with the blank line before it. A text without a final newline stays without one.
"""

from __future__ import annotations

import re

from cfp.codex.text import newline_of
from cfp.codex.toml_syntax import Entry, Path, Scope, Section, scan, scopes, skip
from journal.values import Json, KeyPath, Unmergeable

_LEADING_COMMENT = re.compile(r"(?:[ \t]*+#[^\n]*+\n)++[ \t]*+\r?\n")
_REST_OF_LINE = re.compile(r"[ \t]*+(#[^\n]*+)?")


def set_value(text: str, path: KeyPath, spelled: str) -> str:
    """Return the text with `spelled` as the value at `path`, put in where there is none."""
    sections = scan(text)
    match = _find(text, sections, path)
    if match is None:
        return _insert(text, sections, path, spelled)
    start, end = match[1].value
    return text[:start] + spelled + text[end:]


def delete(text: str, path: KeyPath) -> str:
    """Return the text without the entry at `path`; a comment on its line stays."""
    match = _find(text, scan(text), path)
    if match is None:
        return text
    scope, entry = match
    return _cut_inline(text, scope, entry) if scope.inline else _cut_line(text, entry.start, entry.end)


def drop_empty_section(text: str, path: KeyPath) -> str:
    """Return the text without the header `[path]` and the blank line before it, if it has no entries."""
    for section in scan(text):
        if section.path == path and not section.entries:
            head = text[: section.header[0]]
            spaced = re.sub(r"(\A|\n)\r?\n(?=[ \t]*\Z)", r"\1", head, count=1)
            shift = len(head) - len(spaced)
            return _cut_line(spaced + text[section.header[0] :], section.header[0] - shift, section.header[1] - shift)
    return text


def headers(text: str) -> frozenset[Path]:
    """Return the path of every `[header]` of a text."""
    return frozenset(section.path for section in scan(text)[1:])


def value_text(text: str, path: KeyPath) -> str | None:
    """Return a value as it is written, None where no single entry holds it."""
    match = _find(text, scan(text), path)
    return None if match is None else text[slice(*match[1].value)]


def render(value: Json) -> str:
    """Write a value; raises Unmergeable for one that is no plain text, number or truth value."""
    import tomlkit  # noqa: PLC0415  21 ms that only an edit should cost

    if not isinstance(value, str | bool | int | float):
        raise Unmergeable("only a plain value can be set")
    return tomlkit.item(value).as_string()


def _find(text: str, sections: list[Section], path: Path) -> tuple[Scope, Entry] | None:
    for scope in scopes(text, sections, path):
        for entry in scope.entries:
            if entry.path == path:
                return scope, entry
    return None


def _insert(text: str, sections: list[Section], path: KeyPath, spelled: str) -> str:
    """Put a new entry where the deepest table that is there already can be extended.

    A table that an inline table or dotted keys define can be extended there only; any other one by its section,
    or by a new section for what is missing.
    """
    parent = path[:-1]
    around = list(scopes(text, sections, path))
    for depth in range(len(parent), -1, -1):
        prefix = parent[:depth]
        for scope in around:
            if scope.path == prefix and scope.inline:
                return _insert_inline(text, scope, scope.entries[-1:], _dotted(path[depth:]), spelled)
            siblings = [entry for entry in scope.entries if entry.path[:depth] == prefix and len(entry.path) > depth]
            if len(scope.path) < depth and siblings:
                return _insert_sibling(text, scope, siblings, path, depth, spelled)
            if scope.path == prefix == parent and scope.section:
                return _insert_line(text, scope.section, _dotted(path[-1:]), spelled)
        if any(section.path[:depth] == prefix for section in sections):
            break
    return _append_section(text, parent, f"{_dotted(path[-1:])} = {spelled}")


def _insert_sibling(text: str, scope: Scope, siblings: list[Entry], path: KeyPath, depth: int, spelled: str) -> str:
    """Extend a table that dotted keys define, spelling its name as the last of them does."""
    last = siblings[-1]
    common = text[last.start : last.parts[depth - len(scope.path) - 1][1]]
    key = f"{common}.{_dotted(path[depth:])}"
    if scope.inline:
        return _insert_inline(text, scope, siblings[-1:], key, spelled)
    return _insert_after(text, last.end, _indent(text, last.start), f"{key} = {spelled}")


def _insert_line(text: str, section: Section, key: str, spelled: str) -> str:
    line = f"{key} = {spelled}"
    if section.entries:
        last = section.entries[-1]
        return _insert_after(text, last.end, _indent(text, last.start), line)
    if section.path:
        return _insert_after(text, section.header[1], _indent(text, section.header[0]), line)
    comment = _LEADING_COMMENT.match(text)
    at = comment.end() if comment else 0
    return text[:at] + line + newline_of(text) + text[at:]


def _insert_after(text: str, at: int, indent: str, line: str) -> str:
    """Put a line behind the one that ends after offset `at`."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    newline = "\r\n" if text[end - 1] == "\r" else newline_of(text) if end == len(text) else "\n"
    end -= text[end - 1] == "\r"
    return text[:end] + newline + indent + line + text[end:]


def _insert_inline(text: str, scope: Scope, after: list[Entry], key: str, spelled: str) -> str:
    entry = f"{key} = {spelled}"
    if not after and scope.inline:
        start, end = scope.inline.value
        blank = not text[start + 1 : end - 1].strip(" ")
        at = start + 1 + ((end - start - 1) // 2 if blank else 0)
        return text[:at] + entry + text[at:]
    first, last = scope.entries[0], after[0]
    indent = _indent(text, first.start)
    own_lines = scope.inline is not None and "\n" in text[scope.inline.value[0] : first.start]
    gap = newline_of(text) + indent if own_lines else " "
    return f"{text[: last.end]},{gap}{entry}{text[last.end :]}"


def _append_section(text: str, path: KeyPath, line: str) -> str:
    last = text[text.rfind("\n", 0, -1) + 1 :] if text.endswith("\n") else text
    newline = newline_of(last)
    section = f"[{_dotted(path)}]{newline}{line}"
    if not text:
        return section + newline
    if text.endswith("\n"):
        return text + newline + section + newline
    return text + newline + newline + section


def _cut_line(text: str, start: int, end: int) -> str:
    """Cut the text from `start` to `end`; if nothing else is on its line, also the line and the newline before it.

    It is the newline before because that came with the line; the first line of a text takes the one behind it.
    """
    rest = _REST_OF_LINE.match(text, end)
    if rest is None or rest[1]:
        return text[:start] + text[rest.start(1) if rest else end :]
    above = text[: text.rfind("\n", 0, start) + 1]
    below = text[rest.end() :]
    return above.removesuffix("\n").removesuffix("\r") + below if above else below.removeprefix("\r")[1:]


def _cut_inline(text: str, scope: Scope, entry: Entry) -> str:
    at = scope.entries.index(entry)
    before, after = scope.entries[:at], scope.entries[at + 1 :]
    if before and "#" not in text[before[-1].end : entry.start]:
        return text[: before[-1].end] + text[entry.end :]
    if after and "#" not in text[entry.end : after[0].start]:
        return text[: entry.start] + text[after[0].start :]
    comma = skip(text, entry.end)
    behind = text[entry.end : comma] + text[comma + 1 :] if text[comma] == "," else text[entry.end :]
    return text[: entry.start] + behind


def _indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _dotted(path: KeyPath) -> str:
    import tomlkit  # noqa: PLC0415  see render

    return ".".join(tomlkit.key(name).as_string() for name in path)
