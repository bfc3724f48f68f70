"""The last requests, in memory: their log lines, and who wants to hear of new ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from cfp.proxy.telemetry.log_lines import LogLine

MOST: Final = 200

Listener: TypeAlias = Callable[[list[dict[str, Any]]], None]


class RecentRequests:
    """Holds what the log was given, also where the disk took nothing. Everything here runs on the event loop."""

    def __init__(self) -> None:
        self._lines: deque[LogLine] = deque(maxlen=MOST)
        self._listeners: list[Listener] = []

    def add(self, lines: Sequence[LogLine]) -> None:
        """Take lines in the order of their requests' ends."""
        newest = lines[-MOST:]
        self._lines.extend(newest)
        if self._listeners and newest:
            told = [line.to_json() for line in newest]
            for listener in list(self._listeners):
                listener(told)

    def lines(self) -> list[dict[str, Any]]:
        """The fields of each request's log line, the newest last."""
        return [line.to_json() for line in self._lines]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call it with each batch of new lines until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
