"""The variables of a user's programs on each system: those that every one needs, and the user's own folder."""

from __future__ import annotations

import os

# The variables without which a program does not start at all.
NOTHING = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}


def of_user(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Return the environment of a user whose folder it is: HOME on POSIX, USERPROFILE on Windows."""
    return {"HOME": os.fspath(folder), "USERPROFILE": os.fspath(folder)}
