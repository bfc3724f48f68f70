"""The others who may read a file, by the modes of the file and of the folders above it (POSIX)."""

from __future__ import annotations

import stat
from pathlib import Path


def readers(path: Path) -> tuple[str, ...]:
    """Return "Everyone" where any user may read the file; () for a folder or a link, whose names are no secret.

    A right of the file's group alone does not count: most systems give each user a group of their own.
    """
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) or not mode & stat.S_IROTH:
            return ()
        reachable = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    except OSError:
        return ()
    return ("Everyone",) if reachable else ()
