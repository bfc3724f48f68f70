"""hooks.json: our SessionStart group, put in and taken out of a text that belongs to the user.

Codex remembers trust by position, so nothing here ever moves a hook of somebody else. Our group goes in last.
Where something follows it when it goes, a tombstone stays: the group `{"hooks": []}`, or, among other people's
handlers of one group, a handler with an empty command, which Codex skips with a warning. A tombstone is ours to
drop only where nothing follows it any more and the image before our install had fewer of them; any other one
may be the user's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cfp.codex.compare import same
from cfp.codex.hooks_text import (
    TOMBSTONE,
    append_group,
    created,
    drop_empty_event,
    drop_last_tombstones,
    event_item,
    gap_of_empty,
    group_items,
    handler_items,
    replace_value,
    spelled,
    take_out,
)
from cfp.codex.json_syntax import root
from cfp.codex.text import BOM, Unparseable, decode
from journal.values import ABSENT, Absent, Json, KeyEdit, KeyPath, Merged

PATH: KeyPath = ("hooks", "SessionStart")
TIMEOUT = 10
TOMBSTONE_LEFT = "tombstone_left"

_OURS = re.compile(r"(?:\A|\s)-m\s+codex_fast_proxy\s+autostart(?:\s|\Z)")
_ROOT_KEYS = frozenset({"hooks", "description"})
# Codex refuses these twice in one object; it takes the last of any other name.
_ONCE = _ROOT_KEYS | {"SessionStart", "matcher", "type", "command", "timeout", "async", "statusMessage"}


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
    """Read hooks.json; None (no file) is {}.

    Raises Unparseable where Codex 0.169 would reject the file: byte order mark, no JSON, another root key than
    `hooks` and `description`, a SessionStart that is not a list of groups.
    """
    if data is None:
        return {}
    if data.startswith(BOM):
        raise Unparseable("it starts with a byte order mark, which Codex does not take", line=1, column=1)
    text = decode(data).text
    try:
        doc = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise Unparseable(error.msg.lower(), line=error.lineno, column=error.colno) from None
    except RecursionError:
        raise Unparseable("it is nested too deeply") from None
    except Unparseable:
        raise
    except ValueError:
        raise Unparseable("it holds a number that is out of range") from None
    _require_shape(doc)
    return dict(doc)


def find_ours(doc: Mapping[str, Json]) -> tuple[Position, ...]:
    """Find every hook of ours or the predecessor's, by `-m codex_fast_proxy autostart` in its command."""
    return tuple(
        Position(
            group=g,
            handler=h,
            matcher=held.get("matcher"),
            command=handler["command"],
            timeout=handler.get("timeout"),
        )
        for g, held in enumerate(_groups(doc))
        for h, handler in enumerate(held.get("hooks", ()))
        if _is_ours(handler)
    )


def edit_for(data: bytes | None, after: Mapping[str, Json] | Absent) -> KeyEdit:
    """Return the edit that makes `after` our group (ABSENT: takes it out)."""
    wanted = after if isinstance(after, Absent) else dict(after)
    doc = parse(data)
    ours = find_ours(doc)
    if data is None or not ours:
        return KeyEdit(path=PATH, before=ABSENT, after=wanted)
    at = ours[0].group
    text = decode(data).text
    return KeyEdit(
        path=PATH, before=_groups(doc)[at], after=wanted, before_spelling=spelled(text, group_items(text)[at])
    )


def position_after(data_after: bytes | None) -> tuple[int, int] | None:
    """Return (group, handler) of our first hook in a text; None where there is none."""
    ours = find_ours(parse(data_after))
    return (ours[0].group, ours[0].handler) if ours else None


class HooksJson:
    """The journal's Format of hooks.json; every edit has the path `PATH` and a whole group as its values."""

    def apply(self, current: bytes | None, edits: Sequence[KeyEdit]) -> bytes:
        """Make `after` our only group: in the place of the present one, else last. Raises Unmergeable.

        Of a group that holds other people's handlers too, only our handler changes.
        """
        parse(current)
        text = None if current is None else decode(current).text
        for edit in edits:
            text = _applied(text, edit)
        return b"{}\n" if text is None else text.encode()

    def restore(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> Merged:
        """Take our group out again, or give the group back that stood in its place.

        Ours is what runs the very command that we wrote. A hook that runs our program in other words has been
        edited: it stays, as a conflict. `notes` holds TOMBSTONE_LEFT where the group could not go without a trace.
        """
        if self._untouched(current, before, edits):
            return Merged(content=before)
        return _Restoration(current, before).run(edits)

    def _untouched(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> bool:
        try:
            return self.apply(before, edits) == current
        except Unparseable:
            return False


class _Restoration:
    """A text on its way back, with the image before our edits to tell what was there."""

    def __init__(self, current: bytes, before: bytes | None) -> None:
        parse(current)
        self.text = decode(current).text
        self.was_absent = before is None
        self.old_text = _readable(before)
        self.conflicts: list[KeyPath] = []
        self.notes: list[str] = []

    def run(self, edits: Sequence[KeyEdit]) -> Merged:
        for edit in reversed(edits):
            self._give_back(edit)
        gone = self.was_absent and not json.loads(self.text)
        return Merged(
            content=None if gone else self.text.encode(),
            conflicts=tuple(self.conflicts),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _give_back(self, edit: KeyEdit) -> None:
        doc = json.loads(self.text)
        ours = find_ours(doc)
        changed = [at for at in ours if not same(_groups(doc)[at.group], edit.before)]
        found = [at for at in changed if at.command == _command_of(edit.after)]
        vanished = edit.before is not ABSENT and edit.after is not ABSENT and not ours
        if vanished or len(changed) > len(found):
            self.conflicts.append(PATH)
        elif edit.before is not ABSENT and not ours:
            self._put_back(edit)
        for at in reversed(found):
            if edit.before is ABSENT or at is not found[0]:
                self._take_out(at)
            else:
                self.text = _with_group(self.text, at, edit.before, edit.before_spelling)

    def _take_out(self, at: Position) -> None:
        old_event = event_item(self.old_text)
        empty = gap_of_empty(self.old_text, old_event)
        self.text, left = take_out(self.text, at.group, at.handler, empty=empty)
        self.notes += [TOMBSTONE_LEFT] if left else []
        spare = _tombstones(self.text) - _tombstones(self.old_text)
        self.text = drop_last_tombstones(self.text, spare, empty=empty)
        if old_event is None:
            self.text = drop_empty_event(self.text, self.old_text)

    def _put_back(self, edit: KeyEdit) -> None:
        """Bring a group back that we took out: into its tombstone where that stands, else as the last one."""
        old = next((at.group for at in find_ours(json.loads(self.old_text))), None)
        groups = group_items(self.text)
        if old is not None and old < len(groups) and same(json.loads(spelled(self.text, groups[old])), TOMBSTONE):
            self.text = replace_value(self.text, groups[old], edit.before, edit.before_spelling)
        else:
            self.text = append_group(self.text, edit.before)


HOOKS_JSON = HooksJson()


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    names = [name for name, _ in pairs if name in _ONCE]
    if len(names) != len(set(names)):
        raise Unparseable("it has a key twice")
    return dict(pairs)


def _refuse_constant(name: str) -> None:
    raise Unparseable(f"{name} is not JSON")


def _require_shape(doc: Json) -> None:
    if not isinstance(doc, dict):
        raise Unparseable("it is not a JSON object")
    if doc.keys() - _ROOT_KEYS:
        raise Unparseable("it has a root key besides `hooks` and `description`, so Codex ignores the whole file")
    hooks = doc.get("hooks", {})
    event = hooks.get("SessionStart", []) if isinstance(hooks, dict) else None
    if not isinstance(event, list) or not all(map(_is_group, event)):
        raise Unparseable("its SessionStart is not a list of hook groups")


def _is_group(value: Json) -> bool:
    handlers = value.get("hooks", []) if isinstance(value, dict) else None
    return (
        isinstance(handlers, list)
        and all(isinstance(handler, dict) for handler in handlers)
        and isinstance(value.get("matcher"), str | None)
    )


def _is_ours(handler: Mapping[str, Json]) -> bool:
    command = handler.get("command")
    return handler.get("type") == "command" and isinstance(command, str) and _OURS.search(command) is not None


def _groups(doc: Mapping[str, Json]) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = doc.get("hooks", {}).get("SessionStart", [])
    return groups


def _tombstones(text: str) -> int:
    return sum(same(held, TOMBSTONE) for held in _groups(json.loads(text)))


def _command_of(held: Json | Absent) -> str | None:
    handlers = held.get("hooks", ()) if isinstance(held, dict) else ()
    return next((handler["command"] for handler in handlers if _is_ours(handler)), None)


def _created(held: Json) -> bytes:
    return (json.dumps({"hooks": {"SessionStart": [held]}}, indent=2, ensure_ascii=False) + "\n").encode()


def _readable(data: bytes | None) -> str:
    """Return the text of an earlier image; one that Codex would not read tells nothing."""
    try:
        parse(data)
    except Unparseable:
        return "{}"
    return "{}" if data is None else decode(data).text


def _applied(text: str | None, edit: KeyEdit) -> str | None:
    if text is None:
        return None if edit.after is ABSENT else created(edit.after)
    doc = json.loads(text)
    ours = find_ours(doc)
    if not ours:
        return text if edit.after is ABSENT else append_group(text, edit.after)
    kept = next((at for at in ours if same(_groups(doc)[at.group], edit.before)), ours[0])
    for at in reversed(ours):
        if edit.after is not ABSENT and at is kept:
            text = _with_group(text, at, edit.after, None)
        else:
            text, _ = take_out(text, at.group, at.handler, empty="")
    return text


def _with_group(text: str, at: Position, wanted: Json, spelling: str | None) -> str:
    """Replace our group; where it, or the wanted one, is shared with other people's handlers, our handler only."""
    item = group_items(text)[at.group]
    handlers = handler_items(text, item)
    if len(handlers) == len(wanted["hooks"]) == 1:
        return replace_value(text, item, wanted, spelling)
    index, handler = next((index, held) for index, held in enumerate(wanted["hooks"]) if _is_ours(held))
    if spelling is not None:
        spelling = spelled(spelling, handler_items(spelling, root(spelling))[index])
    return replace_value(text, handlers[at.handler], handler, spelling)
