"""Reading a file where no program can keep another one from it (POSIX)."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from journal.private import read_from

LARGEST: Final = 32 << 20


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file of 32 MB at most. Raises OSError, also for what is no file."""
    with read_from(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST:
            raise OSError(errno.EFBIG, "it has more than 32 MB", str(path))
        return file.read(LARGEST)


def holders(_path: Path) -> tuple[str, ...]:
    """Return the programs that keep a file to themselves: none here."""
    return ()
