"""Both ends of a WebSocket (RFC 6455), as far as one turn needs it: text in single frames below 64 KB."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from cfp.demo.provider import Connection, Received
from cfp.demo.scripted_turns import ScriptedTurn, events

_ACCEPT: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_TEXT: Final = 0x81  # the opcode 1, in one piece
_MASKED: Final = 0x80


@dataclass(slots=True)
class WebSocketResponder:
    """The `switch` of an embedded provider: replies to each message with a turn, and keeps it in `messages`."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, connection: Connection, request: Received) -> None:
        connection.send_response(101)
        connection.send_header("upgrade", "websocket")
        connection.send_header("connection", "upgrade")
        connection.send_header("sec-websocket-accept", _accepting(request.header("sec-websocket-key") or ""))
        connection.end_headers()
        for message in _messages(connection.rfile):
            self.messages.append(message)
            for event in events(message, ScriptedTurn(), len(self.messages)):
                connection.wfile.write(_frame(json.dumps(event).encode()))


def request_turn(base_url: str, authorization: str, message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Send one `response.create` to `BASE_URL/responses` and return its events up to the last.

    Raises OSError with the status line where the server offers no WebSocket.
    """
    base, key = urlsplit(base_url), base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection((base.hostname or "", base.port or 80), timeout=30) as connection:
        connection.sendall(
            f"GET {base.path}/responses HTTP/1.1\r\nHost: {base.netloc}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Authorization: {authorization}\r\n\r\n".encode()
        )
        with connection.makefile("rb") as reader:
            status = reader.readline().decode().strip()
            fields = {name.lower(): value.strip() for name, value in _fields(reader)}
            if fields.get("sec-websocket-accept") != _accepting(key):
                raise OSError(f"the proxy answered {status}")
            connection.sendall(
                _frame(json.dumps({"type": "response.create", **message}).encode(), mask=os.urandom(4))
            )
            seen = []
            for event in _messages(reader):
                seen.append(event)
                if event["type"] == "response.completed":
                    break
    return seen


def _accepting(key: str) -> str:
    return base64.b64encode(hashlib.sha1(f"{key}{_ACCEPT}".encode(), usedforsecurity=False).digest()).decode()


def _fields(reader: BinaryIO) -> Iterator[tuple[str, str]]:
    while line := reader.readline().decode().strip():
        name, _, value = line.partition(":")
        yield name, value


def _frame(payload: bytes, mask: bytes = b"") -> bytes:
    """Return one text frame (section 5.2); a client's frame has a mask of four bytes."""
    bit, size = _MASKED if mask else 0, len(payload)
    length = bytes([bit | size]) if size < 126 else bytes([bit | 126]) + size.to_bytes(2)
    return bytes([_TEXT]) + length + mask + _unmasked(payload, mask)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload


def _messages(reader: Any) -> Iterator[dict[str, Any]]:
    """Yield the text messages until the other end closes."""
    with suppress(OSError):
        while len(head := reader.read(2)) == 2 and head[0] == _TEXT:
            size = head[1] & ~_MASKED
            if size == 126:
                size = int.from_bytes(reader.read(2))
            mask = reader.read(4) if head[1] & _MASKED else b""
            yield json.loads(_unmasked(reader.read(size), mask))
