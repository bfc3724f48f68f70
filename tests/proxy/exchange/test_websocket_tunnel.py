"""WebSocket through the worker: the handshake, the tier, both directions, and each way to end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

from cfp.core.settings import Policy
from cfp.proxy.config import Limits
from cfp.proxy.exchange.phases import TunnelPhase
from tests.proxy.checked import transitions
from tests.proxy.support import (
    KEY_ENV,
    Call,
    Client,
    Request,
    Running,
    answer,
    asynchronous,
    say_ok,
    upstream,
    worker,
)

CREATE = {"type": "response.create", "model": "m", "input": []}
RECORDED = Path(__file__).parents[3] / "fixtures" / "wire" / "codex_0_169"
HANDSHAKE = (RECORDED / "websocket.http").read_bytes()
MESSAGES = (RECORDED / "messages.jsonl").read_text().splitlines()
COMPLETED = {"type": "response.completed", "response": {"service_tier": "priority", "usage": {"output_tokens": 3}}}
REFUSED_426 = (b"HTTP/1.1 426 Upgrade Required", "upgrade_not_served")


@dataclass(slots=True)
class Socket:
    """One end of a WebSocket, in wsproto's implementation."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: FrameProtocol
    whole: str = ""

    @classmethod
    def of(cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, client: bool) -> Socket:
        return cls(reader, writer, FrameProtocol(client=client, extensions=[]))

    async def send(self, value: Any, *, final: bool = True) -> None:
        text = value if isinstance(value, str | bytes) else json.dumps(value)
        self.writer.write(self.frames.send_data(text, fin=final))
        await self.writer.drain()

    async def receive(self) -> Any:
        """Return the next message or control frame: a parsed text, bytes, or (opcode, payload)."""
        while True:
            for frame in self.frames.received_frames():
                if frame.opcode.iscontrol():
                    return frame.opcode, frame.payload
                if frame.opcode is Opcode.BINARY:
                    return bytes(frame.payload)
                self.whole += str(frame.payload)
                if frame.message_finished:
                    whole, self.whole = self.whole, ""
                    return json.loads(whole)
            data = await self.reader.read(1 << 16)
            if not data:
                raise EOFError
            self.frames.receive_bytes(data)


def accept(request: Request, *fields: bytes) -> bytes:
    key = request.get(b"sec-websocket-key") or b""
    whole = key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    digest = base64.b64encode(hashlib.sha1(whole, usedforsecurity=False).digest())
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: upgrade"]
    return b"\r\n".join([*lines, b"Sec-WebSocket-Accept: " + digest, *fields, b"", b""])


def serving(script: Callable[[Socket], Awaitable[None]]) -> Callable[[Call], Awaitable[None]]:
    """Return a script for an upstream that accepts every WebSocket and gives it to `script`."""

    async def accepting(call: Call) -> None:
        await call.send(accept(call.request, b"X-Codex-Turn-State: s"))
        try:
            await script(Socket.of(call.reader, call.writer, client=False))
        except EOFError:
            raise ConnectionError from None

    return accepting


async def under_way(running: Running) -> None:
    """Wait until the worker has a turn; it has no event for that."""
    while not running.worker.requests_in_flight:  # noqa: ASYNC110  the worker has no event for it
        await asyncio.sleep(0)


async def say_completed(socket: Socket) -> None:
    while True:
        message = await socket.receive()
        if isinstance(message, dict) and message.get("type") == "response.create":
            await socket.send({"type": "response.created", "response": {}})
            await socket.send({**COMPLETED, "asked": message})


def handshake(client: Client, *fields: bytes, path: bytes = b"/v1/responses") -> None:
    client.get(
        path,
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)),
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        *fields,
    )


async def connected(running: Running, *fields: bytes) -> tuple[Client, Socket]:
    client = await running.client()
    handshake(client, *fields)
    head = await client.head()
    assert head.start == b"HTTP/1.1 101 Switching Protocols"
    assert head.get(b"sec-websocket-extensions") is None
    assert (head.get(b"upgrade"), head.get(b"x-codex-turn-state")) == (b"websocket", b"s")
    return client, Socket.of(client.reader, client.writer, client=True)


@asynchronous
async def test_the_phases_of_a_tunnel(tmp_path: Path) -> None:
    """The table has exactly the transitions of an accepted handshake and of a refused one."""
    async with upstream(serving(say_completed)) as up, worker(tmp_path, up.base) as running:
        client, _ = await connected(running)
        await client.close()
        await up.gone.get()
        up.script = say_ok
        refused = await running.client()
        handshake(refused)
        assert (await refused.error())[0].startswith(b"HTTP/1.1 426")
        await refused.close()
        assert transitions(TunnelPhase) == {one for one in running.performed if isinstance(one[0], TunnelPhase)}


@asynchronous
async def test_a_turn_gets_the_tier(tmp_path: Path) -> None:
    """`response.create` gets the tier as bodies do; each turn has a log line with tiers, first event and usage."""
    fields = (b"X-Codex-Routing-Hint: model=m", b"Authorization: Bearer user")
    async with upstream(serving(say_completed)) as up, worker(tmp_path, up.base) as running:
        client, socket = await connected(running, *fields)
        await socket.send(CREATE)
        assert (await socket.receive())["type"] == "response.created"
        assert (await socket.receive())["asked"] == {"service_tier": "priority", **CREATE}
        await socket.send({**CREATE, "service_tier": "flex", "generate": False})
        await socket.receive()
        assert (await socket.receive())["asked"]["service_tier"] == "flex"
        await client.close()
        await up.gone.get()
        (request,) = up.requests
        assert request.start == b"GET /api/v1/responses HTTP/1.1"
        assert request.get(b"sec-websocket-extensions") is None
        assert request.get(b"x-codex-routing-hint") == b"model=m;tier=priority"
        assert request.get(b"authorization") == b"Bearer user"
        assert (request.get(b"connection"), request.get(b"upgrade")) == (b"Upgrade", b"websocket")
    opened, first, second = running.log()
    assert (opened["status"], opened["transport"], opened["eligible"]) == (101, "websocket", False)
    names = ("status", "eligible", "service_tier_before", "service_tier_after", "response_service_tier", "transport")
    assert [first[name] for name in names] == [200, True, None, "priority", "priority", "websocket"]
    assert [second[name] for name in names] == [200, False, "flex", "flex", "priority", "websocket"]
    assert first["usage"]["output_tokens"] == 3
    assert first["first_byte_ms"] <= first["duration_ms"]


@asynchronous
async def test_a_session_of_codex_as_it_was_recorded(tmp_path: Path) -> None:
    """A recorded session of Codex 0.169, without its texts, reaches the upstream with the tier added."""
    async with upstream(serving(say_completed)) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.send(HANDSHAKE.replace(b"127.0.0.1:8787", b"127.0.0.1:%d" % client.port))
        assert (await client.head()).start == b"HTTP/1.1 101 Switching Protocols"
        socket = Socket.of(client.reader, client.writer, client=True)
        for message in MESSAGES:
            await socket.send(message)
            await socket.receive()
            message_sent = (await socket.receive())["asked"]
            assert list(message_sent.items()) == [("service_tier", "priority"), *json.loads(message).items()]
        await client.close()
        await up.gone.get()
        (request,) = up.requests
    sent = [tuple(line.split(b": ", 1)) for line in HANDSHAKE.strip().split(b"\r\n")[1:]]
    replaced = {b"Host", b"Connection", b"Upgrade", b"sec-websocket-extensions"}
    switch = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    unchanged = [pair for pair in sent if pair[0] not in replaced]
    assert request.headers[1:-1] == unchanged + switch
    assert [line["eligible"] for line in running.log()] == [False, False, True]


@asynchronous
async def test_everything_else_passes_as_it_is(tmp_path: Path) -> None:
    """Other texts, binary frames, fragments, pings and closes pass unchanged in both directions."""
    messages: asyncio.Queue[Any] = asyncio.Queue()

    async def script(socket: Socket) -> None:
        while True:
            message = await socket.receive()
            messages.put_nowait(message)
            if isinstance(message, tuple):
                socket.writer.write(socket.frames.pong(b"far") if message[0] is Opcode.PING else b"")
            elif isinstance(message, dict):
                await socket.send(json.dumps(message)[:5], final=False)
                await socket.send(json.dumps(message)[5:])
            else:
                await socket.send(message)

    async with upstream(serving(script)) as up, worker(tmp_path, up.base) as running:
        client, socket = await connected(running)
        fragments = json.dumps(CREATE)
        await socket.send(fragments[:9], final=False)
        socket.writer.write(socket.frames.ping(b"near"))
        assert await socket.receive() == (Opcode.PONG, b"far")
        await socket.send(fragments[9:])
        assert await socket.receive() == CREATE
        for value in ({"type": "response.cancel"}, b"\x00\xff", {"service_tier": None}):
            await socket.send(value)
            assert await socket.receive() == value
        socket.writer.write(socket.frames.close(CloseReason.NORMAL_CLOSURE, "bye"))
        await client.writer.drain()
        expected = [
            (Opcode.PING, b"near"),
            CREATE,
            {"type": "response.cancel"},
            b"\x00\xff",
            {"service_tier": None},
            (Opcode.CLOSE, (CloseReason.NORMAL_CLOSURE, "bye")),
        ]
        assert [await messages.get() for _ in expected] == expected
        await client.close()
        await up.gone.get()


@asynchronous
async def test_a_frame_too_large_to_hold_passes(tmp_path: Path) -> None:
    """An oversized frame passes without the tier; its turn is logged by the upstream's events, as not inspected."""
    async with (
        upstream(serving(say_completed)) as up,
        worker(tmp_path, up.base, limits=Limits(frame=1000)) as running,
    ):
        client, socket = await connected(running)
        large = {**CREATE, "input": ["x" * 5000]}
        await socket.send(large)
        await socket.receive()
        assert (await socket.receive())["asked"] == large
        await client.close()
        await up.gone.get()
    _, turn = running.log()
    assert (turn["json_error"], turn["status"], turn["service_tier_after"]) == ("not_looked_into", 200, None)


@asynchronous
async def test_a_policy_that_preserves_adds_nothing(tmp_path: Path) -> None:
    """`preserve` adds nothing to messages, and nothing to the routing hint."""
    async with upstream(serving(say_completed)) as up, worker(tmp_path, up.base, policy=Policy.PRESERVE) as running:
        client, socket = await connected(running, b"X-Codex-Routing-Hint: model=m")
        await socket.send(CREATE)
        await socket.receive()
        assert (await socket.receive())["asked"] == CREATE
        assert up.requests[0].get(b"x-codex-routing-hint") == b"model=m"
        await client.close()
        await up.gone.get()


@asynchronous
async def test_identity_stays_here_when_the_key_is_replaced(tmp_path: Path) -> None:
    """In override mode the handshake has the provider's key and no header that identifies the user."""
    environ = {KEY_ENV: "sk-canary"}
    async with (
        upstream(serving(say_completed)) as up,
        worker(tmp_path, up.base, environ=environ, upstream_api_key_env=KEY_ENV) as running,
    ):
        client, _ = await connected(running, b"Authorization: Bearer u", b"Cookie: c", b"ChatGPT-Account-ID: a")
        assert json.loads(running.worker.health())["upstream_websocket"] == "served"
        await client.close()
        await up.gone.get()
        (request,) = up.requests
        assert request.get(b"authorization") == b"Bearer sk-canary"
        assert (request.get(b"cookie"), request.get(b"chatgpt-account-id")) == (None, None)


@pytest.mark.parametrize(
    ("status", "remembered"),
    [
        (b"404 Not Found", True),
        (b"405 Method Not Allowed", True),
        (b"426 Upgrade Required", True),
        (b"200 OK", True),
        (b"501 Not Implemented", True),
        (b"401 Unauthorized", False),
        (b"429 Too Many Requests", False),
        (b"503 Service Unavailable", False),
    ],
)
@asynchronous
async def test_an_upstream_that_refuses_is_remembered(tmp_path: Path, status: bytes, *, remembered: bool) -> None:
    """426 at once; a clear refusal is remembered, a momentary fault is not."""

    async def script(call: Call) -> None:
        await call.send(answer(b"{}", status))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        for _ in range(2):
            client = await running.client()
            handshake(client)
            assert await client.error() == REFUSED_426
            assert await client.closed() == b""
            await client.close()
        assert len(up.requests) == (1 if remembered else 2)
        assert json.loads(running.worker.health())["upstream_websocket"] == (
            "not_served" if remembered else "untried"
        )
    assert [line["status"] for line in running.log()] == [426, 426]


@pytest.mark.parametrize("interim", [b"100 Continue", b"103 Early Hints"])
@asynchronous
async def test_an_interim_response_is_no_answer_to_a_handshake(tmp_path: Path, interim: bytes) -> None:
    """The final response behind an interim one decides."""

    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 " + interim + b"\r\n\r\n")
        await serving(say_completed)(call)

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client, _ = await connected(running)
        await client.close()
        await up.gone.get()


@asynchronous
async def test_a_close_that_crosses_a_handshake(tmp_path: Path) -> None:
    """A handshake is sent once more where a reused connection closes under it; a new connection's close is a 426."""
    served = asyncio.Event()

    async def script(call: Call) -> None:
        if call.request.get(b"upgrade") is None:
            await call.send(answer())
        elif up.connections == 2 and served.is_set():
            await serving(say_completed)(call)
        else:
            call.writer.close()

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        for works in (False, True):
            if works:
                served.set()
            up.connections = 0
            client = await running.client()
            client.get(b"/v1/models")
            assert (await client.response()).start == b"HTTP/1.1 200 OK"
            handshake(client)
            head = await client.head()
            assert (works, head.start.split()[1]) == (works, b"101" if works else b"426")
            assert up.connections == 2
            await client.close()
        await up.gone.get()


@asynchronous
async def test_an_upstream_that_breaks_the_handshake_is_a_426(tmp_path: Path) -> None:
    """A close, garbage, a wrong accept key, an extension not offered, silence, and no upstream at all."""

    async def script(call: Call) -> None:
        match call.request.get(b"x-way"):
            case b"garbage":
                await call.send(b"SMTP ready\r\n\r\n")
            case b"wrong":
                await call.send(accept(call.request).replace(b"Accept: ", b"Accept: x"))
            case b"extension":
                await call.send(accept(call.request, b"Sec-WebSocket-Extensions: permessage-deflate"))
            case b"silence":
                await call.reader.read(1)
        call.writer.close()

    for way in (b"close", b"garbage", b"wrong", b"extension", b"silence"):
        limits = Limits(switch_seconds=0.05 if way == b"silence" else 5)
        async with upstream(script) as up, worker(tmp_path, up.base, limits=limits) as running:
            client = await running.client()
            handshake(client, b"X-Way: " + way)
            assert (way, await client.error()) == (way, REFUSED_426)
            remembered = running.worker.websocket_support.unavailable(asyncio.get_running_loop().time())
            assert remembered is (way not in {b"close", b"garbage"})
            await client.close()
    async with worker(tmp_path, up.base) as running:
        client = await running.client()
        handshake(client)
        assert await client.error() == REFUSED_426
        await client.close()


@asynchronous
async def test_what_is_no_websocket_of_ours_is_a_426(tmp_path: Path) -> None:
    """Another path or version is a 426; a foreign page is denied before any connection is opened."""
    async with upstream(serving(say_completed)) as up, worker(tmp_path, up.base) as running:
        for path, fields, expected in (
            (b"/v1/realtime", (), b"HTTP/1.1 426 Upgrade Required"),
            (b"/v1/responses", (b"Origin: https://evil.example",), b"HTTP/1.1 403 Forbidden"),
        ):
            client = await running.client()
            handshake(client, *fields, path=path)
            assert (await client.response()).start == expected
            await client.close()
        assert up.requests == []


@asynchronous
async def test_a_refused_tier_is_learned(tmp_path: Path) -> None:
    """An error that names the tier is not passed on: the turn is sent unchanged, and so is the next one."""
    error = {"type": "error", "status": 400, "error": {"param": "service_tier", "message": "no"}}

    async def script(socket: Socket) -> None:
        while True:
            message = await socket.receive()
            await socket.send(error if "service_tier" in message else {**COMPLETED, "asked": message})

    async with upstream(serving(script)) as up, worker(tmp_path, up.base) as running:
        client, socket = await connected(running)
        for _ in range(2):
            await socket.send(CREATE)
            assert (await socket.receive())["asked"] == CREATE
        await socket.send({**CREATE, "service_tier": "own"})
        assert await socket.receive() == error
        assert running.worker.tier_refusals.model_names() == ["m"]
        await client.close()
        await up.gone.get()
    _, *turns = running.log()
    outcomes = [(turn["status"], turn["service_tier_injected"]) for turn in turns]
    assert outcomes == [(200, False), (200, False), (400, False)]


@asynchronous
async def test_the_ends_reach_each_other(tmp_path: Path) -> None:
    """A client that leaves frees the upstream, and a cut upstream cuts the client; the turn's log line says which."""
    cut = asyncio.Event()

    async def script(socket: Socket) -> None:
        await socket.receive()
        if cut.is_set():
            socket.writer.transport.abort()
        await socket.receive()

    async with upstream(serving(script)) as up, worker(tmp_path, up.base) as running:
        client, socket = await connected(running)
        await socket.send(CREATE)
        await under_way(running)
        await client.close()
        await up.gone.get()
        cut.set()
        client, socket = await connected(running)
        await socket.send(CREATE)
        with pytest.raises(EOFError):
            await socket.receive()
        await client.close()
        assert running.worker.requests_in_flight == 0
    assert [line["error_type"] for line in running.log()] == [None, "client_left", None, "upstream_cut"]


@asynchronous
async def test_a_drain_lets_the_turn_end(tmp_path: Path) -> None:
    """A running turn ends whole before both ends get Close; an idle tunnel gets Close at once."""
    go_on = asyncio.Event()

    async def script(socket: Socket) -> None:
        assert isinstance(await socket.receive(), dict)
        await socket.send({"type": "response.created", "response": {}})
        await go_on.wait()
        await socket.send(COMPLETED)
        assert await socket.receive() == (Opcode.CLOSE, (CloseReason.GOING_AWAY, ""))

    async with upstream(serving(script)) as up, worker(tmp_path, up.base) as running:
        client, socket = await connected(running)
        idle, idle_socket = await connected(running)
        await socket.send(CREATE)
        await socket.receive()
        running.worker.drain()
        going_away = (Opcode.CLOSE, (CloseReason.GOING_AWAY, ""))
        assert await idle_socket.receive() == going_away
        go_on.set()
        assert await socket.receive() == COMPLETED
        async with asyncio.timeout(3):  # the next sweep comes after 5 s
            assert await socket.receive() == going_away
        await idle.close()
        await client.close()
        await running.worker.wait_closed()


@asynchronous
async def test_a_turn_in_one_read_is_passed_on_before_the_close(tmp_path: Path) -> None:
    """A drain sends Close behind the last event of a turn, also where the whole turn arrives in one read."""
    go_on = asyncio.Event()

    async def script(socket: Socket) -> None:
        assert isinstance(await socket.receive(), dict)
        await go_on.wait()
        events = [{"type": "response.created", "response": {}}, COMPLETED]
        socket.writer.write(b"".join(socket.frames.send_data(json.dumps(event), fin=True) for event in events))
        assert await socket.receive() == (Opcode.CLOSE, (CloseReason.GOING_AWAY, ""))

    async with upstream(serving(script)) as up, worker(tmp_path, up.base) as running:
        client, socket = await connected(running)
        await socket.send(CREATE)
        await under_way(running)
        running.worker.drain()
        go_on.set()
        assert (await socket.receive())["type"] == "response.created"
        assert await socket.receive() == COMPLETED
        assert await socket.receive() == (Opcode.CLOSE, (CloseReason.GOING_AWAY, ""))
        await client.close()
        await running.worker.wait_closed()


@asynchronous
async def test_a_slow_end_pauses_the_other(tmp_path: Path) -> None:
    """A peer that does not read pauses the other one, in both directions, and then gets every byte."""
    total = 32 * 1024 * 1024
    stalled = {True: asyncio.Event(), False: asyncio.Event()}
    read = {True: asyncio.Event(), False: asyncio.Event()}

    async def push(writer: asyncio.StreamWriter, *, down: bool) -> None:
        piece = b"\x82\x7f" + (1 << 20).to_bytes(8, "big") + bytes(1 << 20)
        for _ in range(total >> 20):
            writer.write(piece)
            try:
                async with asyncio.timeout(None if stalled[down].is_set() else 0.3):
                    await writer.drain()
            except TimeoutError:
                stalled[down].set()
                await writer.drain()

    async def script(call: Call) -> None:
        await call.send(accept(call.request, b"X-Codex-Turn-State: s"))
        await push(call.writer, down=True)
        await stalled[False].wait()
        await call.reader.readexactly(total + 10 * (total >> 20))
        read[False].set()
        raise ConnectionError

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client, _ = await connected(running)
        await stalled[True].wait()
        await client.reader.readexactly(total + 10 * (total >> 20))
        await push(client.writer, down=False)
        assert stalled[False].is_set()
        await read[False].wait()
        await client.close()


@asynchronous
async def test_an_upstream_may_be_silent_in_a_turn(tmp_path: Path) -> None:
    """For hours, as between turns: only Codex knows for how long it wants to wait."""
    go_on = asyncio.Event()

    async def script(socket: Socket) -> None:
        await socket.receive()
        await go_on.wait()
        await socket.send(COMPLETED)

    async with upstream(serving(script)) as up, worker(tmp_path, up.base) as running:
        client, socket = await connected(running)
        hours = asyncio.get_running_loop().time() + 20_000
        running.worker.sweep(hours)
        await socket.send(CREATE)
        await under_way(running)
        running.worker.sweep(2 * hours)
        go_on.set()
        assert (await socket.receive())["type"] == "response.completed"
        await client.close()


@asynchronous
async def test_frames_sent_before_the_answer_wait_for_it(tmp_path: Path) -> None:
    """Frames behind the handshake wait for the upstream's 101: a refused upgrade never smuggles a request."""
    messages: asyncio.Queue[Any] = asyncio.Queue()

    async def script(call: Call) -> None:
        if b"x-no" in {name.lower() for name, _ in call.request.headers}:
            await call.send(answer(b"", b"404 Not Found"))
            messages.put_nowait(await call.reader.read())
            return
        await call.send(accept(call.request) + b"\x81\x02{}")
        messages.put_nowait(await Socket.of(call.reader, call.writer, client=False).receive())

    for fields in ((), (b"X-No: 1",)):
        async with upstream(script) as up, worker(tmp_path, up.base) as running:
            client = await running.client()
            socket = Socket.of(client.reader, client.writer, client=True)
            handshake(client, *fields)
            client.send(socket.frames.send_data(json.dumps(CREATE), fin=True))
            head = await client.head()
            if fields:
                assert (head.start, await messages.get()) == (REFUSED_426[0], b"")
            else:
                assert (await messages.get())["service_tier"] == "priority"
                assert await socket.receive() == {}
            await client.close()
