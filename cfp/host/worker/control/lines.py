"""The lines of a control channel, and what the answer to `take_over` lends."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

LONGEST_LINE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A worker's lifetime lock, and its listening sockets: none where the next worker has another address.

    lock  a descriptor, on Windows a handle
    """

    lock: int
    sockets: tuple[socket.socket, ...]


def encoded(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def decoded(line: bytes) -> dict[str, Any]:
    """Parse a line; raises ValueError unless it is one JSON object."""
    try:
        message = json.loads(line)
    except RecursionError:
        message = None
    if isinstance(message, dict):
        return message
    raise ValueError
