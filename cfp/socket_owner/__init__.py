"""The user who owns the other end of a loopback TCP connection, read from the kernel.

The worker checks its clients by it, and the commands and the SessionStart hook the program that answers at the
proxy's port: any user of the machine can listen there and copy a health answer, but not own a socket as another user.

A user is a uid, on Windows a SID. There is a file for each system, with the same names:

lookups()                the ways to find the peer's user, the best first; none where the system does not report it
listener_users(address)  the users of all listeners that a connection to this address can reach
own_user()               the user that a socket of ours has
user_name(user)          that user in words

The no-op path of the SessionStart hook imports this: standard library only, nothing heavier than struct, and on
Windows ctypes for the question itself. `_socket` is the part of `socket` that is compiled; the rest makes
enumerations, which costs the hook 5 ms.
"""

from __future__ import annotations

import sys

if sys.platform == "linux":
    from cfp.socket_owner._linux import listener_users, lookups, own_user, user_name
elif sys.platform == "win32":
    from cfp.socket_owner._windows import listener_users, lookups, own_user, user_name
else:
    from cfp.socket_owner._unreported import listener_users, lookups, own_user, user_name

TYPE_CHECKING = False  # importing typing would cost the hook more than this module does
if TYPE_CHECKING:
    from typing import Protocol, TypeAlias

    Address: TypeAlias = tuple[str, int]
    User: TypeAlias = int | str

    class OwnerLookup(Protocol):
        """One way to find the owner; `name` stands in the health report."""

        name: str

        def owner(self, peer: Address, ours: Address) -> User | None:
            """Return the user who owns the peer's end; None where its socket is gone. Raises OSError."""

        def close(self) -> None: ...


__all__ = ["Address", "OwnerLookup", "User", "listener_users", "lookups", "own_user", "peer_user", "user_name"]


def peer_user(peer: Address, ours: Address) -> User | None:
    """Return the user of the peer's end of an open connection; None where the peer has closed it.

    Raises OSError where this system does not report it.
    """
    for make in lookups():
        try:
            lookup = make()
        except OSError:
            continue
        try:
            return lookup.owner(peer, ours)
        except OSError:
            continue
        finally:
            lookup.close()
    raise OSError("this system does not report the owner of a socket")
