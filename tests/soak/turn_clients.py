"""Clients that send one turn after the other, and the comparison of each turn's log line with what both ends saw."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, Final

from cfp.proxy.http.content_coding import decode
from tests.proxy.exchange.test_websocket_tunnel import CREATE, Socket, handshake
from tests.proxy.support import Client, read_body, read_chunk
from tests.soak.turns import FINAL_EVENTS, WEBSOCKET_KINDS, Delivery, Kind, kind_of

PATIENCE: Final = 120.0  # seconds for one turn; what takes longer hangs
_MOMENT: Final = 0.1  # seconds, on a machine that is busy
_RETRY_AFTER: Final = {Kind.RATE_LIMITED: b"12", Kind.RATE_LIMITED_SECONDS: b"7"}
# The provider's status, by what the client gets: Codex would refresh its ChatGPT login at a 401.
_PASSED_ON: Final[Mapping[int | None, int]] = {403: 401}
_OWN_ERRORS: Final = frozenset({"upstream_unreachable", "upstream_broke_off", "upstream_bad_response"})


@dataclass(slots=True)
class View:
    """One turn as its client has seen it.

    final  the name of the final event's ending; None without one
    code   the error's code in a response that is no stream
    tunnel it was sent on a WebSocket
    left   when the client left, in seconds since the epoch; `in_sleep`: while the worker was stopped
    """

    status: int | None = None
    final: str | None = None
    code: str | None = None
    tunnel: bool = False
    left: float | None = None
    in_sleep: bool = False
    retry_after: bytes | None = None

    @property
    def ending(self) -> str:
        """The ending that the log must have."""
        if self.left is not None:
            return "left"
        if self.status is None or self.code in _OWN_ERRORS:
            return "unanswered"
        if self.status >= 400:
            return "failed"
        return self.final or "cut"


@dataclass(slots=True)
class Book:
    """Compares each turn's view, delivery and log line once all are there.

    differences  a sentence for each
    """

    deliveries: Mapping[str, Delivery]
    views: dict[str, View] = field(default_factory=dict)
    lines: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    @property
    def waiting(self) -> list[str]:
        """The turns of which the view or the line is missing."""
        models = sorted({*self.views, *self.lines} - set(self.unread))
        return [f"{model}: {(self.views | self.lines)[model]}" for model in models]

    @property
    def unread(self) -> list[str]:
        """The turns that the worker has not read: a reset drops what the kernel had for it, and so does a close."""
        return [
            model
            for model, view in self.views.items()
            if (view.left is not None or view.tunnel)
            and view.status is None
            and model not in {*self.lines, *self.deliveries}
        ]

    def model(self, kind: Kind) -> str:
        """Return the name of the next turn of this kind."""
        return f"{kind}-{next(self.numbers)}"

    def seen(self, model: str, view: View) -> None:
        self.views[model] = view
        self._compare(model)

    def logged(self, line: Mapping[str, Any]) -> None:
        """Take a line of the log; one without a model is of a handshake."""
        if (model := line["model"]) is not None:
            if model in self.lines:
                self.differences.append(f"{model} has two lines")
            self.lines[model] = line
            self._compare(model)

    def _compare(self, model: str) -> None:
        if model not in self.views or model not in self.lines:
            return
        view, line = self.views.pop(model), self.lines.pop(model)
        delivery = self.deliveries.get(model, Delivery())
        self.endings[line["transport"], str(line["ending"])] += 1
        usage = line["usage"] and line["usage"]["output_tokens"]
        number = int(model.rpartition("-")[2])
        ending = view.ending
        if _is_tie(view, line) and line["ending"] in {"cut", "unanswered"}:
            ending = line["ending"]
        expected: dict[str, tuple[object, object]] = {
            "ending": (ending, line["ending"]),
            "tokens": (number if view.final else None, usage),
            "retry-after": (
                _RETRY_AFTER.get(kind_of(model)) if view.status in {401, 429} else None,
                view.retry_after,
            ),
        }
        if view.left is None:
            # A turn of a WebSocket has a status only by its final event.
            status = None if line["transport"] == "websocket" and not view.final else view.status
            expected["status"] = (_PASSED_ON.get(status, status), line["status"])
        if view.final:
            expected["delivery"] = (Delivery(requests=1, final=True), delivery)
        if view.code == "upstream_unreachable":
            expected["delivery"] = (Delivery(), delivery)
        wrong = {name: pair for name, pair in expected.items() if pair[0] != pair[1]}
        if delivery.requests > 1:
            wrong["requests"] = (1, delivery.requests)
        if wrong:
            self.differences.append(f"{model}: {wrong}, {view}, {delivery}, {line}")


def _is_tie(view: View, line: Mapping[str, Any]) -> bool:
    """Whether the worker saw client and provider gone in one moment: then no order of the two is wrong."""
    if view.left is None:
        return False
    ended = datetime.fromisoformat(line["ts"]).timestamp() + line["duration_ms"] / 1000
    return view.in_sleep or abs(ended - view.left) < _MOMENT


@dataclass(slots=True, kw_only=True)
class TurnClient:
    """One Codex: a turn, and the next.

    is_asleep  whether the worker is stopped
    rest       the longest seconds between two turns
    """

    port: int
    seed: int
    book: Book
    is_asleep: Callable[[], bool]
    rest: float = 0.1
    random: random.Random = field(init=False)
    client: Client | None = None
    socket: Socket | None = None

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    async def walk(self, over: Callable[[], bool], *, websocket: bool) -> None:
        """Go on until it is over."""
        kinds = WEBSOCKET_KINDS if websocket else tuple(Kind)
        while not over():
            kind = self.random.choice(kinds)
            if websocket and self.socket is None and not await self._connected():
                continue
            model, view = self.book.model(kind), View(tunnel=websocket)
            try:
                async with asyncio.timeout(PATIENCE):
                    await (self._turn_in_tunnel if websocket else self._turn)(model, kind, view)
            except (asyncio.IncompleteReadError, EOFError, ConnectionError):
                self._close()  # the view has what came before
            except TimeoutError:
                self.book.differences.append(f"{model} hangs: {view}")
                self._close()
            self.book.seen(model, view)
            await asyncio.sleep(self.random.random() * self.rest)
        self._close()

    async def _open(self) -> Client:
        limit = 1 << 20
        return Client(self.port, *(await asyncio.open_connection("127.0.0.1", self.port, limit=limit)))

    async def _turn(self, model: str, kind: Kind, view: View) -> None:
        client = self.client = self.client or await self._open()
        client.post(json.dumps({"model": model, "stream": True, "input": []}).encode())
        reading = asyncio.create_task(client.head())
        if kind is Kind.LEAVES_BEFORE:
            await asyncio.wait({reading}, timeout=self.random.random())
            if not reading.done():
                reading.cancel()
                self._leave(view)
                return
        head = await reading  # also for one that wanted to leave: an error of the worker's own came first
        view.retry_after = head.get(b"retry-after")
        status = int(head.start.split(b" ")[1])
        if (head.get(b"transfer-encoding") or b"").lower() != b"chunked":
            error = json.loads(await read_body(client.reader, head))["error"]
            view.status, view.code = status, error["code"]
            return
        view.status = status
        await self._read_stream(client, kind, view, gzip=head.get(b"content-encoding") == b"gzip")

    async def _read_stream(self, client: Client, kind: Kind, view: View, *, gzip: bool) -> None:
        text = b""
        while piece := await read_chunk(client.reader):
            if kind is Kind.LEAVES_WITHIN:
                self._leave(view)
                return
            text += piece
            readable = decode(b"gzip", text, 1 << 20) if gzip else text
            name = re.findall(rb"^event: (.*)$", readable, re.MULTILINE)[-1].decode()
            view.final = FINAL_EVENTS.get(name)

    async def _connected(self) -> bool:
        """Open a tunnel; False where the upstream is away, and Codex would go on by HTTP."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                self.client = await self._open()
                handshake(self.client)
                head = await self.client.head()
                if head.start.split(b" ")[1] == b"101":
                    self.socket = Socket.of(self.client.reader, self.client.writer, client=True)
                    return True
        self._close()
        return False

    async def _turn_in_tunnel(self, model: str, kind: Kind, view: View) -> None:
        assert self.socket is not None
        await self.socket.send({**CREATE, "model": model})
        while True:
            message = await self.socket.receive()
            if not isinstance(message, dict):
                raise EOFError  # noqa: TRY004  a close, which ends the turn
            view.status = 200
            if final := FINAL_EVENTS.get(message["type"]):
                view.final = final
                return
            if kind is Kind.LEAVES_WITHIN:
                self._leave(view)
                return

    def _leave(self, view: View) -> None:
        view.left, view.in_sleep = time.time(), self.is_asleep()
        self._close(abort=self.random.random() < 0.5)

    def _close(self, *, abort: bool = True) -> None:
        if self.client is not None:
            (self.client.writer.transport.abort if abort else self.client.writer.close)()
        self.client = self.socket = None
