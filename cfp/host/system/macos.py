"""macOS only: the user at the other end of a Unix socket, and the variables that launchd gives to programs."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
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


def launchd_variables(names: Iterable[str], ask: Callable[[str], bytes] | None = None) -> frozenset[str]:
    """Return the names that launchd has a value for: `launchctl setenv` gives it one until the user signs out.

    ask  returns what `launchctl getenv NAME` prints: the value, which goes nowhere. Raises OSError.
    """
    ask = ask or _launchctl_getenv
    known = set()
    for name in names:
        try:
            if ask(name).strip():
                known.add(name)
        except OSError:
            continue
    return frozenset(known)


def _launchctl_getenv(name: str) -> bytes:
    import subprocess  # noqa: PLC0415 - the worker imports this module, and does not need that one

    words = ("/bin/launchctl", "getenv", name)
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False).stdout
    except subprocess.TimeoutExpired as error:
        raise OSError("launchctl does not answer") from error
