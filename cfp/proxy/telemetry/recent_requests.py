"""The log lines of the newest requests, in memory, and subscriptions to new ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from cfp.proxy.telemetry.log_lines import LogLine

MAX_LINES: Final = 200

Listener: TypeAlias = Callable[[list[dict[str, Any]]], None]


class RecentRequests:
    """Keeps the newest log lines, even those that the disk did not take. Everything here runs on the event loop."""

    def __init__(self) -> None:
        self._lines: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._listeners: list[Listener] = []

    def add(self, lines: Sequence[LogLine]) -> None:
        """Append lines in the order in which their requests ended."""
        newest = lines[-MAX_LINES:]
        self._lines.extend(newest)
        if self._listeners and newest:
            rows = [line.to_json() for line in newest]
            for listener in list(self._listeners):
                listener(rows)

    def lines(self) -> list[dict[str, Any]]:
        """Return the fields of each line, the newest last."""
        return [line.to_json() for line in self._lines]

    def newest_first(self) -> Iterator[dict[str, Any]]:
        """Give the same, the newest first; a reader who stops early saves the rest."""
        return (line.to_json() for line in reversed(self._lines))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call the listener with each batch of new lines, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
