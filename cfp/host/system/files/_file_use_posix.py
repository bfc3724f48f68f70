"""Reading a file where no program can keep another one from it (POSIX)."""

from __future__ import annotations

from pathlib import Path


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file. Raises OSError."""
    return path.read_bytes()


def holders(_path: Path) -> tuple[str, ...]:
    """Return the programs that keep a file to themselves: none here."""
    return ()
