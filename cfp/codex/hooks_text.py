"""The text of hooks.json: a group appended, replaced or taken out without moving any other."""

from __future__ import annotations

import json

from cfp.codex.compare import equivalent
from cfp.codex.hooks_document import HANDLER_TOMBSTONE, TOMBSTONE
from cfp.codex.json_syntax import Item, Style, append, cut, items, member, replace, root
from journal.values import Json


def event_item(text: str) -> Item | None:
    """Locate the list of SessionStart groups."""
    hooks = member(text, root(text), "hooks")
    return member(text, hooks, "SessionStart") if hooks else None


def group_items(text: str) -> list[Item]:
    """Locate each group of SessionStart."""
    event = event_item(text)
    return items(text, event) if event else []


def handler_items(text: str, group: Item) -> list[Item]:
    """Locate each handler of a group."""
    handlers = member(text, group, "hooks")
    return items(text, handlers) if handlers else []


def spelled(text: str, item: Item) -> str:
    """Return an item's value as it is written."""
    return text[item.value : item.end]


def new_document(group: Json) -> str:
    """Return a file with one group."""
    return json.dumps({"hooks": {"SessionStart": [group]}}, indent=2, ensure_ascii=False) + "\n"


def append_group(text: str, group: Json, spelling: str | None = None) -> str:
    """Add a group as the last one, with what is missing above it; as `spelling` where that is known."""
    added = _append_to_event(text, group)
    return added if spelling is None else replace(added, group_items(added)[-1], spelling)


def _append_to_event(text: str, group: Json) -> str:
    hooks = member(text, root(text), "hooks")
    if hooks is None:
        return append(text, root(text), "hooks", {"SessionStart": [group]})
    event = member(text, hooks, "SessionStart")
    if event is None:
        return append(text, hooks, "SessionStart", [group])
    return append(text, event, "", group)


def replace_value(text: str, item: Item, value: Json, spelling: str | None) -> str:
    """Put another value in an item's place, as `spelling` where that is known."""
    if equivalent(json.loads(spelled(text, item)), value):
        return text
    return replace(text, item, spelling or Style.of(text).render("", value, _own_indent(text, item)))


def append_handler(text: str, group: int, handler: Json) -> str:
    """Add a handler as the last one of a group."""
    handlers = member(text, group_items(text)[group], "hooks")
    return append(text, handlers, "", handler) if handlers else text


def take_out(text: str, group: int, handler: int, *, empty: str) -> str:
    """Take a hook out without moving any other: where something follows it, a tombstone takes its place.

    `empty` is the text between the brackets of a list that lost its only group.
    """
    event = event_item(text)
    groups = group_items(text)
    handlers = handler_items(text, groups[group])
    if len(handlers) == 1 and event:
        if group == len(groups) - 1:
            return cut(text, event, group, empty=empty)
        return replace(text, groups[group], json.dumps(TOMBSTONE))
    handler_list = member(text, groups[group], "hooks")
    if handler == len(handlers) - 1 and handler_list:
        return cut(text, handler_list, handler, empty="")
    return replace(text, handlers[handler], json.dumps(HANDLER_TOMBSTONE))


def drop_last_tombstones(text: str, spare: int, *, empty: str) -> str:
    """Drop up to `spare` tombstones that nothing follows."""
    groups = group_items(text)
    event = event_item(text)
    if spare < 1 or not groups or not event or not equivalent(json.loads(spelled(text, groups[-1])), TOMBSTONE):
        return text
    return drop_last_tombstones(cut(text, event, len(groups) - 1, empty=empty), spare - 1, empty=empty)


def drop_empty_event(text: str, old_text: str) -> str:
    """Drop `SessionStart` where it holds nothing, and `hooks` where that leaves nothing and `old_text` had none."""
    top, old_top = root(text), root(old_text)
    hooks, old_hooks = member(text, top, "hooks"), member(old_text, old_top, "hooks")
    if hooks is None or (event := event_item(text)) is None or items(text, event):
        return text
    alone = len(items(text, hooks)) == 1
    if alone and old_hooks is None:
        return _cut_member(text, top, "hooks", gap_of_empty(old_text, old_top))
    return _cut_member(text, hooks, "SessionStart", gap_of_empty(old_text, old_hooks))


def gap_of_empty(text: str, container: Item | None) -> str:
    """Return the text between the brackets of an empty container, "" for any other."""
    if container is None or items(text, container):
        return ""
    return text[container.value + 1 : container.end - 1]


def _cut_member(text: str, container: Item, name: str, empty: str) -> str:
    names = [item.name for item in items(text, container)]
    return cut(text, container, names.index(name), empty=empty)


def _own_indent(text: str, item: Item) -> str | None:
    """Return the indent of an item that starts a line, None for any other."""
    before = text[: item.start].rpartition("\n")
    return before[2] if before[1] and not before[2].strip() else None
