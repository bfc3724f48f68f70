"""The owner of a folder on Windows: the account in its security descriptor."""

from __future__ import annotations

import sys
from pathlib import Path

from cfp.core.access.readers import owner_of
from cfp.core.ownership import Ownership, ownership_by_account

assert sys.platform == "win32"  # noqa: S101  for mypy, which checks this file for Windows alone


def account_ownership(folder: Path) -> Ownership:
    """Read the owner of a folder; it is unknown where the folder is missing or does not show its descriptor."""
    from cfp.socket_owner import _windows as sockets  # noqa: PLC0415  ctypes is for commands that look
    from journal import _private_windows as system  # noqa: PLC0415

    try:
        owner = owner_of(system.read_descriptor(folder))
    except OSError:
        return Ownership(path=str(folder))
    return ownership_by_account(str(folder), str(sockets.own_user()), owner, sockets.account_name)
