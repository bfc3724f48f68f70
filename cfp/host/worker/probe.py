"""Questions about a port: the worker's health, the listener's owner, whether it is free.

The no-op path of the SessionStart hook imports this: standard library only, nothing heavier than socket and json.
"""

from __future__ import annotations

import enum
import errno
import json
import os
import socket
import time

from cfp.socket_owner import listener_uids, own_uid, peer_uid

TYPE_CHECKING = False  # importing typing would cost the hook more than this module does
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any, Protocol

    from cfp.socket_owner import Address

    class StartingWorker(Protocol):
        """The part of `cfp.host.worker.spawn.SpawnedWorker` that `wait_healthy` needs."""

        @property
        def stderr(self) -> Path: ...

        def wait(self, timeout: float) -> bool: ...

        def last_stderr_line(self) -> str: ...


HEALTH_PATH = "/__codex_fast_proxy/health"  # as in cfp.layout, which is too heavy to import here
_LARGEST_ANSWER = 64 * 1024
_FIRST_DELAY, _LONGEST_DELAY = 0.005, 0.01  # the hook waits for the worker to be healthy
_ONE_TRY = 1.0


class Status(enum.StrEnum):
    """The outcomes of a health request."""

    HEALTHY = "healthy"
    REFUSED = "refused"  # nobody listens
    TIMED_OUT = "timed_out"  # no response in time
    HUNG_UP = "hung_up"  # the listener accepted and closed: a worker that exits does
    FOREIGN = "foreign"  # another program responds
    OTHER_USER = "other_user"  # a health answer, from a process of another user: anybody can copy one


def read_health(host: str, port: int, timeout: float) -> dict[str, Any] | None:
    """Return the health of our user's worker at `host:port`; None unless one responds within `timeout` seconds."""
    return probe(host, port, timeout)[1]


def probe(
    host: str, port: int, timeout: float, owner: Callable[[Address, Address], int | None] = peer_uid
) -> tuple[Status, dict[str, Any] | None]:
    """Send a health request; return its outcome and the health, if there is one.

    owner  returns the uid of the peer's end from both addresses, as `cfp.socket_owner.peer_uid` does
    """
    deadline = time.monotonic() + timeout
    status = Status.REFUSED
    try:
        # The host is bytes: for text, Python imports the IDNA tables first, which costs the hook 2 ms.
        with socket.create_connection((host.encode(), port), timeout=timeout) as connection:  # type: ignore[arg-type]  # typeshed: text only
            # A connection to an unused ephemeral port of this machine can reach itself (TCP simultaneous open).
            ours, peer = connection.getsockname(), connection.getpeername()
            if ours != peer:
                status = Status.HUNG_UP
                answer = _ask(connection, _authority(host, port), deadline)
                health = _parse(answer)
                if health is None:
                    return Status.FOREIGN if answer else Status.HUNG_UP, None
                status = _owned(owner, peer[:2], ours[:2])
                return status, health if status is Status.HEALTHY else None
    except TimeoutError:
        status = Status.TIMED_OUT
    except OSError:
        pass  # the status stays: no listener, or a peer that hung up
    return status, None


def _owned(owner: Callable[[Address, Address], int | None], peer: Address, ours: Address) -> Status:
    """Return the status of a health answer by the owner of the connection over which it came."""
    try:
        uid = owner(peer, ours)
    except OSError:  # this system does not report it
        return Status.HEALTHY
    # A peer that closes first, as 0.1.0's worker may and a stranger can, leaves its listener to be judged.
    uids = listener_uids(peer) if uid is None else {uid}
    if not uids:
        return Status.HUNG_UP
    return Status.HEALTHY if uids == {own_uid()} else Status.OTHER_USER


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _ask(connection: socket.socket, authority: str, deadline: float) -> bytes:
    # The connection stays open for `_owned`: a socket that its peer has closed has no owner any more.
    request = f"GET {HEALTH_PATH} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
    connection.sendall(request.encode())
    answer = b""
    while len(answer) < _LARGEST_ANSWER and not _is_complete(answer):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(_LARGEST_ANSWER)
        if not part:
            break
        answer += part
    return answer


def _is_complete(answer: bytes) -> bool:
    """Whether the response is complete by its Content-Length; without one, the response ends with the connection."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n")[1:] if separator else ():
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return False


def _parse(answer: bytes) -> dict[str, Any] | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    if not (head.startswith(b"HTTP/1.") and head[8:12] == b" 200"):
        return None
    try:
        health = json.loads(body)
    except (ValueError, RecursionError):
        return None
    is_ours = (
        isinstance(health, dict)
        and isinstance(health.get("ok"), bool)
        and type(health.get("pid")) is int
        and isinstance(health.get("upstream_base"), str)
    )
    return health if is_ours else None


class PortOwner:
    """The process behind a listener; None and () where the system does not show them."""

    __slots__ = ("cmdline", "pid", "uid")

    def __init__(self, pid: int | None, uid: int | None, cmdline: tuple[str, ...]) -> None:
        self.pid = pid
        self.uid = uid
        self.cmdline = cmdline

    def __repr__(self) -> str:
        return f"Owner(pid={self.pid}, uid={self.uid})"


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
    return bool(_refusals(host, port) & {errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL})


def _refusals(host: str, port: int) -> set[int]:
    """Return the errno of a test listener on each address of the name; 0 for success."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return {errno.EADDRNOTAVAIL}
    return {_refusal(family, address) for family, _, _, _, address in addresses}


def _refusal(family: int, address: Any) -> int:
    try:
        probe_socket = socket.socket(family, socket.SOCK_STREAM)
    except OSError:  # this system lacks the address family, so nobody listens on it
        return 0
    with probe_socket:
        try:
            if os.name == "posix":  # as the worker does; on Windows the option means something else
                probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe_socket.bind(address)
            probe_socket.listen(1)
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
