"""Files that another program keeps to itself: an editor, a virus scanner or a sync program on Windows.

read_bytes     reads a file; raises FileInUse where another program has it open and does not share it
holders        names the programs that have it open, as far as the system tells
refusal        says so to the user
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from cfp.errors import Refused

if sys.platform == "win32":
    from cfp.host.system.files._file_use_windows import holders, read_bytes
else:
    from cfp.host.system.files._file_use_posix import holders, read_bytes

__all__ = ["IN_USE", "holders", "read_bytes", "refusal"]

IN_USE: Final = "another program has it open and does not share it"


def refusal(path: Path) -> Refused:
    """Return the refusal for a file that stayed in use, with the names of the programs."""
    names = holders(path)
    holder = ", ".join(names) or "a program that the system does not name"
    return Refused("file_in_use", path=str(path), holder=holder)
