"""Systems that do not report the owner of a TCP socket to an ordinary user, as macOS; `doctor` says so."""

from __future__ import annotations

import os
import sys

assert sys.platform != "win32"  # noqa: S101  mypy then leaves this file out for Windows

TYPE_CHECKING = False  # see the package
if TYPE_CHECKING:
    from collections.abc import Callable

    from cfp.socket_owner import Address, OwnerLookup, User


def lookups() -> tuple[Callable[[], OwnerLookup], ...]:
    return ()


def listener_users(address: Address) -> set[User]:  # noqa: ARG001  the name and the arguments are those of other systems
    return set()


def own_user() -> User:
    return os.getuid()


def user_name(user: User) -> str:
    return f"uid {user}"
