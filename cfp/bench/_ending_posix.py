"""The end of a turn's Codex on Linux and macOS, and of all that it has started."""

from __future__ import annotations

import os
import signal
from contextlib import suppress


def end_tree(pid: int) -> None:
    """Kill a process and its group: the npm package is a script that starts the real program."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
