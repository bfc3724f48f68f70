"""macOS only: the user at the other end of a Unix socket."""

from __future__ import annotations

import struct
from typing import Final, Protocol

# <sys/un.h> and <sys/ucred.h>: LOCAL_PEERCRED at level SOL_LOCAL gives struct xucred, whose first word is its version
# and whose second is the uid: version, uid, the number of groups (padded), and 16 groups.
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1
_XUCRED: Final = struct.Struct("=IIh2x16I")
_XUCRED_VERSION: Final = 0


class _Connection(Protocol):
    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


def peer_uid(connection: _Connection) -> int:
    """Return the user of the process at the other end. Raises OSError where the kernel has no answer."""
    credentials = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
    if len(credentials) < struct.calcsize("=II"):
        raise OSError("the kernel reports no user")
    version, uid = struct.unpack_from("=II", credentials)
    if version != _XUCRED_VERSION:
        raise OSError(f"struct xucred has version {version}, which this program does not know")
    return int(uid)
