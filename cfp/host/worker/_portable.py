"""The contract of `processes` by psutil, for systems without /proc and pidfds."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import psutil

if TYPE_CHECKING:
    from cfp.socket_owner import User


def boot_id() -> str:
    return ""


def started(pid: int) -> str | None:
    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def is_running(pid: int, expected: str) -> bool:
    try:
        process = psutil.Process(pid)
        return repr(process.create_time()) == expected and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def user(pid: int) -> User | None:
    uid = None
    if sys.platform != "win32":  # for which `_windows` has its own
        with suppress(psutil.Error):
            uid = int(psutil.Process(pid).uids().real)
    return uid


def pids() -> list[int]:
    return psutil.pids()


def cmdline(pid: int) -> tuple[str, ...]:
    try:
        return tuple(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ()


class Handle:
    """A process by psutil, which compares the creation time before it sends a signal."""

    def __init__(self, process: psutil.Process) -> None:
        self.pid = process.pid
        self._process = process

    def signal(self, *, kill: bool) -> None:
        with suppress(psutil.NoSuchProcess):
            if kill:
                self._process.kill()
            else:
                self._process.terminate()

    def wait(self, timeout: float) -> bool:
        try:
            self._process.wait(max(0.0, timeout))
        except psutil.TimeoutExpired:
            with suppress(psutil.NoSuchProcess):
                return self._process.status() == psutil.STATUS_ZOMBIE
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def hold(pid: int) -> Handle | None:
    try:
        return Handle(psutil.Process(pid))
    except psutil.Error:
        return None


def listener(port: int, system: Any = psutil) -> tuple[int | None, User | None, tuple[str, ...]] | None:
    """Ask `system`, the module psutil or one like it."""
    for pid, connection in _connections(system):
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address and address.port == port and _is_local(address.ip):
            return (pid, user(pid), cmdline(pid)) if pid is not None else (None, None, ())
    return None


def _connections(system: Any) -> Iterator[tuple[int | None, Any]]:
    """Yield the TCP sockets, each with its process. macOS shows an ordinary user those of his own processes only."""
    try:
        everybodys = system.net_connections(kind="tcp")
    except psutil.Error:
        for process in system.process_iter():
            with suppress(psutil.Error):
                yield from ((process.pid, connection) for connection in process.net_connections(kind="tcp"))
    else:
        yield from ((connection.pid, connection) for connection in everybodys)


def _is_local(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return ip.is_loopback or ip.is_unspecified or (mapped is not None and mapped.is_loopback)
