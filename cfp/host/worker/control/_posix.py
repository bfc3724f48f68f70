"""The control channel on Linux and macOS: a Unix socket in a private folder, SCM_RIGHTS (unix(7)) and flock."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfp.host.system import macos
from cfp.host.worker.control.lines import LONGEST_LINE, Lent, decoded, encoded

if TYPE_CHECKING:
    from cfp.host.worker.processes import Handle

assert sys.platform != "win32"  # noqa: S101  mypy then leaves this file out for Windows

_LONGEST_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS
_MOST_DESCRIPTORS = 16
_BACKLOG = 8


class Server:
    """A listening control channel; its name replaces the one that a dead worker left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        fresh = path.with_name(f"{path.name}.new")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with suppress(FileNotFoundError):
                fresh.unlink()
            with _reachable(fresh) as name:
                self.socket.bind(name)
            fresh.chmod(0o600)
            self.socket.listen(_BACKLOG)
            self.socket.setblocking(False)
            fresh.replace(path)
        except BaseException:
            self.socket.close()
            raise

    def accept(self) -> socket.socket:
        """Return the next connection of our user; raises OSError, PermissionError for another user's."""
        return _owned(self.socket.accept()[0])

    def admitted(self, request: bytes) -> bytes | None:
        """Return the request: who may connect may ask."""
        return request

    def close(self) -> None:
        """Listen no more, and remove the name."""
        self.socket.close()
        with suppress(OSError):
            self._path.unlink()


def connect(path: Path, timeout: float) -> socket.socket:
    """Connect to a worker's control socket; raises OSError, PermissionError where another user listens there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        with _reachable(path) as name:
            connection.connect(name)
    except BaseException:
        connection.close()
        raise
    return _owned(connection)


def _owned(connection: socket.socket) -> socket.socket:
    try:
        if is_own(connection):
            return connection
    except BaseException:
        connection.close()
        raise
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


def lend(connection: socket.socket, message: dict[str, Any], lent: Lent, borrower: object) -> None:  # noqa: ARG001  Windows needs it
    """Send the answer with descriptors of the lock and of the sockets, whoever the borrower is; raises OSError."""
    line = encoded(message)
    sent = socket.send_fds(connection, [line], [lent.lock, *(each.fileno() for each in lent.sockets)])
    if sent < len(line):  # sending no bytes fails where the peer has read all and closed
        connection.sendall(line[sent:])


def receive(connection: socket.socket, timeout: float) -> tuple[dict[str, Any], Lent | None]:
    """Read one line and what it lends; raises OSError or ValueError, with all descriptors closed."""
    descriptors: list[int] = []
    try:
        message = decoded(_line(connection, time.monotonic() + timeout, descriptors))
        if not descriptors:
            return message, None
        lock, *listening = descriptors
        return message, Lent(lock=lock, sockets=tuple(socket.socket(fileno=each) for each in listening))
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


def ask_to_end(worker: Handle, path: Path | None) -> None:  # noqa: ARG001  Windows needs it
    """Send SIGTERM."""
    worker.signal(kill=False)


def take_lock(path: Path) -> int:
    """Return the descriptor of the locked file; the kernel keeps the lock until its last copy is closed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def close_lock(lock: int) -> None:
    os.close(lock)
