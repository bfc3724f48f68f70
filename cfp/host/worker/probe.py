"""Questions about a port: the worker's health, the listener's owner, whether it is free."""

from __future__ import annotations

import enum
import errno
import socket
import time

from cfp.host.worker import health_request
from cfp.socket_owner import peer_user

TYPE_CHECKING = False  # importing typing would cost the worker's start more than this module does
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any, Protocol

    from cfp.socket_owner import Address, User

    class StartingWorker(Protocol):
        """The part of `cfp.host.worker.spawn.SpawnedWorker` that `wait_healthy` needs."""

        @property
        def stderr(self) -> Path: ...

        def wait(self, timeout: float) -> bool: ...

        def last_stderr_line(self) -> str: ...


# How a worker binds. On Windows another program could listen at the same port with SO_REUSEADDR, also beside a worker
# that binds without any option.
BIND_OPTION: int = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
_FIRST_DELAY, _LONGEST_DELAY = 0.005, 0.01  # the hook waits for the worker to be healthy
_ONE_TRY = 1.0
_LAST_LOW_PORT = 1023  # a user cannot listen at a low port on most POSIX systems

_FORBIDDEN = frozenset({errno.EPERM, errno.EACCES})


class Status(enum.StrEnum):
    """The outcomes of a health request."""

    HEALTHY = health_request.HEALTHY
    REFUSED = health_request.REFUSED  # nobody listens
    TIMED_OUT = health_request.TIMED_OUT  # no response in time
    HUNG_UP = health_request.HUNG_UP  # the listener accepted and closed: a worker that exits does
    FOREIGN = health_request.FOREIGN  # another program responds
    OTHER_USER = health_request.OTHER_USER  # a health answer, from a process of another user: anybody can copy one


def probe(
    host: str, port: int, timeout: float, owner: Callable[[Address, Address], User | None] = peer_user
) -> tuple[Status, dict[str, Any] | None]:
    """Send a health request; return its status and the health, if there is one.

    owner  returns the user of the peer's end from both addresses, as `cfp.socket_owner.peer_user` does
    """
    outcome, health = health_request.ask(host, port, timeout, owner)
    return Status(outcome), health


class PortOwner:
    """The process behind a listener; None and () where the system does not show them."""

    __slots__ = ("cmdline", "pid", "user")

    def __init__(self, pid: int | None, user: User | None, cmdline: tuple[str, ...]) -> None:
        self.pid = pid
        self.user = user
        self.cmdline = cmdline

    def __repr__(self) -> str:
        return f"Owner(pid={self.pid}, user={self.user})"


def port_owner(port: int) -> PortOwner | None:
    """Return the owner of the listener at `port` on a loopback or wildcard address; None without a listener."""
    from cfp.host.worker import processes  # noqa: PLC0415 - the hook's no-op path never calls this

    listener = processes.listener(port)
    return None if listener is None else PortOwner(*listener)


def port_free(host: str, port: int) -> bool:
    """Whether a worker could listen at `host:port` now, on every address that the name stands for."""
    return _refusals(host, port) == {0}


def port_barred(host: str, port: int) -> bool:
    """Whether the system refuses the port: a low port, a foreign address, a range that Windows reserves."""
    return bool(_refusals(host, port) & {*_FORBIDDEN, errno.EADDRNOTAVAIL})


def sockets_barred() -> bool:
    """Whether this process may use no socket, not even on loopback, as in Codex's own sandbox without network.

    Nothing can be told then about any port, nor about the proxy.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe_socket:
            probe_socket.bind(("127.0.0.1", 0))
    except OSError as error:
        return error.errno in _FORBIDDEN
    return False


def free_port_near(host: str, port: int) -> int:
    """Return a port where a worker could listen, the first of the next hundred; 0 without one."""
    first = max(port, _LAST_LOW_PORT) + 1
    return next((near for near in range(first, min(first + 100, 65536)) if port_free(host, near)), 0)


def _refusals(host: str, port: int) -> set[int]:
    """Return the errno of a test binding on each address of the name; 0 for success."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return {errno.EADDRNOTAVAIL}
    return {_refusal(family, address) for family, _, _, _, address in addresses}


def _refusal(family: int, address: Any) -> int:
    try:
        probe_socket = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # a system that lacks the address family, so that nobody listens on it; or a sandbox
        return error.errno if error.errno in _FORBIDDEN else 0
    with probe_socket:
        try:
            probe_socket.setsockopt(socket.SOL_SOCKET, BIND_OPTION, 1)
            # Not listening: on POSIX a worker can listen meanwhile, and nobody takes this socket for a listener.
            probe_socket.bind(address)
        except OSError as error:
            return error.errno or errno.EIO  # WinError 10013 comes as EACCES
    return 0


def wait_healthy(host: str, port: int, nonce: str, timeout: float, child: StartingWorker) -> dict[str, Any]:
    """Wait until the worker with `nonce` responds, `timeout` seconds at most.

    Raises Failed(worker_did_not_start; reason, detail, log) where the child exits first (reason `exited`) or time is
    up (`timed_out`, or `port_taken` where another program responded); the caller must stop the child then.
    `detail` is the last line of the child's stderr, redacted.
    """
    deadline = time.monotonic() + timeout
    delay = _FIRST_DELAY
    port_taken = False
    while True:
        left = deadline - time.monotonic()
        status, health = probe(host, port, max(0.001, min(left, _ONE_TRY)))
        if health is not None and health.get("nonce") == nonce:
            return health
        if child.wait(max(0.0, min(left, delay))):
            raise _did_not_start("exited", child)
        if status is not Status.TIMED_OUT:  # the last try may be too short for an answer
            port_taken = status in {Status.FOREIGN, Status.HEALTHY, Status.OTHER_USER}
        if left <= 0:
            raise _did_not_start("port_taken" if port_taken else "timed_out", child)
        delay = min(delay * 2, _LONGEST_DELAY)


def _did_not_start(reason: str, child: StartingWorker) -> Exception:
    from cfp.errors import Failed  # noqa: PLC0415 - it imports typing, which the hook's no-op path does not pay

    detail = child.last_stderr_line().rstrip(".")  # the message goes on behind it
    return Failed("worker_did_not_start", reason=reason, detail=detail, log=str(child.stderr))
