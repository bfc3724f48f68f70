"""The shapes of hooks that Codex refuses: one wrong handler anywhere, and it drops every hook of the file.

The real Codex confirms each in tests/codex/test_refusals.py (0.171).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

# Codex ignores an event of another name, whatever stands there.
EVENTS: Final = (
    *("PreModelRequest", "PostModelRequest", "PreToolUse", "PostToolUse", "PermissionRequest", "PreCompact"),
    *("PostCompact", "SessionStart", "SessionEnd", "UserPromptSubmit", "SubagentStart", "SubagentStop", "Stop"),
    "Interrupt",
)
_LARGEST: Final = 2**64 - 1
_Test = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _or_null(test: _Test) -> _Test:
    return lambda value: value is None or test(value)


# type -> key -> whether it must be there, its form, and the form in words. Other keys are ignored.
_KEYS: Final[Mapping[str, Mapping[str, tuple[bool, _Test, str]]]] = {
    "command": {
        "command": (True, _is_text, "a text"),
        "timeout": (False, _or_null(_is_count), "a whole number of seconds"),
        "async": (False, _is_bool, "true or false"),
        "statusMessage": (False, _or_null(_is_text), "a text"),
        "commandWindows": (False, _or_null(_is_text), "a text"),
        "command_windows": (False, _or_null(_is_text), "a text"),
        "additionalContextLimit": (False, _or_null(_is_count), "a whole number"),
    },
    "mcp_tool": {
        "server": (True, _is_text, "a text"),
        "tool": (True, _is_text, "a text"),
        "input": (False, lambda value: isinstance(value, Mapping), "a table"),
    },
    "prompt": {},
    "agent": {},
}


def hooks_flaw(events: Any) -> str:
    """Return the first flaw for which Codex drops all of these hooks, in a clause without values; "" for none.

    events  the value of `hooks`, in hooks.json or config.toml: groups of handlers by the name of their event
    """
    if not isinstance(events, Mapping):
        return ""
    return next((flaw for event in EVENTS if event in events for flaw in _event_flaws(event, events[event])), "")


def _event_flaws(event: str, groups: Any) -> Iterator[str]:
    if not isinstance(groups, list):
        yield f"{event} must be a list of groups"
        return
    for index, group in enumerate(groups):
        place = f"{event}[{index}]"
        if not isinstance(group, Mapping):
            yield f"{place} must be a group, with `hooks`"
            continue
        if not isinstance(group.get("matcher"), str | None):
            yield f"{place}.matcher must be a text"
        handlers = group.get("hooks", [])
        if not isinstance(handlers, list):
            yield f"{place}.hooks must be a list of handlers"
            continue
        for at, handler in enumerate(handlers):
            yield from _handler_flaws(f"{place}.hooks[{at}]", handler)


def _handler_flaws(place: str, handler: Any) -> Iterator[str]:
    if not isinstance(handler, Mapping):
        yield f"{place} must be a handler, with `type`"
        return
    kind = handler.get("type")
    keys = _KEYS.get(kind) if isinstance(kind, str) else None
    if keys is None:
        yield f"{place}.type must be one of {', '.join(_KEYS)}"
        return
    for name, (required, is_right, form) in keys.items():
        if required and name not in handler:
            yield f"{place} has no `{name}`"
        elif name in handler and not is_right(handler[name]):
            yield f"{place}.{name} must be {form}"
    if {"commandWindows", "command_windows"} <= handler.keys():
        yield f"{place} has commandWindows twice"
