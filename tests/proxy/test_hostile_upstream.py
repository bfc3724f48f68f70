"""A hostile provider cannot stop the worker's loop: no byte costs more than a constant, in any form that it takes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cfp.proxy.http.websocket_frames import apply_mask, frame_header
from tests.proxy.exchange.test_websocket_tunnel import handshake
from tests.proxy.support import Client, asynchronous, worker

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
MOST_SECONDS = 0.05  # of the processor, in one turn of the loop
SIZE = 2 << 20  # bytes of each flood
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def chunks(body: bytes, size: int) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


FLOODS: dict[str, Callable[[], bytes]] = {
    "chunks of one byte": lambda: CHUNKED + chunks(b"a" * (SIZE // 6), 1),
    "empty lines": lambda: CHUNKED + chunks(b"\n" * SIZE, 1 << 16),
    "lines of CR": lambda: CHUNKED + chunks(b"data: \r" * (SIZE // 7), 1 << 16),
    "members of responses": lambda: CHUNKED + chunks(b'data: {"response":' * (SIZE // 18), 1 << 16),
    "members of responses, line by line": lambda: CHUNKED + chunks(b'data: {"response":{}}\n\n' * (SIZE // 24), 999),
    "one event without an end": lambda: CHUNKED + chunks(b'data: {"response":' + b"[" * SIZE, 1 << 16),
    "deep JSON": lambda: CHUNKED + chunks(b'data: {"type":"error","x":' + b"[" * SIZE + b"\n\n", 1 << 16),
    "interim responses": lambda: b"HTTP/1.1 102 Processing\r\n\r\n" * (SIZE // 27) + OK + b"\r\n",
    "interim responses without CR": lambda: b"HTTP/1.1 102 Processing\n\n" * (SIZE // 27) + OK + b"\r\n",
    "a head with many fields": lambda: OK + b"".join(b"a%d: b\r\n" % n for n in range(SIZE // 10)) + b"\r\n",
    "a field without an end": lambda: OK + b"a: " + b"b" * SIZE,
    "trailers": lambda: CHUNKED + b"0\r\n" + b"".join(b"a%d: b\r\n" % n for n in range(SIZE // 10)) + b"\r\n",
    "a bomb": lambda: OK + b"Content-Encoding: gzip\r\n\r\n" + zlib.compress(bytes(256 * SIZE), wbits=31),
    "a refusal": lambda: b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n" % SIZE + b"service_tie" * (SIZE // 11),
}
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
FRAMES: dict[str, bytes] = {
    "empty continuations": b"\x01\x01a" + b"\x00\x00" * (SIZE // 2),
    "continuations of one byte": b"\x01\x01a" + b"\x00\x01a" * (SIZE // 3),
    "pings": b"\x89\x00" * (SIZE // 2),
    "empty texts": b"\x81\x00" * (SIZE // 2),
    "small texts": b"\x81\x02{}" * (SIZE // 4),
    "errors": b'\x81\x10{"type":"error"}' * (SIZE // 18),
    "created": b'\x81\x1b{"type":"response.created"}' * (SIZE // 29),
    "pieces of a large frame": b"\x81\x7f" + (3 << 20).to_bytes(8, "big") + b"[" * (3 << 20),
}


@contextmanager
def provider(reply: Callable[[bytes], bytes]) -> Iterator[str]:
    """Serve one connection in a thread: the reply to its head, which is written as fast as it is read."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(1 << 16)
                try:
                    connection.sendall(reply(head))
                except ConnectionError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            thread.join()


async def longest_turn(client: Client) -> float:
    """Read until the worker closes; return the longest turn of the loop meanwhile, in seconds of the processor."""
    turns: list[float] = []
    last = time.thread_time()

    def tick() -> None:
        nonlocal last, handle
        now = time.thread_time()
        turns.append(now - last)
        last = now
        handle = loop.call_soon(tick)

    loop = asyncio.get_running_loop()
    handle = loop.call_soon(tick)
    while await client.reader.read(1 << 16):
        pass
    handle.cancel()
    return max(turns)


@pytest.mark.parametrize("name", FLOODS)
def test_no_response_stops_the_loop(tmp_path: Path, name: str) -> None:
    """Responses over HTTP, to a request that gets the tier and is observed."""
    flood = FLOODS[name]()

    @asynchronous
    async def ask() -> None:
        with provider(lambda _: flood) as base:
            async with worker(tmp_path, base) as running:
                client = await running.client()
                client.post(b'{"model":"m","stream":true}', b"Connection: close")
                assert await longest_turn(client) < MOST_SECONDS
                await client.close()

    ask()


@pytest.mark.parametrize("name", FRAMES)
def test_no_frames_stop_the_loop(tmp_path: Path, name: str) -> None:
    """Frames over WebSocket, while a turn with our tier waits for its first event."""
    frames = FRAMES[name]

    def switch(head: bytes) -> bytes:
        (key,) = re.findall(rb"(?i)sec-websocket-key: (\S+)", head)
        accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
        return SWITCH + accept + b"\r\n\r\n" + frames

    @asynchronous
    async def ask() -> None:
        with provider(switch) as base:
            async with worker(tmp_path, base) as running:
                client = await running.client()
                handshake(client)
                create = b'{"type":"response.create","model":"m"}'
                client.send(frame_header(0x81, len(create), b"abcd") + apply_mask(create, b"abcd"))
                assert await longest_turn(client) < MOST_SECONDS
                await client.close()

    ask()
