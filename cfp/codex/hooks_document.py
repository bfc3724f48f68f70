"""The content of hooks.json: its SessionStart groups, and our own hooks among them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cfp.codex.hook_command import decoded
from cfp.codex.text import BOM, Unparseable, decode
from journal.values import Absent, Json, KeyPath

PATH: KeyPath = ("hooks", "SessionStart")
TIMEOUT = 10
TOMBSTONE: Final[dict[str, Json]] = {"hooks": []}
HANDLER_TOMBSTONE: Final[dict[str, Json]] = {"type": "command", "command": ""}

_OURS = re.compile(r"(?:\A|\s)-m\s+codex_fast_proxy\s+autostart(?:\s|\Z)")
_ISOLATED = re.compile(r"\s(?:-I|-E\s+-P\s+-S\s+-c\s.+)\s+-m\s+codex_fast_proxy\s", re.DOTALL)
_ROOT_KEYS = frozenset({"hooks", "description"})
# Codex refuses these twice in one object; it takes the last of any other name.
_ONCE = _ROOT_KEYS | {"SessionStart", "matcher", "type", "command", "timeout", "async", "statusMessage"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The position of a hook of ours, and its command."""

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
            matcher=entry.get("matcher"),
            command=handler["command"],
            timeout=handler.get("timeout"),
        )
        for g, entry in enumerate(groups_of(doc))
        for h, handler in enumerate(entry.get("hooks", ()))
        if _is_ours(handler)
    )


def is_isolated(command: str) -> bool:
    """Whether a hook of ours has the flags that keep PYTHON* variables out; hooks before 0.3.0 do not."""
    return _ISOLATED.search(decoded(command)) is not None


def groups_of(doc: Mapping[str, Json]) -> list[dict[str, Any]]:
    """Return the SessionStart groups."""
    groups: list[dict[str, Any]] = doc.get("hooks", {}).get("SessionStart", [])
    return groups


def our_handler(entry: Json) -> tuple[int, Json]:
    """Return the first handler of ours in a group, and its index."""
    return next((index, handler) for index, handler in enumerate(entry["hooks"]) if _is_ours(handler))


def others_of(doc: Mapping[str, Json]) -> Json:
    """Return the content without our hooks: other keys, and other hooks by the position that Codex trusts."""
    hooks = doc.get("hooks", {})
    events = {name: entry for name, entry in hooks.items() if name != "SessionStart"}
    at = {
        f"{g}:{h}": [entry.get("matcher"), handler]
        for g, entry in enumerate(groups_of(doc))
        for h, handler in enumerate(entry.get("hooks", ()))
        if not _is_ours(handler) and handler != HANDLER_TOMBSTONE
    }
    return {"description": doc.get("description"), "events": events, "at": at}


def command_of(entry: Json | Absent) -> str | None:
    """Return the command of our hook in a group; None without one."""
    handlers = entry.get("hooks", ()) if isinstance(entry, dict) else ()
    return next((handler["command"] for handler in handlers if _is_ours(handler)), None)


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
    if not isinstance(hooks, dict):
        raise Unparseable("its `hooks` is not a JSON object")
    event = hooks.get("SessionStart", [])
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
    return (
        handler.get("type") == "command" and isinstance(command, str) and _OURS.search(decoded(command)) is not None
    )
