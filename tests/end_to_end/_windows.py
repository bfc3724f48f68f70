"""The machine of the tests on Windows."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

SESSION: dict[str, Any] = {}
DETACHED = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
ECHO = ("cmd", "/c", "echo")  # a part of the shell, not a program
KILLED = int(signal.SIGTERM)  # the exit code of a program that psutil has ended by TerminateProcess

# Without the first no program finds its libraries; the others say what a program is and where its data are.
_KEPT = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERNAME", "NUMBER_OF_PROCESSORS", "OS")


def shell(home: Path, temporary: Path) -> dict[str, str]:
    """The environment of a shell whose user has this Codex home, but for PATH.

    Codex asks Windows for the user's folder, not USERPROFILE: only CODEX_HOME leads it into a temporary folder.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    user = {"USERPROFILE": str(home.parent), "CODEX_HOME": str(home)}
    data = {"APPDATA": "Roaming", "LOCALAPPDATA": "Local"}
    places = {name: str(home.parent / "AppData" / folder) for name, folder in data.items()}
    return {**kept, **user, **places, "TEMP": str(temporary), "TMP": str(temporary)}


def end_tree(process: subprocess.Popen[str]) -> None:
    """Kill a program and what it has started."""
    tree = [process.pid]
    with suppress(psutil.Error):
        tree += [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    for pid in tree:
        with suppress(psutil.Error):
            psutil.Process(pid).kill()
