"""One health request: its outcome, and the health where our user's worker answers.

The no-op path of the SessionStart hook imports this: nothing but modules that are built into the interpreter, or as
light. `socket` imports `enum` and `selectors` besides, and makes enumerations of every constant; `_socket` is what it
consists of.
"""

from __future__ import annotations

import _socket
import time

from cfp.light_json import loads
from cfp.socket_owner import listener_users, own_user, peer_user

TYPE_CHECKING = False  # importing typing would cost the hook more than this module does
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cfp.socket_owner import Address, User

HEALTH_PATH = "/__codex_fast_proxy/health"  # as in cfp.layout, which is too heavy to import here
_LARGEST_ANSWER = 64 * 1024

# The outcomes; `cfp.host.worker.probe.Status` says what each of them means.
HEALTHY = "healthy"
REFUSED = "refused"
TIMED_OUT = "timed_out"
HUNG_UP = "hung_up"
FOREIGN = "foreign"
OTHER_USER = "other_user"


def read_health(host: str, port: int, timeout: float) -> dict[str, Any] | None:
    """Return the health of our user's worker at `host:port`; None unless one responds within `timeout` seconds."""
    return ask(host, port, timeout)[1]


def ask(
    host: str, port: int, timeout: float, owner: Callable[[Address, Address], User | None] = peer_user
) -> tuple[str, dict[str, Any] | None]:
    """Send a health request; return its outcome and the health, if there is one.

    owner  returns the user of the peer's end from both addresses, as `cfp.socket_owner.peer_user` does
    """
    deadline = time.monotonic() + timeout
    outcome = REFUSED
    try:
        connection = _connected(host, port, timeout)
        try:
            # A connection to an unused ephemeral port of this machine can reach itself (TCP simultaneous open).
            ours, peer = connection.getsockname(), connection.getpeername()
            if ours != peer:
                outcome = HUNG_UP
                answer = _answer(connection, _authority(host, port), deadline)
                health = _parse(answer)
                if health is None:
                    return FOREIGN if answer else HUNG_UP, None
                outcome = _owned(owner, peer[:2], ours[:2])
                return outcome, health if outcome == HEALTHY else None
        finally:
            connection.close()
    except TimeoutError:
        outcome = TIMED_OUT
    except OSError:
        pass  # the outcome stays: no listener, or a peer that hung up
    return outcome, None


def _connected(host: str, port: int, timeout: float) -> _socket.socket:
    """Return a connection to the first address of the host that accepts one, as `socket.create_connection` does."""
    refusal = OSError()
    # The host is bytes: for text, Python imports the IDNA tables first, which costs the hook 2 ms.
    for family, kind, protocol, _, address in _socket.getaddrinfo(host.encode(), port, 0, _socket.SOCK_STREAM):
        try:
            connection = _socket.socket(family, kind, protocol)
        except OSError as error:
            refusal = error
            continue
        try:
            connection.settimeout(timeout)
            connection.connect(address)
        except OSError as error:
            connection.close()
            refusal = error
        else:
            return connection
    raise refusal


def _owned(owner: Callable[[Address, Address], User | None], peer: Address, ours: Address) -> str:
    """Return the outcome of a health answer by the owner of the connection over which it came."""
    try:
        user = owner(peer, ours)
    except OSError:  # this system does not report it
        return HEALTHY
    # A peer that closes first, as 0.1.0's worker may and a stranger can, leaves its listener to be judged.
    users = listener_users(peer) if user is None else {user}
    if not users:
        return HUNG_UP
    return HEALTHY if users == {own_user()} else OTHER_USER


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _answer(connection: _socket.socket, authority: str, deadline: float) -> bytes:
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
        health = loads(body.decode())
    except ValueError:
        return None
    is_ours = (
        isinstance(health, dict)
        and isinstance(health.get("ok"), bool)
        and type(health.get("pid")) is int
        and isinstance(health.get("upstream_base"), str)
    )
    return health if is_ours else None
