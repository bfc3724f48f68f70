"""A message for users, and the words that several tables of messages share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

CLI: Final = "codex-fast-proxy"
RESTART: Final = "Restart the Codex App and return to the conversation, or open a new CLI process."


class Message(NamedTuple):
    """One sentence and one next action; an empty action means that there is nothing to do.

    Both may have placeholders, which `filled` fills.
    """

    sentence: str
    action: str = ""

    def filled(self, details: Mapping[str, Any]) -> Message:
        """Return the message with its placeholders filled from the details of an error or a report's values."""
        values = _Blank({name: _plain(value) for name, value in details.items()})
        return Message(self.sentence.format_map(values), self.action.format_map(values))


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"(no {key})"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
