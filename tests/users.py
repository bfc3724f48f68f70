"""The variables that name a user's own folder, as programs of each system read them."""

from __future__ import annotations

import os


def of_user(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Return the environment of a user whose folder it is: HOME on POSIX, USERPROFILE on Windows."""
    return {"HOME": os.fspath(folder), "USERPROFILE": os.fspath(folder)}
