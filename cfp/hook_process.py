"""The SessionStart hook as a process: whatever becomes of it, it ends in time and with one answer.

Codex waits for the hook before it sends the session's first message, 10 s at most, and sends it whatever became of
the hook: exit codes, tracebacks and a killed process stop nothing. So every end of the hook passes here.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TextIO

from cfp import signals
from cfp.hook import answer_of_last_resort
from cfp.messages.diagnoses import HOOK_STOPS

LIMIT_S = 8.5  # the rest of Codex's 10 s is for a loaded machine, and for one look at the port


class _Answer:
    """The one answer of a hook: the first of two threads gives it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def give(self, text: str) -> bool:
        """Write the answer; return whether it was the first."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:  # Codex has gone
            return True
        return True


def run_hook(
    words: Sequence[str],
    out: TextIO | None = None,
    run: Callable[[Sequence[str], TextIO], object] | None = None,
    *,
    limit: float = LIMIT_S,
    leave: Callable[[int], object] = os._exit,
) -> int:
    """Run the hook's command line within its time and return 0; `leave` ends the process where time is up."""
    signals.listen()
    answer = _Answer(out or sys.stdout)

    def end() -> None:
        if answer.give(answer_of_last_resort(words, HOOK_STOPS["stop_out_of_time"], os.environ)):
            leave(0)

    watchdog = threading.Timer(limit, end)
    watchdog.daemon = True
    watchdog.start()
    buffer = io.StringIO()
    try:
        (run or _command_line)(words, buffer)
        text = buffer.getvalue()
    except BaseException as error:  # noqa: BLE001  whatever it is, Codex would send the message
        reason = HOOK_STOPS["stop_unchecked"].filled({"error": f"{type(error).__name__}: {error}."})
        text = answer_of_last_resort(words, reason, os.environ)
    answer.give(text)
    watchdog.cancel()
    return 0


def _command_line(words: Sequence[str], out: TextIO) -> None:
    from cfp.cli import Streams, main  # noqa: PLC0415  a broken installation fails here, within the try

    main(words, os.environ, Streams(out=out, err=sys.stderr))
