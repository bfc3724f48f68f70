"""The owner of a socket on Linux, by sock_diag (netlink): one exchange with the kernel, 10 us.

/proc/net/tcp is read where that is not permitted.
"""

from __future__ import annotations

import _socket
import os
import struct
import sys

from cfp.socket_owner._addresses import packed, reached

assert sys.platform == "linux"  # noqa: S101  mypy then leaves this file out for other systems

TYPE_CHECKING = False  # see the package
if TYPE_CHECKING:
    from collections.abc import Callable

    from cfp.socket_owner import Address, OwnerLookup, User

_AF_NETLINK = 16  # include/linux/socket.h; the stubs of the module _socket do not have the name
_DIAG_REQUEST = 20
_NLMSG_ERROR = 2
_NO_SUCH_SOCKET = 2  # ENOENT
_TIME_WAIT = 6
_LISTEN = "0A"  # include/net/tcp_states.h
_ALL_STATES = 0xFFFFFFFF


class SockDiag:
    """The lookup by sock_diag: struct inet_diag_req_v2 and inet_diag_msg of linux/inet_diag.h."""

    name = "sock_diag"

    def __init__(self) -> None:
        self._socket = _socket.socket(_AF_NETLINK, _socket.SOCK_DGRAM, 4)
        self._socket.settimeout(1.0)
        self._socket.connect((0, 0))
        self._is_proven = False

    def owner(self, peer: Address, ours: Address) -> int | None:
        family, source = packed(peer[0])
        _, target = packed(ours[0])
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
        family, source = packed(peer[0])
        _, target = packed(ours[0])
        table = "/proc/net/tcp6" if family == _socket.AF_INET6 else "/proc/net/tcp"
        ends = [f"{_hex(source)}:{peer[1]:04X}", f"{_hex(target)}:{ours[1]:04X}"]
        for fields in _rows(table):
            if fields[1:3] == ends:
                return None if fields[9] == "0" else int(fields[7])
        return None

    def close(self) -> None:
        """Do nothing: the table is opened for each lookup."""


def lookups() -> tuple[Callable[[], OwnerLookup], ...]:
    return (SockDiag, ProcTable)


def own_user() -> User:
    return os.getuid()


def user_name(user: User) -> str:
    return f"uid {user}"


def listener_users(address: Address) -> set[User]:
    local = {_hex(host) for host in reached(address[0])}
    users: set[User] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for fields in _rows(table):
            name, _, port = fields[1].partition(":")
            if fields[3] == _LISTEN and name in local and int(port, 16) == address[1]:
                users.add(int(fields[7]))
    return users


def _rows(table: str) -> list[list[str]]:
    """Return the fields of each line of a table of /proc/net; none where there is no such table."""
    try:
        with open(table, encoding="ascii") as file:  # noqa: PTH123  pathlib costs the hook 5 ms
            return [line.split() for line in file.readlines()[1:]]
    except FileNotFoundError:  # a system without IPv6
        return []


def _hex(address: bytes) -> str:
    """Return an address in the kernel's spelling: 32-bit words in the machine's byte order."""
    words = (address[at : at + 4] for at in range(0, len(address), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
