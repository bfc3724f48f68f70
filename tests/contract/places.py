"""Places that carry an instruction: a text of a page, a field of a golden answer, a message, a command line, a test.

Each says its flaw in a sentence where it is not there (any more), else None.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from cfp.commands.parsing import parsed
from cfp.errors import UsageError
from tests.house.message_tables import message_tables
from tests.house.source import REPOSITORY

Json = Any
GOLDEN: Final = REPOSITORY / "fixtures" / "results"
SKILL: Final = "SKILL.md"
_FENCE = re.compile(r"^```.*?^```\n", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (?:\d+\. )?(.*)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """A text under a heading of a page, whatever its line breaks; a heading's number is not named, "" is the head."""

    name: str
    heading: str
    text: str

    def flaw(self) -> str | None:
        section = sections(self.name).get(self.heading)
        if section is None:
            return f"{self.name} has no heading {self.heading!r}"
        return None if self.text in section else f"{self.name}, {self.heading!r} lacks {self.text!r}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A field of a golden answer, such as "startup_hook.status": it is `value`, or a sentence that has it."""

    golden: str
    field: str
    value: Json = ...

    def flaw(self) -> str | None:
        value = golden(self.golden)
        for name in self.field.split("."):
            if not isinstance(value, dict) or name not in value:
                return f"{self.golden}.json has no {self.field}"
            value = value[name]
        right = self.value is ... or value == self.value or (isinstance(value, str) and self.value in value)
        return None if right else f"{self.golden}.json: {self.field} is {value!r}"


@dataclass(frozen=True, slots=True)
class Said:
    """A message by its table and code, such as "refusals.REFUSALS", and words of its sentence or action."""

    table: str
    code: str
    text: str

    def flaw(self) -> str | None:
        messages = next((one.table for one in message_tables() if one.name == self.table), {})
        message = messages.get(self.code)
        if message is None:
            return f"{self.table} has no {self.code}"
        return None if self.text in " ".join(message) else f"{self.table} {self.code} lacks {self.text!r}"


@dataclass(frozen=True, slots=True)
class Line:
    """A command line that the program takes; `field`, if named, is then `value`."""

    words: str
    field: str = ""
    value: Json = None

    def flaw(self) -> str | None:
        verb, *words = shlex.split(self.words)
        try:
            arguments = parsed(verb, words)
        except UsageError as error:
            return f"{self.words}: {error}"
        right = not self.field or (self.field in arguments and arguments[self.field] == self.value)
        return None if right else f"{self.words}: {self.field} is {arguments.get(self.field)!r}"


@dataclass(frozen=True, slots=True)
class Held:
    """A test that holds the program to it."""

    file: str
    name: str

    def flaw(self) -> str | None:
        path = REPOSITORY / "tests" / self.file
        there = path.exists() and re.search(rf"^(async )?def {self.name}\(", path.read_text("utf-8"), re.MULTILINE)
        return None if there else f"tests/{self.file} has no {self.name}"


Place = Page | Answer | Said | Line | Held


@dataclass(frozen=True, slots=True)
class Instruction:
    text: str
    places: tuple[Place, ...]
    otherwise: str = ""


@cache
def sections(name: str) -> dict[str, str]:
    """Return the sections of a page by their headings, each with single spaces; headings in code are none."""
    page = (REPOSITORY / name).read_text(encoding="utf-8")
    blank = _FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), page)
    starts = [(0, 0, ""), *((match.start(), match.end(), match[1]) for match in _HEADING.finditer(blank))]
    ends = [*(start for start, _, _ in starts[1:]), len(page)]
    return {
        title: re.sub(r"\n> |\s+", " ", page[begin:end]) for (_, begin, title), end in zip(starts, ends, strict=True)
    }


@cache
def golden(name: str) -> Json:
    """Return a golden answer."""
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def row(text: str, *places: Place, otherwise: str = "") -> Instruction:
    """Return one row of the tables below."""
    return Instruction(text, places, otherwise)


def skill(heading: str, text: str) -> Page:
    """Return a place in SKILL.md."""
    return Page(SKILL, heading, text)
