"""A program on Windows: a file with an ending of PATHEXT, outside of the folders that only Windows may start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_ENDINGS: Final = (".com", ".exe", ".bat", ".cmd")  # of PATHEXT, what a process can be made of
_STORE: Final = "windowsapps"


def names_of(name: str, environ: Mapping[str, str]) -> list[str]:
    """Return the file names that a program's name stands for, in the order of PATHEXT."""
    listed = [ending.strip().lower() for ending in environ.get("PATHEXT", "").split(";")]
    endings = [ending for ending in listed if ending in _ENDINGS] or list(_ENDINGS)
    return [name] if name.lower().endswith(tuple(endings)) else [f"{name}{ending}" for ending in endings]


def is_program(path: Path) -> bool:
    """Whether the file is there, and no program of the Store.

    Those lie in two folders named WindowsApps. The one in Program Files denies other programs the start. The one in
    the user's folder holds aliases, links of 0 bytes that may open an App's window in place of its command line.
    """
    if any(part.lower() == _STORE for part in path.parts):
        return False
    try:
        return path.is_file()
    except OSError:
        return False
