"""The machine of the tests on Linux and macOS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

assert sys.platform != "win32"
ECHO = ("echo",)
DETACHED = {"start_new_session": True}
SESSION: dict[str, Any] = DETACHED  # a group of its own, which can be ended as one
KILLED = -signal.SIGKILL  # the exit code of a program that psutil has killed


def shell(home: Path, temporary: Path) -> dict[str, str]:
    """The environment of a shell whose user has this Codex home, but for PATH."""
    return {"HOME": str(home.parent), "USERPROFILE": str(home.parent), "LANG": "C.UTF-8", "TMPDIR": str(temporary)}


def end_tree(process: subprocess.Popen[str]) -> None:
    """Kill a program and what it has started."""
    os.killpg(process.pid, signal.SIGKILL)
