"""A provider of turns: it behaves as the model's name of a request says, and records what reached and left it.

A model's name is `KIND-NUMBER`, so that the provider, the client and the log line of one turn are found by it.
"""

from __future__ import annotations

import asyncio
import enum
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from cfp.proxy.http.content_coding import encode
from tests.proxy.exchange.test_websocket_tunnel import Socket, accept
from tests.proxy.support import Call, answer
from tests.soak.provider import reset

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
CREATED: Final = {"type": "response.created", "response": {"status": "in_progress"}}
DELTA: Final = {"type": "response.output_text.delta", "delta": "x" * 100}
PACE: Final = 0.05  # seconds between the events of a slow turn


class Kind(enum.StrEnum):
    """Behaviour of the provider, or of the client where its name begins with `leaves`."""

    COMPLETED = enum.auto()
    COMPLETED_SLOWLY = enum.auto()
    COMPLETED_GZIP = enum.auto()
    COMPLETED_UNCLOSED = enum.auto()  # the last chunk is missing: the connection ends behind the final event
    INCOMPLETE = enum.auto()
    FAILED = enum.auto()
    ENDS_EARLY = enum.auto()  # properly, before a final event
    RESET_WITHIN = enum.auto()
    CLOSED_WITHIN = enum.auto()
    RESET_BEFORE = enum.auto()
    CLOSED_BEFORE = enum.auto()
    RATE_LIMITED = enum.auto()
    RATE_LIMITED_SECONDS = enum.auto()  # with a Retry-After of its own
    QUOTA = enum.auto()
    REFUSED_KEY = enum.auto()
    BROKEN = enum.auto()
    LEAVES_WITHIN = enum.auto()
    LEAVES_BEFORE = enum.auto()


STATUSES: Final = {
    Kind.RATE_LIMITED: (429, "rate_limit_exceeded", ()),
    Kind.RATE_LIMITED_SECONDS: (429, "rate_limit_exceeded", (b"Retry-After: 7",)),
    Kind.QUOTA: (429, "insufficient_quota", ()),
    Kind.REFUSED_KEY: (401, "invalid_api_key", ()),
    Kind.BROKEN: (500, "server_error", ()),
}
FINAL_EVENTS: Final = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}
# What a WebSocket can do of it; on each tunnel one turn follows the other.
WEBSOCKET_KINDS: Final = (
    Kind.COMPLETED,
    Kind.COMPLETED_SLOWLY,
    Kind.INCOMPLETE,
    Kind.FAILED,
    Kind.CLOSED_WITHIN,
    Kind.RESET_WITHIN,
    Kind.LEAVES_WITHIN,
)


def kind_of(model: str) -> Kind:
    return Kind(model.rpartition("-")[0])


def final_event(model: str) -> dict[str, Any]:
    """Return the event that ends a turn; its tokens are the turn's number."""
    kind, _, number = model.rpartition("-")
    name = kind if kind in {"incomplete", "failed"} else "completed"
    usage = {"input_tokens": 1, "output_tokens": int(number), "total_tokens": 1 + int(number)}
    error = {"error": {"code": "server_error", "message": "no"}} if name == "failed" else {}
    return {"type": f"response.{name}", "response": {"service_tier": "priority", "usage": usage, **error}}


@dataclass(slots=True)
class Delivery:
    """One turn as the provider has seen it: how often its whole request came, and whether all was sent."""

    requests: int = 0
    final: bool = False


@dataclass(slots=True)
class TurnProvider:
    """Answers each turn by its kind."""

    deliveries: dict[str, Delivery] = field(default_factory=dict)

    async def __call__(self, call: Call) -> None:
        if call.request.get(b"upgrade"):
            await call.send(accept(call.request, b"X-Codex-Turn-State: s"))
            await self._tunnel(Socket.of(call.reader, call.writer, client=False))
            return
        model = json.loads(call.request.body)["model"]
        kind = kind_of(model)
        delivery = self._arrived(model)
        if kind in STATUSES:
            status, code, fields = STATUSES[kind]
            body = json.dumps({"error": {"code": code, "message": f"no: {code}"}}).encode()
            await call.send(answer(body, b"%d No" % status, b"Content-Type: application/json", *fields))
        elif kind in {Kind.RESET_BEFORE, Kind.CLOSED_BEFORE}:
            _end(call, kind)
        elif kind is Kind.LEAVES_BEFORE:
            await call.reader.read()  # until the worker lets go
            call.writer.close()
        else:
            await self._stream(call, kind, model, delivery)

    def _arrived(self, model: str) -> Delivery:
        delivery = self.deliveries.setdefault(model, Delivery())
        delivery.requests += 1
        return delivery

    async def _stream(self, call: Call, kind: Kind, model: str, delivery: Delivery) -> None:
        if kind is Kind.COMPLETED_GZIP:
            whole = b"".join(map(_event, (CREATED, DELTA, final_event(model))))
            await call.send(HEAD + b"Content-Encoding: gzip\r\n\r\n" + _chunk(encode(b"gzip", [whole])) + _chunk(b""))
            delivery.final = True
            return
        await call.send(HEAD + b"\r\n" + _chunk(_event(CREATED)))
        for _ in range(10 if kind is Kind.COMPLETED_SLOWLY else 1):
            await asyncio.sleep(PACE)
            await call.send(_chunk(_event(DELTA)))
        if kind in {Kind.RESET_WITHIN, Kind.CLOSED_WITHIN}:
            _end(call, kind)
        elif kind is Kind.LEAVES_WITHIN:
            await call.reader.read()
            call.writer.close()
        elif kind is Kind.ENDS_EARLY:
            await call.send(_chunk(b""))
        else:
            await call.send(_chunk(_event(final_event(model))))
            delivery.final = True
            if kind is Kind.COMPLETED_UNCLOSED:
                call.writer.close()
            else:
                await call.send(_chunk(b""))

    async def _tunnel(self, socket: Socket) -> None:
        """Answer one turn after the other until the connection ends."""
        try:
            while True:
                message = await socket.receive()
                if not isinstance(message, dict):
                    socket.writer.close()  # a close or a ping: the worker ends the tunnel
                    return
                model = message["model"]
                kind, delivery = kind_of(model), self._arrived(model)
                await socket.send(CREATED)
                for _ in range(10 if kind is Kind.COMPLETED_SLOWLY else 1):
                    await asyncio.sleep(PACE)
                    await socket.send(DELTA)
                if kind in {Kind.RESET_WITHIN, Kind.CLOSED_WITHIN}:
                    _end(socket, kind)
                    return
                if kind is not Kind.LEAVES_WITHIN:
                    await socket.send(final_event(model))
                    delivery.final = True
        except EOFError:
            raise ConnectionError from None


def _event(value: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (value["type"].encode(), json.dumps(value).encode())


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def _end(connection: Call | Socket, kind: Kind) -> None:
    """Close, or reset, as the kind says."""
    with suppress(OSError):
        if kind in {Kind.RESET_WITHIN, Kind.RESET_BEFORE}:
            reset(connection.writer)
    connection.writer.close()
