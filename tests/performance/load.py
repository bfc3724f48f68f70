"""The clients: `python -m tests.performance.load JSON` does one run and prints what it saw as JSON.

    port, query        whom to ask for what (see upstream.py)
    clients, requests  how many connections, how many requests each; the next one is sent when the last is answered
    body               bytes of each request's body, shaped like one of Codex's
    fresh              a new connection for every request
    warm               requests on each connection, or each client, that do not count
    skip               seconds from the start whose events do not count: all streams are opened at once there

Prints {"quantiles": {"first_p50": us, …, "event_p99": us}, "events": n, "seconds": s, "done": n, "errors": n,
"bytes": n}; `first` is the time from the first byte sent to the first byte of an event received, `event` that from
the upstream's write of an event to here.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any, cast

from tests.performance import loops

_STAMP = re.compile(rb'"t":"(\d{20})"')


def body(size: int) -> bytes:
    """A Responses request of about this size: instructions, tools, and turns with escaped tool output."""
    output = 'src/app.py:12: in main\\n    raise \\"no\\"\\n' * 40
    turn = f'{{"type":"function_call_output","call_id":"call_1","output":"{output}"}}'
    head = '{"model":"gpt-5","instructions":"You are a coding agent.","input":['
    tail = (
        '],"tools":[{"type":"function","name":"shell","parameters":{"type":"object"}}],"stream":true,"store":false}'
    )
    count = max(1, (size - len(head) - len(tail)) // (len(turn) + 1))
    filled = head + ",".join([turn] * count) + tail
    return (filled[:-1] + ',"pad":"' + "p" * max(0, size - len(filled) - 9) + '"}').encode()


def quantiles(name: str, values: list[float]) -> dict[str, float]:
    """Of microseconds, by name: first_p50 and so on."""
    if not values:
        return {}
    ordered = sorted(values)
    picked = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {
        f"{name}_{key}": ordered[min(len(ordered) - 1, int(len(ordered) * share))] for key, share in picked.items()
    }


class Client(asyncio.Protocol):
    """Asks, waits for the whole answer, asks again; on a new connection each time where `fresh`."""

    transport: asyncio.Transport

    def __init__(self, run: Run) -> None:
        self._run = run
        self._left = run.requests + run.warm
        self._start_ns = 0
        self._first = 0
        self._answered = 0
        self._tail = b""
        self._expected = -1  # of an answer with a length: bytes still to come
        self.over = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._start_ns = time.monotonic_ns()
        try:
            await loop.create_connection(lambda: self, "127.0.0.1", self._run.port)
        except OSError:
            self._fail()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(1 << 26)
        self._ask()

    def _ask(self) -> None:
        if not self._run.fresh:  # a new connection is part of what takes time
            self._start_ns = time.monotonic_ns()
        self._first, self._tail, self._expected = 0, b"", -1
        self.transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        run = self._run
        now = time.monotonic_ns()
        run.bytes += len(data)
        window = self._tail + data
        if not self._first:
            at = window.find(b"\r\n\r\n")
            if at < 0 or len(window) == at + 4:
                self._tail = window
                return
            self._first = now
            head = window[:at].lower()
            if not head.startswith(b"http/1.1 200"):
                self._fail()
                return
            length = head.find(b"content-length:")
            if length >= 0:
                self._expected = int(head[length + 15 :].split(b"\r", 1)[0])
                data = window[at + 4 :]
        if run.stamped:
            self._tail = window[run.note(window, now) :][-40:]
        else:
            self._tail = window[-5:]
        if self._expected >= 0:
            self._expected -= len(data)
            if self._expected == 0:
                self._done()
        elif window.endswith(b"0\r\n\r\n"):
            self._done()

    def _done(self) -> None:
        self._answered += 1
        run = self._run
        if self._answered > run.warm:
            run.first.append((self._first - self._start_ns) / 1000)
            run.done += 1
        if self._answered == self._left:
            self.transport.close()
            self.over.set_result(None)
        elif run.fresh:
            self.transport.close()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.over.done():
            return
        if self._run.fresh and self._answered and exc is None and self._tail.endswith(b"0\r\n\r\n"):
            task = asyncio.get_running_loop().create_task(self.start())
            self._run.tasks.add(task)
            task.add_done_callback(self._run.tasks.discard)
        else:
            self._fail()

    def _fail(self) -> None:
        self._run.errors += 1
        if not self.over.done():
            self.over.set_result(None)


class Run:
    """One run and what it counts."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.port = int(options["port"])
        self.requests, self.clients = int(options.get("requests", 1)), int(options.get("clients", 1))
        self.fresh, self.warm = bool(options.get("fresh")), int(options.get("warm", 0))
        self.stamped = "plan=stream" in options["query"]
        content = body(int(options.get("body", 40_000)))
        head = (
            f"POST /v1/responses?{options['query']} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            "Content-Type: application/json\r\nAccept: text/event-stream\r\nAuthorization: Bearer canary\r\n"
            "User-Agent: codex_cli_rs/0.169.0\r\nx-codex-turn-state: abcdef\r\nsession_id: 0198\r\n"
            f"originator: codex_cli_rs\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self.request = head.encode() + content
        self.first: list[float] = []
        self.events: list[float] = []
        self.done = self.errors = self.bytes = self.seen = 0
        self.counts_from = time.monotonic_ns() + int(float(options.get("skip", 0)) * 1e9)
        self.tasks: set[asyncio.Task[None]] = set()

    def note(self, window: bytes, now: int) -> int:
        """Take the events in what was read at `now`; return where the last one's stamp ends."""
        end = 0
        for match in _STAMP.finditer(window):
            end = match.end()
            written = int(match[1])
            self.seen += 1
            if written > self.counts_from:
                self.events.append((now - written) / 1000)
        return end

    async def go(self) -> None:
        clients = [Client(self) for _ in range(self.clients)]
        began = time.monotonic()
        await asyncio.gather(*(client.start() for client in clients))
        await asyncio.gather(*(client.over for client in clients))
        seconds = time.monotonic() - began
        counts = {name: getattr(self, name) for name in ("done", "errors", "bytes")}
        times = {**quantiles("first", self.first), **quantiles("event", self.events)}
        json.dump({**counts, "seconds": seconds, "events": self.seen, "quantiles": times}, sys.stdout)


if __name__ == "__main__":
    loops.run(Run(json.loads(sys.argv[1])).go())
