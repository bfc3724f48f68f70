"""Hold back the signals that would end the program between the first swap and its decision.

They stay pending and arrive when `release` is called: milliseconds later. SIGKILL cannot be held, and need not be.
"""

from __future__ import annotations

import signal


class Hold:
    """The held signals of the calling thread; both methods may be called again at any time."""

    def __init__(self) -> None:
        self._former: set[signal.Signals | int] | None = None

    def hold(self) -> None:
        if self._former is None and hasattr(signal, "pthread_sigmask"):
            held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
            self._former = set(signal.pthread_sigmask(signal.SIG_BLOCK, held))

    def release(self) -> None:
        if self._former is not None:
            former, self._former = self._former, None
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
