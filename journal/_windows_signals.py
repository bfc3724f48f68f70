"""Signals held back by a handler of ours, since Windows has no mask; the first of them arrives in the end."""

from __future__ import annotations

import sys

assert sys.platform == "win32"  # noqa: S101 - mypy leaves the rest out elsewhere

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeAlias

_Handler: TypeAlias = Callable[[int, FrameType | None], object] | int
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)


class WindowsSignalMask:
    """The handlers of the process, which run in the main thread alone; both methods may be repeated."""

    def __init__(self) -> None:
        self._former: dict[int, _Handler] = {}
        self._pending: list[int] = []

    def block(self) -> None:
        """Hold SIGINT (^C), SIGBREAK and SIGTERM back."""
        if self._former or threading.current_thread() is not threading.main_thread():
            return
        for number in _ENDING:
            if (handler := signal.getsignal(number)) is not None:  # None: not one that Python can install again
                self._former[number] = handler
                signal.signal(number, self._hold)

    def restore(self) -> None:
        """Restore the handlers from before `block`."""
        former, self._former = self._former, {}
        pending, self._pending = self._pending, []
        for number, handler in former.items():
            signal.signal(number, handler)
        if pending:
            signal.raise_signal(pending[0])

    def _hold(self, number: int, _frame: FrameType | None) -> None:
        self._pending.append(number)
