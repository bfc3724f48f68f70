"""Signals held back by the signal mask of POSIX; all of them arrive in the end."""

from __future__ import annotations

import signal
import sys

assert sys.platform != "win32"  # noqa: S101 - for mypy, which checks this file for POSIX alone


class PosixSignalMask:
    """The signal mask of the calling thread; both methods may be repeated."""

    def __init__(self) -> None:
        self._former: set[signal.Signals | int] | None = None

    def block(self) -> None:
        """Block SIGINT, SIGTERM and SIGHUP."""
        if self._former is None:
            signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
            self._former = set(signal.pthread_sigmask(signal.SIG_BLOCK, signals))

    def restore(self) -> None:
        """Restore the mask from before `block`."""
        if self._former is not None:
            former, self._former = self._former, None
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
