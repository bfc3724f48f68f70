"""hooks.json: our SessionStart group, put in and taken out of a text that belongs to the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from journal.values import Absent, Json, KeyEdit, KeyPath, Merged

PATH: KeyPath = ("hooks", "SessionStart")
TIMEOUT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a hook of ours sits, and what it runs."""

    group: int
    handler: int
    matcher: str | None
    command: str
    timeout: int | None


def group(command: str, timeout: int = TIMEOUT) -> dict[str, Json]:
    """Return the group that starts our worker: no matcher, since one would miss /clear, fork and compact."""
    return {"hooks": [{"type": "command", "command": command, "timeout": timeout}]}


def parse(data: bytes | None) -> dict[str, Json]:
    """Read hooks.json; None (no file) is {}. Raises Unparseable where Codex would reject the file."""
    raise NotImplementedError


def find_ours(doc: Mapping[str, Json]) -> tuple[Position, ...]:
    """Find every hook of ours or the predecessor's, by `-m codex_fast_proxy autostart` in its command."""
    raise NotImplementedError


def edit_for(data: bytes | None, after: Mapping[str, Json] | Absent) -> KeyEdit:
    """Return the edit that makes `after` our group (ABSENT: takes it out)."""
    raise NotImplementedError


def position_after(data_after: bytes | None) -> tuple[int, int] | None:
    """Return (group, handler) of our first hook in a text; None where there is none."""
    raise NotImplementedError


class HooksJson:
    """The journal's Format of hooks.json; every edit has the path `PATH` and a whole group as its values."""

    def apply(self, current: bytes | None, edits: Sequence[KeyEdit]) -> bytes:
        """Put our group in as the last one, or where it stands; raises Unmergeable."""
        raise NotImplementedError

    def restore(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> Merged:
        """Take our group out again, or give the group back that stood in its place."""
        raise NotImplementedError


HOOKS_JSON = HooksJson()
