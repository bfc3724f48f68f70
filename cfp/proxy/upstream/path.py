"""The path to the provider: whether a connection is still on it, and how the kernel notices that it is dead.

A machine that slept, or changed its network, has connections that no reset ever reaches. The kernel finds them by
probes where they are silent, and by a limit for bytes that are not acknowledged.
"""

from __future__ import annotations

import errno
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final, Protocol, TypeAlias

# The address of a socket as the system writes it: (host, port), with two more numbers for IPv6.
SocketAddress: TypeAlias = tuple[Any, ...]
Clock: TypeAlias = Callable[[], float]

# Parts of the time after which a peer counts as unreachable: a first probe after half of it, two more before its end.
# macOS has another name for the first option. A system has the options that Python names there.
_PROBES: Final = {"TCP_KEEPIDLE": 2, "TCP_KEEPALIVE": 2, "TCP_KEEPINTVL": 6}
_COUNT: Final = {"TCP_KEEPCNT": 3}
# The option that limits how long bytes stay unacknowledged, and its units in a second. Python names only Linux's.
_UNACKNOWLEDGED: Final = {
    "linux": (18, 1000),  # TCP_USER_TIMEOUT, linux/tcp.h
    "darwin": (0x80, 1),  # TCP_RXT_CONNDROPTIME, netinet/tcp.h
    "win32": (5, 1),  # TCP_MAXRT, ws2ipdef.h
}


class Adjustable(Protocol):
    """A socket, or asyncio's view of one."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None: ...


def end_when_unreachable(sock: Adjustable, seconds: int) -> None:
    """Let the kernel end a connection whose peer cannot be reached for so long; a system may lack some options."""
    for option in _options(seconds):
        with suppress(OSError):
            sock.setsockopt(*option)


@cache
def _options(seconds: int) -> Sequence[tuple[int, int, int]]:
    values = {name: max(1, seconds // part) for name, part in _PROBES.items()} | _COUNT
    tcp = [(getattr(socket, name), value) for name, value in values.items() if hasattr(socket, name)]
    if sys.platform in _UNACKNOWLEDGED:
        option, units = _UNACKNOWLEDGED[sys.platform]
        tcp.append((option, seconds * units))
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *((socket.IPPROTO_TCP, *each) for each in tcp)]


def _boot_clock() -> Clock:
    clock: Clock = time.monotonic  # Windows' counts sleep
    if sys.platform != "win32":
        clock = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
    return clock


# Seconds that also pass while the machine sleeps: Linux's monotonic clock stops, and so does Python's on macOS.
boot_clock: Final = _boot_clock()


def source_address(peer: SocketAddress) -> str | None:
    """Return the local address of a new connection to this peer; None where there would be none. Nothing is sent."""
    try:
        with _datagram_socket(peer) as sock:
            sock.connect(peer)
            return str(sock.getsockname()[0])
    except OSError:
        return None


def is_own_address(local: SocketAddress) -> bool:
    """Whether this machine still has the address, as far as can be seen: there may be no descriptor left to look."""
    try:
        with _datagram_socket(local) as sock:
            sock.bind((local[0], 0, *local[2:]))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


def _datagram_socket(address: SocketAddress) -> socket.socket:
    return socket.socket(socket.AF_INET6 if len(address) == 4 else socket.AF_INET, socket.SOCK_DGRAM)
