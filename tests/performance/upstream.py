"""The provider that every contender forwards to: `python -m tests.performance.upstream [CERTIFICATE KEY]`.

Prints its port, then answers until it is killed. The query says how:

    plan=one                  one SSE event, at once
    no plan                   2 KB of JSON with a length
    plan=stream&n=40&gap=50   n events, one every `gap` milliseconds, each with the time at which it was written;
                              streams are out of step, in the same way whoever asks and however fast they were opened
    plan=bulk&mb=64           events of 190 bytes in chunks of 64 KB, as fast as they are taken
"""

from __future__ import annotations

import asyncio
import itertools
import os
import ssl
import sys
import time
from contextlib import suppress
from typing import cast

from tests.performance import loops

_SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
_COMPLETED = (
    b'data: {"type":"response.completed","response":{"service_tier":"priority",'
    b'"usage":{"input_tokens":9000,"output_tokens":40,"total_tokens":9040}}}\n\n'
)
_TEXT = b"x" * 118


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_ONE = _SSE + _chunk(_COMPLETED) + _END
_SHORT = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2048\r\n\r\n{"a":"' + b"x" * 2040 + b'"}'
)
_EVENT = b'data: {"type":"response.output_text.delta","sequence_number":1,"delta":"%s"}\n\n' % _TEXT
_BULK = _chunk(_EVENT * (65536 // len(_EVENT)))


class Provider(asyncio.Protocol):
    """One connection: requests one after the other, whose bodies are counted and dropped.

    Without `_phases` the streams that a fast contender opens at once would tick together, and those of a slow one
    apart: the fast one would be measured by how long a queue of its own making is.
    """

    transport: asyncio.Transport
    _phases = itertools.cycle([number * 0.618034 % 1 for number in range(500)])

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._head = b""
        self._missing = 0
        self._query: dict[bytes, bytes] = {}
        self._room = asyncio.Event()
        self._room.set()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            data = self._head + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._head = data
                return
            self._head = b""
            self._missing = self._read_head(data[:end]) - (len(data) - end - 4)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._missing = 0
            self._answer()

    def _read_head(self, head: bytes) -> int:
        """Note the query; return the length of the body."""
        target = head.split(b" ", 2)[1]
        self._query = dict(part.split(b"=", 1) for part in target.partition(b"?")[2].split(b"&") if part)
        lowered = head.lower()
        at = lowered.find(b"\r\ncontent-length:")
        return int(lowered[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0

    def _answer(self) -> None:
        plan = self._query.get(b"plan")
        if plan == b"one":
            self.transport.write(_ONE)
        elif plan == b"stream":
            self.transport.write(_SSE)
            self._stream(int(self._query[b"n"]), int(self._query[b"gap"]) / 1000)
        elif plan is None:
            self.transport.write(_SHORT)
        else:
            self._task = self._loop.create_task(self._bulk(int(self._query[b"mb"])))

    def _stream(self, events: int, gap: float) -> None:
        began = self._loop.time()
        first = began + next(self._phases) * gap
        self._loop.call_at(first, self._tick, events - 1, gap, first, began + events * gap)

    def _tick(self, left: int, gap: float, due: float, end: float) -> None:
        if self.transport.is_closing():
            return
        self._send(_chunk(b'data: {"t":"%020d","delta":"%s"}\n\n' % (time.monotonic_ns(), _TEXT)))
        if left:
            self._loop.call_at(due + gap, self._tick, left - 1, gap, due + gap, end)
        else:
            self._loop.call_at(end, self._complete)

    def _send(self, data: bytes) -> None:
        """At once: uvloop writes after all that is due, and what is due now would count as the contender's delay."""
        sent = 0
        if not self.transport.get_write_buffer_size():
            with suppress(BlockingIOError):
                sent = os.write(self.transport.get_extra_info("socket").fileno(), data)
        if sent < len(data):
            self.transport.write(data[sent:])

    def _complete(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_chunk(_COMPLETED) + _END)

    async def _bulk(self, megabytes: int) -> None:
        self.transport.write(_SSE)
        for _ in range(megabytes * 16):
            await self._room.wait()
            self.transport.write(_BULK)
        self.transport.write(_END)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._room.set()


async def _serve(tls: list[str]) -> None:
    loop = asyncio.get_running_loop()
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
    server = await loop.create_server(lambda: Provider(loop), "127.0.0.1", 0, backlog=4096, ssl=context)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    loops.run(_serve(sys.argv[1:]))
