"""A worker's control channel: a manager reads its health and ends it there, and a new worker takes its listener over.

A request is one line of JSON, and so is the response. The response to `take_over` brings the listening sockets and
the lifetime lock; from then on the connection is the *loan*: as long as both ends are open the former worker stands
by. When the borrower's end closes, the former worker serves again; when the former's end closes, the borrower is
alone.

Standard library only: a worker imports this before it listens, and its start is waited for. A file for each system
has the same names:

Server(path)       a listening channel, whose name appears only once it listens: `socket` to watch, `accept`, `close`
                   and `admitted`, the request without its proof, None where the proof is wrong
connect(path, s)   a connection to a worker of our user; raises OSError
lend, receive      send and read the answer to `take_over`; `receive` raises OSError or ValueError
ask_to_end         have a worker drain; a second time, have it cut what is left
take_lock(path)    the lifetime lock; raises OSError where a worker holds it. It lasts until all that have it close it
close_lock(lock)
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

from cfp.host.worker.control.lines import Lent, encoded

if sys.platform == "win32":
    from cfp.host.worker.control._windows import (
        Server,
        ask_to_end,
        close_lock,
        connect,
        lend,
        receive,
        take_lock,
    )
else:
    from cfp.host.worker.control._posix import (
        Server,
        ask_to_end,
        close_lock,
        connect,
        lend,
        receive,
        take_lock,
    )

__all__ = [
    "Lent",
    "Server",
    "ask_to_end",
    "close_lent",
    "close_lock",
    "connect",
    "lend",
    "read_health",
    "receive",
    "send",
    "take_lock",
    "take_over",
]


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """Send one line; raises OSError."""
    connection.sendall(encoded(message))


def take_over(
    connection: socket.socket, nonce: str, host: str, port: int, timeout: float
) -> tuple[dict[str, Any], Lent | None]:
    """Ask the worker with that nonce for its listener and lock, and return the answer; raises OSError, ValueError."""
    send(connection, {"ask": "take_over", "nonce": nonce, "host": host, "port": port, "pid": os.getpid()})
    return receive(connection, timeout)


def close_lent(lent: Lent | None) -> None:
    """Close what was lent and is not used."""
    if lent is not None:
        for each in lent.sockets:
            each.close()
        close_lock(lent.lock)


def read_health(path: Path, timeout: float) -> dict[str, Any] | None:
    """Return the health of the worker behind a control channel, even a draining one; None without a response."""
    try:
        with connect(path, timeout) as connection:
            send(connection, {"ask": "health"})
            answer, lent = receive(connection, timeout)
    except (OSError, ValueError):
        return None
    close_lent(lent)
    return answer if type(answer.get("pid")) is int else None
