"""The place of a home on Linux and macOS: only inside Windows (WSL) is there more to say than its path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cfp.host.system.ownership import file_system_of
from cfp.layout import home_of_user
from cfp.places import WINDOWS_DRIVES, Place

_KERNEL: Final = Path("/proc/sys/kernel/osrelease")
_MOUNTS: Final = Path("/proc/self/mounts")


def read_place(home: Path, *, kernel: Path = _KERNEL) -> Place:
    """Read the place of a home. kernel: the file with the name of the running Linux."""
    if not _is_wsl(kernel):
        return Place(path=str(home))
    return Place(path=os.path.realpath(home), system="wsl", file_system=file_system_of(home))


def homes_beside(*, kernel: Path = _KERNEL, mounts: Path = _MOUNTS) -> tuple[str, ...]:
    """Return the Codex homes of Windows beside this WSL: those of every user whose folder may be listed."""
    if not _is_wsl(kernel):
        return ()
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ()
    fields = [[*line.split(" "), "", ""][:3] for line in lines]
    drives = [Path(_unescaped(folder)) for source, folder, kind in fields if kind in WINDOWS_DRIVES and ":" in source]
    return tuple(home for drive in drives for home in _homes_in(drive / "Users"))


def _is_wsl(kernel: Path) -> bool:
    """Whether this Linux runs inside Windows: its kernel is Microsoft's, in WSL 1 as in WSL 2."""
    try:
        return "microsoft" in kernel.read_text(encoding="ascii", errors="replace").lower()
    except OSError:
        return False


def _unescaped(folder: str) -> str:
    """Return a folder of /proc/mounts with its blanks, which are written in octal there (fstab(5))."""
    return folder.replace("\\040", " ").replace("\\134", "\\")


def _homes_in(users: Path) -> list[str]:
    try:
        names = sorted(os.listdir(users))
    except OSError:
        return []
    homes = (home_of_user(users / name) for name in names)
    return [str(home) for home in homes if _is_folder(home)]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # another user's
        return False
