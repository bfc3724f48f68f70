"""The user who owns the other end of a loopback TCP connection, read from the kernel.

The worker checks its clients by it, and the commands and the SessionStart hook the program that answers at the
proxy's port: any user of the machine can listen there and copy a health answer, but not own a socket as another user.

Linux reports the owner by sock_diag (netlink): one exchange with the kernel, 10 us. /proc/net/tcp is read where that
is not permitted. Other systems do not report it, which is what `doctor` then says.

The no-op path of the SessionStart hook imports this: standard library only, nothing heavier than struct. `_socket` is
the part of `socket` that is compiled; the rest makes enumerations, which costs the hook 5 ms.
"""

from __future__ import annotations

import _socket
import os
import struct
import sys

TYPE_CHECKING = False  # importing typing would cost the hook more than this module does
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeAlias

    Address: TypeAlias = tuple[str, int]

    class OwnerLookup(Protocol):
        """One way to find the owner; `name` stands in the health report."""

        name: str

        def owner(self, peer: Address, ours: Address) -> int | None:
            """Return the uid that owns the peer's end; None where its socket is gone. Raises OSError."""

        def close(self) -> None: ...


_AF_NETLINK = 16  # include/linux/socket.h; the module _socket has the name on Linux only
_DIAG_REQUEST = 20
_NLMSG_ERROR = 2
_NO_SUCH_SOCKET = 2  # ENOENT
_TIME_WAIT = 6
_LISTEN = "0A"  # include/net/tcp_states.h
_ALL_STATES = 0xFFFFFFFF
_V4_MAPPED = b"\0" * 10 + b"\xff\xff"


class SockDiag:
    """The lookup by sock_diag: struct inet_diag_req_v2 and inet_diag_msg of linux/inet_diag.h."""

    name = "sock_diag"

    def __init__(self) -> None:
        self._socket = _socket.socket(_AF_NETLINK, _socket.SOCK_DGRAM, 4)
        self._socket.settimeout(1.0)
        self._socket.connect((0, 0))
        self._is_proven = False

    def owner(self, peer: Address, ours: Address) -> int | None:
        family, source = _packed(peer[0])
        _, target = _packed(ours[0])
        ports = struct.pack("!HH", peer[1], ours[1])
        identity = ports + source.ljust(16, b"\0") + target.ljust(16, b"\0") + struct.pack("=I", 0) + b"\xff" * 8
        request = struct.pack("=BBBxI", family, _socket.IPPROTO_TCP, 0, _ALL_STATES) + identity
        self._socket.send(struct.pack("=IHHII", 16 + len(request), _DIAG_REQUEST, 1, 0, 0) + request)
        message = self._socket.recv(4096)
        kind = struct.unpack_from("=H", message, 4)[0]
        if kind == _NLMSG_ERROR:
            number = -struct.unpack_from("=i", message, 16)[0]
            if number == _NO_SUCH_SOCKET and (self._is_proven or ProcTable().owner(peer, ours) is None):
                return None
            raise OSError(number, os.strerror(number))  # a kernel without tcp_diag knows no socket at all
        self._is_proven = True
        state = message[16 + 1]
        uid, inode = struct.unpack_from("=II", message, 16 + 4 + 48 + 12)
        # A socket without an inode has no owner any more; the kernel then reports uid 0.
        return None if state == _TIME_WAIT or inode == 0 else int(uid)

    def close(self) -> None:
        self._socket.close()


class ProcTable:
    """The lookup in /proc/net/tcp and tcp6: slower with many sockets, but always permitted."""

    name = "proc_net_tcp"

    def owner(self, peer: Address, ours: Address) -> int | None:
        family, source = _packed(peer[0])
        _, target = _packed(ours[0])
        table = "/proc/net/tcp6" if family == _socket.AF_INET6 else "/proc/net/tcp"
        ends = [f"{_hex(source)}:{peer[1]:04X}", f"{_hex(target)}:{ours[1]:04X}"]
        for fields in _rows(table):
            if fields[1:3] == ends:
                return None if fields[9] == "0" else int(fields[7])
        return None

    def close(self) -> None:
        """Do nothing: the table is opened for each lookup."""


def lookups() -> tuple[Callable[[], OwnerLookup], ...]:
    """Return the ways of this system, the best first; none where it does not report the owner."""
    return (SockDiag, ProcTable) if sys.platform == "linux" else ()


def own_uid() -> int:
    """Return the uid that a socket of ours has; 0 where no lookup is possible."""
    return os.getuid() if sys.platform == "linux" else 0


def peer_uid(peer: Address, ours: Address) -> int | None:
    """Return the uid of the peer's end of an open connection; None where the peer has closed it.

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


def listener_uids(address: Address) -> set[int]:
    """Return the owners of all listeners that a connection to this address can reach; empty where none is listed."""
    family, host = _packed(address[0])
    local = {_hex(host), _hex(bytes(16))}
    if family == _socket.AF_INET:
        local |= {_hex(bytes(4)), _hex(_V4_MAPPED + host)}
    uids = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for fields in _rows(table):
            name, _, port = fields[1].partition(":")
            if fields[3] == _LISTEN and name in local and int(port, 16) == address[1]:
                uids.add(int(fields[7]))
    return uids


def _rows(table: str) -> list[list[str]]:
    """Return the fields of each line of a table of /proc/net; none where there is no such table."""
    try:
        with open(table, encoding="ascii") as file:  # noqa: PTH123  pathlib costs the hook 5 ms
            return [line.split() for line in file.readlines()[1:]]
    except FileNotFoundError:  # a system without IPv6
        return []


def _packed(host: str) -> tuple[int, bytes]:
    family = _socket.AF_INET6 if ":" in host else _socket.AF_INET
    address = _socket.inet_pton(family, host.partition("%")[0])
    return (_socket.AF_INET, address[12:]) if address[:12] == _V4_MAPPED else (family, address)


def _hex(address: bytes) -> str:
    """Return an address in the kernel's spelling: 32-bit words in the machine's byte order."""
    words = (address[at : at + 4] for at in range(0, len(address), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
