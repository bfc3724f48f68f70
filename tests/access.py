"""The users who may use a file on this system: by its access list on Windows, by its mode elsewhere."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

if sys.platform == "win32":
    from journal._private_windows import descriptor_of, make_private, read_descriptor, set_access

    _EVERYONE = bytes.fromhex("010100000000000100000000")  # S-1-1-0; of all groups, Wine keeps this one alone

    def give_to_all(path: Path) -> None:
        """Let everybody read and write a file or folder."""
        set_access(path, descriptor_of("D:(A;OICI;FA;;;WD)"))

    def others_may_read(path: Path | str) -> bool:
        """Whether the access list has a right for everybody."""
        return _EVERYONE in read_descriptor(path)

    def rights(path: Path) -> object:
        """Return who may use a file or folder, to be compared."""
        return read_descriptor(path)

    def mode_of(path: Path | str) -> int:
        """Return the rights to a file as the mode that gives them on POSIX."""
        return stat.S_IMODE(os.lstat(path).st_mode) & (0o777 if others_may_read(path) else 0o700)

    def set_mode(path: Path, mode: int) -> None:
        """Give the rights that a mode gives on POSIX, as far as Windows has them."""
        path.chmod(mode)
        (give_to_all if mode & 0o077 else make_private)(path)

else:

    def give_to_all(path: Path) -> None:
        """Let everybody read and write a file or folder."""
        path.chmod(0o777 if path.is_dir() else 0o666)

    def others_may_read(path: Path | str) -> bool:
        """Whether the mode has a right for another user."""
        return bool(mode_of(path) & 0o077)

    def rights(path: Path) -> object:
        """Return who may use a file or folder, to be compared."""
        return mode_of(path)

    def mode_of(path: Path | str) -> int:
        """Return the mode of a file."""
        return stat.S_IMODE(os.lstat(path).st_mode)

    def set_mode(path: Path, mode: int) -> None:
        """Set the mode of a file, through links."""
        path.chmod(mode)
