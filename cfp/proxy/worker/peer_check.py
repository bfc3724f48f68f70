"""The owner of a loopback connection's other end: another user of the machine must not spend the API key.

Linux reports it by sock_diag (netlink): one exchange with the kernel, 10 us. /proc/net/tcp is read where that is not
permitted. Other systems do not report it, which is what `doctor` then says.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, TypeAlias

Address: TypeAlias = tuple[str, int]

_DIAG_REQUEST: Final = 20
_NLMSG_ERROR: Final = 2
_TIME_WAIT: Final = 6
_ALL_STATES: Final = 0xFFFFFFFF
_V4_MAPPED: Final = b"\0" * 10 + b"\xff\xff"


class PeerCheck(Protocol):
    """One way to find the owner; `name` stands in the health report."""

    name: str

    def owner(self, peer: Address, ours: Address) -> int | None:
        """Return the uid that owns the peer's end; None where its socket is gone. Raises OSError."""

    def close(self) -> None: ...


class SockDiag:
    """The check by sock_diag: struct inet_diag_req_v2 and inet_diag_msg of linux/inet_diag.h."""

    name = "sock_diag"

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4)
        self._socket.settimeout(1.0)
        self._socket.connect((0, 0))

    def owner(self, peer: Address, ours: Address) -> int | None:
        family, source = _packed(peer[0])
        _, target = _packed(ours[0])
        ports = struct.pack("!HH", peer[1], ours[1])
        identity = ports + source.ljust(16, b"\0") + target.ljust(16, b"\0") + struct.pack("=I", 0) + b"\xff" * 8
        request = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, _ALL_STATES) + identity
        self._socket.send(struct.pack("=IHHII", 16 + len(request), _DIAG_REQUEST, 1, 0, 0) + request)
        message = self._socket.recv(4096)
        kind = struct.unpack_from("=H", message, 4)[0]
        if kind == _NLMSG_ERROR:
            number = -struct.unpack_from("=i", message, 16)[0]
            if number == 2:  # ENOENT: no such socket
                return None
            raise OSError(number, os.strerror(number))
        state = message[16 + 1]
        uid, inode = struct.unpack_from("=II", message, 16 + 4 + 48 + 12)
        # A socket without an inode has no owner any more; the kernel then reports uid 0.
        return None if state == _TIME_WAIT or inode == 0 else int(uid)

    def close(self) -> None:
        self._socket.close()


class ProcTable:
    """The check by /proc/net/tcp and tcp6: slower with many sockets, but always permitted."""

    name = "proc_net_tcp"

    def owner(self, peer: Address, ours: Address) -> int | None:
        family, source = _packed(peer[0])
        _, target = _packed(ours[0])
        table = Path("/proc/net/tcp6" if family == socket.AF_INET6 else "/proc/net/tcp")
        ends = [f"{_hex(source)}:{peer[1]:04X}", f"{_hex(target)}:{ours[1]:04X}"]
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1:3] == ends:
                return None if fields[9] == "0" else int(fields[7])
        return None

    def close(self) -> None:
        """Do nothing: the table is opened for each check."""


def _packed(host: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = socket.inet_pton(family, host.partition("%")[0])
    return (socket.AF_INET, address[12:]) if address[:12] == _V4_MAPPED else (family, address)


def _hex(address: bytes) -> str:
    """Return an address in the kernel's spelling: 32-bit words in the machine's byte order."""
    words = (address[at : at + 4] for at in range(0, len(address), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


class PeerGuard:
    """Trust in peers with our uid only. The next check replaces one that fails; without any, all are trusted."""

    def __init__(self, checks: Sequence[Callable[[], PeerCheck]], uid: int) -> None:
        self._remaining = list(checks)
        self._uid = uid
        self._check: PeerCheck | None = None
        self._next()

    @classmethod
    def of_this_system(cls) -> PeerGuard:
        linux = sys.platform == "linux"
        return cls((SockDiag, ProcTable) if linux else (), os.getuid() if linux else 0)

    @property
    def name(self) -> str:
        return "none" if self._check is None else self._check.name

    def trusts(self, peer: Address, ours: Address) -> bool | None:
        """Whether the peer has our uid; None where it has left."""
        check = self._check
        if check is None:
            return True
        try:
            owner = check.owner(peer, ours)
        except OSError:
            self._next()
            return self.trusts(peer, ours)
        return None if owner is None else owner == self._uid

    def close(self) -> None:
        check, self._check = self._check, None
        if check is not None:
            check.close()

    def _next(self) -> None:
        self.close()
        while self._remaining:
            with suppress(OSError):
                self._check = self._remaining.pop(0)()
                return
