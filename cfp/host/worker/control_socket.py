"""A worker's control socket: a manager reads its health there, and a new worker takes its listener over.

A request is one line of JSON, and so is the response. The response to `take_over` carries the listening sockets and
the lifetime lock (SCM_RIGHTS, unix(7)); from then on the connection is the *loan*: as long as both ends are open the
former worker stands by. When the borrower's end closes, the former worker serves again; when the former's end
closes, the borrower is alone.

Standard library only: a worker imports this before it listens, and its start is waited for.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cfp.host.system import macos

CAN_HAND_OVER = sys.platform != "win32" and hasattr(socket, "send_fds")
LONGEST_LINE = 256 * 1024
_LONGEST_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS
_MOST_DESCRIPTORS = 16
_BACKLOG = 8


def listen(path: Path) -> socket.socket:
    """Return a non-blocking listener. Its name appears only once it listens, and replaces a dead worker's name."""
    fresh = path.with_name(f"{path.name}.new")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            fresh.unlink()
        with _reachable(fresh) as name:
            listener.bind(name)
        fresh.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        fresh.replace(path)
    except BaseException:
        listener.close()
        raise
    return listener


def connect(path: Path, timeout: float) -> socket.socket:
    """Connect to a worker's control socket; raises OSError, PermissionError where another user listens there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        with _reachable(path) as name:
            connection.connect(name)
        own = is_own(connection)
    except BaseException:
        connection.close()
        raise
    if own:
        return connection
    connection.close()
    raise PermissionError


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """Yield a name of the path that fits into sockaddr_un, however deep the home lies."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if sys.platform == "linux":
            yield f"/proc/self/fd/{folder}/{path.name}"
        else:
            with _inside(folder):
                yield path.name
    finally:
        os.close(folder)


@contextmanager
def _inside(folder: int) -> Iterator[None]:
    """Change into that folder for a moment; all other paths of a worker and a manager are absolute."""
    former_folder = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchdir(folder)
        try:
            yield
        finally:
            os.fchdir(former_folder)
    finally:
        os.close(former_folder)


def is_own(connection: socket.socket) -> bool:
    """Whether the process at the other end belongs to our user; the folder's mode, 0700, is the second guard."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        uid = struct.unpack("3i", credentials)[1]
    else:
        uid = macos.peer_uid(connection)
    return bool(uid == os.getuid())


def send(connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one line, with descriptors where there are some; raises OSError."""
    line = json.dumps(message).encode() + b"\n"
    sent = socket.send_fds(connection, [line], list(descriptors)) if descriptors else 0
    if sent < len(line):  # sending no bytes fails where the peer has read all and closed
        connection.sendall(line[sent:])


def receive(connection: socket.socket, timeout: float) -> tuple[dict[str, Any], list[int]]:
    """Read one line and its descriptors; raises OSError or ValueError, with all descriptors closed."""
    descriptors: list[int] = []
    try:
        return _message(_line(connection, time.monotonic() + timeout, descriptors)), descriptors
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def _line(connection: socket.socket, deadline: float, descriptors: list[int]) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk, new_descriptors, _, _ = socket.recv_fds(connection, LONGEST_LINE, _MOST_DESCRIPTORS)
        descriptors += new_descriptors
        for descriptor in new_descriptors:
            os.set_inheritable(descriptor, False)
        if not chunk:
            raise ConnectionResetError
        line += chunk
        if len(line) > LONGEST_LINE:
            raise ValueError
    return line


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except RecursionError:
        message = None
    if isinstance(message, dict):
        return message
    raise ValueError


def read_health(path: Path, timeout: float) -> dict[str, Any] | None:
    """Return the health of the worker behind a control socket, even a draining one; None without a response."""
    try:
        with connect(path, timeout) as connection:
            send(connection, {"ask": "health"})
            answer, descriptors = receive(connection, timeout)
    except (OSError, ValueError):
        return None
    for descriptor in descriptors:
        os.close(descriptor)
    return answer if type(answer.get("pid")) is int else None
