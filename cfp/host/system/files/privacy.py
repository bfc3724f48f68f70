"""Whether others than the user may read a file, and files that are made private again.

An earlier version made its files with the rights that the folder gives. Every command that writes makes them private.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cfp.host.system.ownership import entries
from journal.private import make_private

if sys.platform == "win32":
    from cfp.host.system.files._privacy_windows import readers
else:
    from cfp.host.system.files._privacy_posix import readers

__all__ = ["close_to_others", "open_to_others", "readers"]


def open_to_others(folders: Iterable[Path]) -> dict[Path, tuple[str, ...]]:
    """Return those of the folders, and of the files in them, that others may read, each with the others' names."""
    paths = (path for folder in folders for path in entries(folder))
    return {path: names for path in paths if (names := readers(path))}


def close_to_others(folders: Iterable[Path]) -> None:
    """Make private what others may read of the folders and the files in them; doctor names what could not be."""
    for path in open_to_others(folders):
        with suppress(OSError):
            make_private(path)
