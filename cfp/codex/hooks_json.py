"""hooks.json: our SessionStart group, put in and taken out of a text that belongs to the user.

Codex remembers trust by position, so nothing here ever moves another program's hook. Our group goes in last.
Where something follows it when it goes, a tombstone stays: the group `{"hooks": []}`, or, among other people's
handlers of one group, a handler with an empty command, which Codex skips with a warning. A tombstone is ours to
drop only where nothing follows it any more and the image before our install had fewer of them; any other one
may be the user's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cfp.codex.compare import equivalent
from cfp.codex.hooks_document import (
    HANDLER_TOMBSTONE,
    PATH,
    TOMBSTONE,
    Position,
    command_of,
    find_ours,
    groups_of,
    others_of,
    our_handler,
    parse,
)
from cfp.codex.hooks_text import (
    append_group,
    append_handler,
    drop_empty_event,
    drop_last_tombstones,
    event_item,
    gap_of_empty,
    group_items,
    handler_items,
    new_document,
    replace_value,
    spelled,
    take_out,
)
from cfp.codex.json_syntax import root
from cfp.codex.text import Unparseable, decode
from journal.values import ABSENT, Absent, Json, KeyEdit, KeyPath, Merged, Unmergeable

TOMBSTONE_LEFT = "tombstone_left"


def edit_for(data: bytes | None, after: Mapping[str, Json] | Absent) -> KeyEdit:
    """Return the edit that makes `after` our group (ABSENT: takes it out)."""
    our_group = after if isinstance(after, Absent) else dict(after)
    doc = parse(data)
    ours = find_ours(doc)
    if data is None or not ours:
        return KeyEdit(path=PATH, before=ABSENT, after=our_group)
    at = ours[0].group
    text = decode(data).text
    return KeyEdit(
        path=PATH, before=groups_of(doc)[at], after=our_group, before_spelling=spelled(text, group_items(text)[at])
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
        doc = parse(current)
        text = None if current is None else decode(current).text
        for edit in edits:
            text = _apply_edit(text, edit)
        return b"{}\n" if text is None else _encode_proven(doc, text)

    def restore(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> Merged:
        """Remove our group, or give back the group that stood in its place.

        A hook counts as ours if it runs exactly the command that we wrote. A hook that runs our program by another
        command was edited: it stays, as a conflict. `notes` holds TOMBSTONE_LEFT where a tombstone remains.
        """
        if self._untouched(current, before, edits):
            return Merged(content=before)
        return _Restoration(current, before).run(edits)

    def _untouched(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> bool:
        try:
            return self.apply(before, edits) == current
        except Unmergeable:
            return False


class _Restoration:
    """One restoration: the current text, and the image from before our edits."""

    def __init__(self, current: bytes, before: bytes | None) -> None:
        self.doc = parse(current)
        self.text = decode(current).text
        self.was_absent = before is None
        self.old_text = _readable(before)
        self.conflicts: list[KeyPath] = []

    def run(self, edits: Sequence[KeyEdit]) -> Merged:
        tombstones_before = _tombstones(self.text, TOMBSTONE, HANDLER_TOMBSTONE)
        for edit in reversed(edits):
            self._give_back(edit)
        gone = self.was_absent and not json.loads(self.text)
        left = _tombstones(self.text, TOMBSTONE, HANDLER_TOMBSTONE) > tombstones_before
        return Merged(
            content=None if gone else _encode_proven(self.doc, self.text),
            conflicts=tuple(self.conflicts),
            notes=(TOMBSTONE_LEFT,) if left else (),
        )

    def _give_back(self, edit: KeyEdit) -> None:
        doc = json.loads(self.text)
        ours = find_ours(doc)
        changed = [at for at in ours if not equivalent(groups_of(doc)[at.group], edit.before)]
        own = [at for at in changed if at.command == command_of(edit.after)]
        vanished = edit.before is not ABSENT and edit.after is not ABSENT and not ours
        if vanished or len(changed) > len(own):
            self.conflicts.append(PATH)
        elif edit.before is not ABSENT and not ours:
            self._put_back(edit.before, edit.before_spelling)
        for at in reversed(own):
            if edit.before is ABSENT or at is not own[0]:
                self._take_out(at)
            else:
                self.text = _with_group(self.text, at, edit.before, edit.before_spelling)

    def _take_out(self, at: Position) -> None:
        old_event = event_item(self.old_text)
        empty = gap_of_empty(self.old_text, old_event)
        self.text = take_out(self.text, at.group, at.handler, empty=empty)
        spare = _tombstones(self.text, TOMBSTONE) - _tombstones(self.old_text, TOMBSTONE)
        self.text = drop_last_tombstones(self.text, spare, empty=empty)
        if old_event is None:
            self.text = drop_empty_event(self.text, self.old_text)

    def _put_back(self, before: Json, spelling: str | None) -> None:
        """Put a hook back that we removed: into its tombstone if that is still there, else as the last one."""
        index, handler = our_handler(before)
        rest = before["hooks"][:index] + before["hooks"][index + 1 :]
        old = next((at.group for at in find_ours(json.loads(self.old_text))), -1)
        item = dict(enumerate(group_items(self.text))).get(old)
        present = json.loads(spelled(self.text, item)) if item else {}
        handlers = present.get("hooks", [])
        if item and not rest and equivalent(present, TOMBSTONE):
            self.text = replace_value(self.text, item, before, spelling)
        elif item and rest and equivalent(handlers[index : index + 1], [HANDLER_TOMBSTONE]):
            self.text = replace_value(self.text, handler_items(self.text, item)[index], handler, None)
        elif item and rest and equivalent(handlers, rest) and index == len(rest):
            self.text = append_handler(self.text, old, handler)
        else:
            self.text = append_group(self.text, {**before, "hooks": [handler]}, None if rest else spelling)


HOOKS_JSON = HooksJson()


def _encode_proven(doc: Mapping[str, Json], text: str) -> bytes:
    """Return the bytes of an edited text, once it is proven that everything but our hook is as in `doc`."""
    data = text.encode()
    if not equivalent(others_of(parse(data)), others_of(doc)):
        raise Unmergeable("the edit would change more than our own hook")
    return data


def _tombstones(text: str, *kinds: Json) -> int:
    groups = groups_of(json.loads(text))
    values = [*groups, *(handler for entry in groups for handler in entry.get("hooks", ()))]
    return sum(equivalent(value, kind) for value in values for kind in kinds)


def _readable(data: bytes | None) -> str:
    """Return the text of an earlier image; `{}` where Codex would not have read it."""
    try:
        parse(data)
    except Unparseable:
        return "{}"
    return "{}" if data is None else decode(data).text


def _apply_edit(text: str | None, edit: KeyEdit) -> str | None:
    if text is None:
        return None if edit.after is ABSENT else new_document(edit.after)
    doc = json.loads(text)
    ours = find_ours(doc)
    if not ours:
        return text if edit.after is ABSENT else append_group(text, edit.after)
    present = next((at for at in ours if equivalent(groups_of(doc)[at.group], edit.before)), ours[0])
    for at in reversed(ours):
        if edit.after is not ABSENT and at is present:
            text = _with_group(text, at, edit.after, None)
        else:
            text = take_out(text, at.group, at.handler, empty="")
    return text


def _with_group(text: str, at: Position, new_group: Json, spelling: str | None) -> str:
    """Replace our group; where it, or the new one, is shared with other people's handlers, our handler only."""
    item = group_items(text)[at.group]
    handlers = handler_items(text, item)
    if len(handlers) == len(new_group["hooks"]) == 1:
        return replace_value(text, item, new_group, spelling)
    index, handler = our_handler(new_group)
    if spelling is not None:
        spelling = spelled(spelling, handler_items(spelling, root(spelling))[index])
    return replace_value(text, handlers[at.handler], handler, spelling)
