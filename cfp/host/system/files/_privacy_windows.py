"""The others who may read a file, by its access list (Windows)."""

from __future__ import annotations

import sys
from pathlib import Path

from cfp.core.access.readers import name_of
from cfp.core.access.readers import readers as others

assert sys.platform == "win32"  # noqa: S101  for mypy, which checks this file for Windows alone


def readers(path: Path) -> tuple[str, ...]:
    """Return the names of the others who may read a file, or list a folder and pass that right on to new files."""
    from journal import _private_windows as system  # noqa: PLC0415  ctypes is for commands that look

    try:
        return tuple(name_of(sid) for sid in others(system.read_descriptor(path), system.user_sid()))
    except OSError:
        return ()
