"""A JSON text as text: the spans of its items, its layout, and items spliced in and out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cfp.codex.text import newline_of
from journal.values import Json

_SPACE = re.compile(r"[ \t\r\n]*+")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A member of an object (`name` is its key) or an element of an array (`name` is "").

    start   of the key, or of the element
    value   offset at which the value starts
    end     of the value
    """

    name: str
    start: int
    value: int
    end: int


def root(text: str) -> Item:
    """Locate the one value of a text."""
    at = _skip(text, 0)
    return Item(name="", start=at, value=at, end=_end(text, at))


def items(text: str, container: Item) -> list[Item]:
    """Locate what an object or an array holds, in order."""
    return list(_items(text, container))


def member(text: str, container: Item, name: str) -> Item | None:
    """Locate one member of an object, None where it is missing."""
    return next((item for item in items(text, container) if item.name == name), None)


def replace(text: str, item: Item, value: str) -> str:
    """Return the text with another value in the item's place."""
    return text[: item.value] + value + text[item.end :]


def append(text: str, container: Item, name: str, value: Json) -> str:
    """Return the text with a last item more, laid out like the ones before it."""
    style = Style.of(text)
    siblings = items(text, container)
    if siblings:
        last = siblings[-1]
        gap = _gap(text, container, siblings, style)
        indent = gap.rpartition("\n")[2] if "\n" in gap else None
        return text[: last.end] + "," + gap + style.render(name, value, indent) + text[last.end :]
    outer = _indent(text, container.value)
    indent = outer + style.unit if style.lines else None
    opening = style.newline + indent if indent is not None else ""
    closing = style.newline + outer if indent is not None else ""
    content = opening + style.render(name, value, indent) + closing
    return text[: container.value + 1] + content + text[container.end - 1 :]


def cut(text: str, container: Item, index: int, *, empty: str) -> str:
    """Return the text without one item; `empty` is the text between the brackets if it was the only one."""
    siblings = items(text, container)
    if len(siblings) == 1:
        return text[: container.value + 1] + empty + text[container.end - 1 :]
    if index:
        return text[: siblings[index - 1].end] + text[siblings[index].end :]
    return text[: siblings[0].start] + text[siblings[1].start :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """The layout of a text.

    lines     one item a line, indented by `unit` more than what holds it
    colon     the text between a key and its value
    """

    lines: bool
    unit: str
    colon: str
    newline: str

    @classmethod
    def of(cls, text: str) -> Style:
        """Read the layout off the root object; an empty object gets lines indented by two spaces."""
        top = root(text)
        members = items(text, top)
        if not members:
            return cls(lines=True, unit="  ", colon=": ", newline=newline_of(text))
        gap = text[top.value + 1 : members[0].start]
        spaced = text[members[0].value - 1] != ":"
        return cls(
            lines="\n" in gap,
            unit=gap.rpartition("\n")[2] if "\n" in gap else "",
            colon=": " if spaced else ":",
            newline=newline_of(text),
        )

    def render(self, name: str, value: Json, indent: str | None) -> str:
        """Write an item; `indent` is that of its own line, None for all in one line."""
        if indent is None:
            comma = ", " if self.colon == ": " else ","
            rendered = json.dumps(value, ensure_ascii=False, separators=(comma, self.colon))
        else:
            rendered = json.dumps(value, ensure_ascii=False, indent=self.unit, separators=(",", self.colon))
            rendered = rendered.replace("\n", self.newline + indent)
        return f"{json.dumps(name)}{self.colon}{rendered}" if name else rendered


def _gap(text: str, container: Item, siblings: list[Item], style: Style) -> str:
    """Return the white space before a next item: that before the last one, or what the layout asks for."""
    last = siblings[-1]
    if siblings[1:]:
        return text[text.rindex(",", siblings[-2].end, last.start) + 1 : last.start]
    first = text[container.value + 1 : last.start]
    return first if "\n" in first else style.colon[1:]


def _items(text: str, container: Item) -> Iterator[Item]:
    named = text[container.value] == "{"
    at = _skip(text, container.value + 1)
    while at < container.end - 1:
        start, name = at, ""
        if named:
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        end = _end(text, at)
        yield Item(name=name, start=start, value=at, end=end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _end(text: str, at: int) -> int:
    return _DECODER.raw_decode(text, at)[1]


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
