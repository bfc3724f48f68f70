"""Finds the Codex CLI: by PATH, and where Windows' installers put it beside PATH.

An App's own environment, and a terminal older than the install, lack the folder in PATH. Each place was reported by
users of that way to install (2026).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

from cfp.host.programs.npm import native_program
from cfp.host.programs.search import candidates

_ON_WINDOWS = sys.platform == "win32"
# winget keeps the name of the archive's file.
_NAME: Final = re.compile(r"codex(-(x86_64|aarch64)-pc-windows-msvc)?")
_OF_WINGET: Final = ("codex.exe", "codex-x86_64-pc-windows-msvc.exe", "codex-aarch64-pc-windows-msvc.exe")


def is_codex(name: str) -> bool:
    """Whether a program's name, without its ending, is that of the Codex CLI."""
    return _NAME.fullmatch(name.lower()) is not None


def find_codex_program(environ: Mapping[str, str], *, windows: bool = _ON_WINDOWS) -> Path | None:
    """Return the CLI, None where there is none; on Windows the real program in place of the script of npm."""
    on_path = candidates("codex", environ, windows=windows)
    if not windows:
        return next(on_path, None)
    return next((native_program(path) or path for path in chain(on_path, _elsewhere(environ))), None)


def _elsewhere(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the CLI of npm, of the installer, of winget, and the copy that the Codex App makes of its own."""
    roaming, local = environ.get("APPDATA"), environ.get("LOCALAPPDATA")
    if roaming:
        yield from _there(Path(roaming) / "npm" / "codex.cmd")
    if local:
        yield from _there(Path(local) / "Programs" / "OpenAI" / "Codex" / "bin" / "codex.exe")
        winget = Path(local) / "Microsoft" / "WinGet"
        for folder in (winget / "Links", *sorted((winget / "Packages").glob("OpenAI.Codex_*"))):
            yield from _there(*(folder / name for name in _OF_WINGET))
        app = Path(local) / "OpenAI" / "Codex" / "bin"
        yield from _there(app / "codex.exe")
        yield from sorted(app.glob("*/codex.exe"), key=_time, reverse=True)  # a folder for each version of the App


def _there(*paths: Path) -> Iterator[Path]:
    return (path for path in paths if path.is_file())


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
