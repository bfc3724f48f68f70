"""The end of a turn's Codex on Windows, and of all that it has started."""

from __future__ import annotations

from contextlib import suppress

import psutil


def end_tree(pid: int) -> None:
    """Kill a process and its children: `codex.cmd` is a script that starts the real program."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        tree = [process, *process.children(recursive=True)]
        for one in tree:
            with suppress(psutil.Error):
                one.kill()
