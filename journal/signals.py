"""A mask for the signals that would end the program between the first swap and the decision.

Blocked signals stay pending and arrive when the former mask is restored, milliseconds later. SIGKILL cannot be
blocked; recovery handles it.
"""

from __future__ import annotations

import signal
import sys


class SignalMask:
    """The signal mask of the calling thread; both methods may be repeated."""

    def __init__(self) -> None:
        self._former: set[signal.Signals | int] | None = None

    def block(self) -> None:
        """Block SIGINT, SIGTERM and SIGHUP where the system can (POSIX)."""
        if sys.platform != "win32" and self._former is None:
            signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
            self._former = set(signal.pthread_sigmask(signal.SIG_BLOCK, signals))

    def restore(self) -> None:
        """Restore the mask from before `block`."""
        if sys.platform != "win32" and self._former is not None:
            former, self._former = self._former, None
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
