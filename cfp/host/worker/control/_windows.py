"""The control channel on Windows: a loopback socket; a file that the user alone can read has its port and secret.

CPython has no Unix sockets there. The secret proves the client to the worker, and the owner of the listening socket
the worker to the client: a dead worker's port may belong to another program by now.

The lock is a file that is open for writing and not shared for that. Unlike a lock of LockFileEx, which belongs to a
process, this follows the handle into another process, and ends with its last copy.
"""

from __future__ import annotations

import base64
import os
import socket
import sys
import time
from contextlib import suppress
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cfp.host.worker.control.lines import LONGEST_LINE, Lent, decoded, encoded
from cfp.socket_owner import listener_users, own_user
from journal.private import append_to

assert sys.platform == "win32"  # noqa: S101  mypy then reads this file for Windows alone

import _winapi  # noqa: E402  exists on Windows only

if TYPE_CHECKING:
    from cfp.host.worker.processes import Handle

_BACKLOG: Final = 8
_SECRET_BYTES: Final = 32
_END_SECONDS: Final = 2.0
# winnt.h, winerror.h
_GENERIC_READ, _GENERIC_WRITE = 0x80000000, 0x40000000
_FILE_SHARE_READ: Final = 1
_OPEN_ALWAYS: Final = 4
_FILE_ATTRIBUTE_NORMAL: Final = 0x80
_ERROR_SHARING_VIOLATION: Final = 32
_DUPLICATE_SAME_ACCESS: Final = 2
_PROCESS_DUP_HANDLE: Final = 0x40
# An indexer or a virus scanner may have the lock's file open for a moment.
_LOCK_SECONDS, _LOCK_PAUSE = 0.5, 0.02


class Server:
    """A listening control channel; its name replaces the one that a dead worker left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._secret = os.urandom(_SECRET_BYTES).hex()
        fresh = path.with_name(f"{path.name}.new")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            self.socket.bind(("127.0.0.1", 0))
            self.socket.listen(_BACKLOG)
            self.socket.setblocking(False)
            with suppress(FileNotFoundError):
                fresh.unlink()
            with os.fdopen(append_to(fresh), "wb") as file:
                file.write(encoded({"port": self.socket.getsockname()[1], "secret": self._secret}))
            fresh.replace(path)
        except BaseException:
            self.socket.close()
            raise

    def accept(self) -> socket.socket:
        """Return the next connection; raises OSError."""
        return self.socket.accept()[0]

    def admitted(self, request: bytes) -> bytes | None:
        """Return the request behind the secret; None where that is wrong."""
        length = len(self._secret)
        return request[length:] if compare_digest(request[:length], self._secret.encode()) else None

    def close(self) -> None:
        """Listen no more, and remove the name."""
        self.socket.close()
        with suppress(OSError):
            self._path.unlink()


def connect(path: Path, timeout: float) -> socket.socket:
    """Connect to a worker's control channel and send the secret; raises OSError, also where another user listens."""
    try:
        named = decoded(path.read_bytes())
        port, secret = int(named["port"]), str(named["secret"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileNotFoundError from error
    connection = socket.create_connection(("127.0.0.1", port), timeout)
    try:
        if not listener_users(("127.0.0.1", port)) - {own_user()}:
            connection.sendall(secret.encode())
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    raise PermissionError


def lend(connection: socket.socket, message: dict[str, Any], lent: Lent, borrower: object) -> None:
    """Give the process `borrower` the lock and the sockets, and send the answer that names them; raises OSError."""
    if type(borrower) is not int:
        raise ProcessLookupError
    process = _winapi.OpenProcess(_PROCESS_DUP_HANDLE, False, borrower)
    try:
        ours = _winapi.GetCurrentProcess()
        lock = _winapi.DuplicateHandle(ours, lent.lock, process, 0, False, _DUPLICATE_SAME_ACCESS)
    finally:
        _winapi.CloseHandle(process)
    shares = [base64.b64encode(each.share(borrower)).decode() for each in lent.sockets]
    connection.sendall(encoded({**message, "lock": lock, "sockets": shares}))


def receive(connection: socket.socket, timeout: float) -> tuple[dict[str, Any], Lent | None]:
    """Read one line and what it lends; raises OSError or ValueError."""
    message = decoded(_line(connection, time.monotonic() + timeout))
    if type(message.get("lock")) is not int:
        return message, None
    lock: int = message.pop("lock")
    sockets: list[socket.socket] = []
    try:
        for share in message.pop("sockets"):
            sockets.append(socket.fromshare(base64.b64decode(share)))  # noqa: PERF401  those before a bad one are closed
    except BaseException:
        for each in sockets:
            each.close()
        close_lock(lock)
        raise
    return message, Lent(lock=lock, sockets=tuple(sockets))


def _line(connection: socket.socket, deadline: float) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = connection.recv(LONGEST_LINE)
        if not chunk:
            raise ConnectionResetError
        line += chunk
        if len(line) > LONGEST_LINE:
            raise ValueError
    return line


def ask_to_end(worker: Handle, path: Path | None) -> None:  # noqa: ARG001  other systems send it a signal
    """Ask it over its channel, since no signal of Windows lets a process finish; without an answer, do nothing."""
    if path is not None:
        with suppress(OSError, ValueError), connect(path, _END_SECONDS) as connection:
            connection.sendall(encoded({"ask": "end"}))
            receive(connection, _END_SECONDS)


def take_lock(path: Path) -> int:
    """Return a handle on the file that no other worker can have beside this one and its copies; raises OSError."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return _winapi.CreateFile(
                str(path),
                _GENERIC_READ | _GENERIC_WRITE,
                _FILE_SHARE_READ,
                0,
                _OPEN_ALWAYS,
                _FILE_ATTRIBUTE_NORMAL,
                0,
            )
        except OSError as error:
            if error.winerror != _ERROR_SHARING_VIOLATION or time.monotonic() > deadline:
                raise
        time.sleep(_LOCK_PAUSE)


def close_lock(lock: int) -> None:
    _winapi.CloseHandle(lock)
