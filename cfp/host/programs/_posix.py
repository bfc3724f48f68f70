"""A program on POSIX: a file that this user may run."""

from __future__ import annotations

import os
from pathlib import Path


def is_program(path: Path) -> bool:
    """Whether the file is there and executable."""
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except OSError:
        return False
