"""The result of a command: one flat JSON object and an exit code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`fields` are the command's own keys; the envelope adds command, status and schema_version."""

    status: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int = 0


def changed_after(exit_code: int) -> Any:
    """Return the field `changed` of a failure: False, or for exit code 6 the command that shows what is changed."""
    return "see recover --dry-run" if exit_code == 6 else False


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Text for stdout as it is: for the few commands whose output no program parses."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A stream of objects, perhaps without end; each is one line of output: columns for people, or JSON.

    none     the sentence for stderr where the stream is empty
    closing  returns the sentences for stderr below the last column; None where there are none
    """

    rows: Iterator[Mapping[str, Any]]
    none: str
    closing: Callable[[], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """No output of our own: another program has used stdout."""

    code: int


def envelope(command: str, result: Result) -> dict[str, Any]:
    """Return the object to print; envelope keys come first and cannot be overridden."""
    head = {"command": command, "status": result.status, "schema_version": SCHEMA_VERSION}
    return {**head, **{name: value for name, value in result.fields.items() if name not in head}}


def render(command: str, result: Result) -> str:
    """Return the text of one result, ending in a newline."""
    return json_text(envelope(command, result), indent=2) + "\n"


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return JSON in which each character is itself, but for those that move a terminal's text or hide in it.

    These are the control characters (C0, DEL, C1), line and paragraph separators, and the marks that turn the
    direction of text or have no width.
    """
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, indent=indent, ensure_ascii=False))


# Code points below 0x20 are escaped by JSON's own rules.
_UNSEEN: Final = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
