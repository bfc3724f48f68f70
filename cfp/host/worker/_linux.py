"""The contract of `processes` on Linux: /proc identifies a process, and a pidfd keeps signals from a reused pid."""

from __future__ import annotations

import math
import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from cfp.socket_owner import User

assert sys.platform == "linux"  # noqa: S101  mypy then leaves this file out for other systems

_PROC = Path("/proc")
_LISTEN = "0A"  # include/net/tcp_states.h


def boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def started(pid: int) -> str | None:
    """Return field 22 of /proc/PID/stat: clock ticks since boot."""
    fields = _stat(pid)
    return None if fields is None else fields[19]


def is_running(pid: int, expected: str) -> bool:
    fields = _stat(pid)
    return fields is not None and fields[19] == expected and fields[0] not in "ZXx"


def _stat(pid: int) -> list[str] | None:
    """Return the fields from the third on; the second is a name in parentheses that may hold anything."""
    try:
        text = (_PROC / str(pid) / "stat").read_bytes().decode(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def user(pid: int) -> User | None:
    with suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text(errors="replace").splitlines():
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return None


def pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]


def cmdline(pid: int) -> tuple[str, ...]:
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(os.fsdecode(part) for part in raw.rstrip(b"\0").split(b"\0")) if raw else ()


class Handle:
    """A process by its pidfd (pidfd_open(2))."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self._fd = fd

    def signal(self, *, kill: bool) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._fd, signal.SIGKILL if kill else signal.SIGTERM)

    def wait(self, timeout: float) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(max(0, math.ceil(timeout * 1000))))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


def hold(pid: int) -> Handle | None:
    try:
        return Handle(pid, os.pidfd_open(pid))
    except OSError:
        return None


def listener(port: int) -> tuple[int | None, User | None, tuple[str, ...]] | None:
    """Read the tables of /proc/net; the pid of another user's process is not shown."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, _, local_port = fields[1].rpartition(":")
            if fields[3] == _LISTEN and int(local_port, 16) == port and _is_local(address):
                pid = _holder(f"socket:[{fields[9]}]")
                return pid, int(fields[7]), () if pid is None else cmdline(pid)
    return None


# fmt: off
_WILDCARDS = ("00000000", "0" * 32)
_LOOPBACK6 = "0" * 24 + "01000000"                  # ::1, in four little-endian words
_MAPPED    = "0" * 16 + "FFFF0000"                  # ::ffff:a.b.c.d
# fmt: on


def _is_local(address: str) -> bool:
    """Whether a loopback client reaches the address: 127.0.0.0/8, ::1 or a wildcard."""
    ipv4 = address.removeprefix(_MAPPED)
    return address in _WILDCARDS or address == _LOOPBACK6 or (len(ipv4) == 8 and ipv4.endswith("7F"))


def _holder(link: str) -> int | None:
    """Return the process that has a descriptor of that name; /proc shows descriptors of our own user only."""
    # Thousands of descriptors: plain strings, no Path for each.
    for pid in filter(str.isdecimal, os.listdir(_PROC)):
        folder = f"{_PROC}/{pid}/fd"
        with suppress(OSError):  # not ours, or gone meanwhile
            for name in os.listdir(folder):
                with suppress(OSError):
                    if os.readlink(f"{folder}/{name}") == link:  # noqa: PTH115 - see above
                        return int(pid)
    return None
