"""A provider that speaks WebSocket, written from what Codex 0.169 does: a message a turn, its events one a frame."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from wsproto.frame_protocol import FrameProtocol, Opcode

from cfp.demo.provider import Connection, Received
from cfp.demo.scripted_turns import ScriptedTurn, ToolCall, call_events, events

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3


@dataclass(slots=True)
class Switchboard:
    """The `switch` of an embedded upstream. `messages` is what Codex said, `handshakes` is how each socket began.

    cut    how many sockets are closed in the middle of a turn, before one is left alone
    error  the event with which each turn is refused; None: none is
    calls  the tools that the model calls in the first turns
    gather  how many turns must have come before one without a call is answered
    """

    handshakes: list[Received] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    closes: list[int] = field(default_factory=list)
    cut: int = 0
    error: dict[str, Any] | None = None
    calls: list[ToolCall] = field(default_factory=list)
    gather: int = 0
    arrival: threading.Condition = field(default_factory=threading.Condition)

    @property
    def turns(self) -> list[dict[str, Any]]:
        """Without those that only warm a socket up."""
        return [message for message in self.messages if message.get("generate", True)]

    def __call__(self, connection: Connection, request: Received) -> None:
        self.handshakes.append(request)
        digest = hashlib.sha1(
            f"{request.header('sec-websocket-key')}{_GUID}".encode(), usedforsecurity=False
        ).digest()
        connection.send_response(101)
        connection.send_header("upgrade", "websocket")
        connection.send_header("connection", "upgrade")
        connection.send_header("sec-websocket-accept", base64.b64encode(digest).decode())
        connection.end_headers()
        frames = FrameProtocol(client=False, extensions=[])
        for message in self._messages(connection, frames):
            warming = not message.get("generate", True)
            with self.arrival:
                self.messages.append(message)
                self.arrival.notify_all()
                call = self.calls.pop(0) if self.calls and not warming else None
                if call is None and not warming:
                    self.arrival.wait_for(lambda: len(self.turns) >= self.gather, 30)
            story = events(message, ScriptedTurn(), len(self.messages))
            if call is not None:
                story = call_events(message, call, len(self.messages))
            if self.error is not None and not warming:
                story = [self.error]
            for event in (story[0], story[-1]) if warming else story:
                if self.cut and not warming and event is story[4]:
                    self.cut -= 1
                    return
                connection.wfile.write(frames.send_data(json.dumps(event), fin=True))

    def _messages(self, connection: Connection, frames: FrameProtocol) -> Iterator[dict[str, Any]]:
        text = ""
        while data := connection.connection.recv(1 << 16):
            frames.receive_bytes(data)
            for frame in frames.received_frames():
                if frame.opcode is Opcode.CLOSE:
                    self.closes.append(frame.payload[0])  # type: ignore[arg-type]  # a close frame's is (code, reason)
                    return
                if frame.opcode is Opcode.TEXT:
                    text += str(frame.payload)
                    if frame.message_finished:
                        yield json.loads(text)
                        text = ""
