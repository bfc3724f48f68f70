"""A provider that behaves badly when it is told to, and checks every byte that reaches it.

The query of a request says what happens: `case` is one of `Case`, `seed` and `size` make the answer's body.
`x-client-request-id`, which passes also where the proxy replaces the key, has the checksum of the body as the client
wrote it; the worker may have put one member in front.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import random
import struct
from contextlib import suppress
from socket import SO_LINGER, SOL_SOCKET

from tests.proxy.support import Request, read_body, read_head

MEMBER = b'"service_tier":"priority",'


class Case(enum.Enum):
    """Behaviour of the provider or the client: (the outcome that the client must see; the description)."""

    PLAIN = ("whole", "all at once")
    CHUNKED_UPLOAD = ("whole", "a body of another kind, in chunks")
    STREAM = ("whole", "piece by piece")
    SLOW_READER = ("whole", "faster than the client reads")
    RESET_BEFORE = ("502", "reset before an answer")
    CLOSE_BEFORE = ("502", "closed before an answer")
    GARBAGE = ("502", "another protocol")
    RESET_WITHIN = ("cut", "reset within the body")
    CLOSE_WITHIN = ("cut", "closed within the body")
    GARBAGE_WITHIN = ("cut", "a chunk that is none")
    CLIENT_LEAVES = ("left", "the client goes within the body")
    CLIENT_LEAVES_EARLY = ("left", "the client goes while the provider says nothing")

    @property
    def outcome(self) -> str:
        return self.value[0]


def content(seed: int, size: int) -> bytes:
    """Return pseudo-random bytes of a seed, so that both sides know them without sending them."""
    return random.Random(seed).randbytes(size)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


class Provider:
    """`open`: connections that it has now; `wrong`: what must never have reached it."""

    def __init__(self) -> None:
        self.open = 0
        self.requests = 0
        self.wrong: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            return  # the soak is over
        finally:
            self.open -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False where the connection cannot go on."""
        head = await read_head(reader)
        query = dict(part.split("=") for part in head.start.split(b" ")[1].decode().partition("?")[2].split("&"))
        case, seed, size = Case[query["case"]], int(query["seed"]), int(query["size"])
        self._check(head, await read_body(reader, head))
        self.requests += 1
        body = content(seed, size)
        if case is Case.GARBAGE:
            writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        if case in {Case.RESET_BEFORE, Case.CLOSE_BEFORE, Case.GARBAGE}:
            if case is Case.RESET_BEFORE:
                reset(writer)
            return False
        if case in {Case.RESET_WITHIN, Case.CLOSE_WITHIN, Case.GARBAGE_WITHIN}:
            await _head(writer, body, chunked=case is Case.GARBAGE_WITHIN or bool(seed % 2))
            half = body[: size // 2]
            writer.write(b"%x\r\n%s\r\n" % (len(half), half) if case is Case.GARBAGE_WITHIN or seed % 2 else half)
            writer.write(b"no chunk\r\n" if case is Case.GARBAGE_WITHIN else b"")
            await writer.drain()
            await asyncio.sleep(0.01)
            if case is Case.RESET_WITHIN:
                reset(writer)
            return False
        if case is Case.CLIENT_LEAVES_EARLY:
            await reader.read()  # nothing is answered until the worker lets go
            return False
        await _answer(writer, body, chunked=bool(seed % 2), pause=0.003 if case is Case.STREAM else 0)
        return True

    def _check(self, head: Request, body: bytes) -> None:
        """Compare with what the client wrote; injected is the member alone, and only in a Responses request."""
        if b"/responses" in head.start:
            if not body.startswith(b"{" + MEMBER):
                self.wrong.append("the tier is missing")
            body = b"{" + body[1 + len(MEMBER) :]
        if sha(body) != head.get(b"x-client-request-id"):
            self.wrong.append(f"a request body arrived changed: {len(body)} bytes")
        if head.get(b"authorization") != b"Bearer soak" or head.get(b"cookie") is not None:
            self.wrong.append("identity headers are wrong")


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection at once, by a reset."""
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _head(writer: asyncio.StreamWriter, body: bytes, *, chunked: bool) -> None:
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    kind = b"text/event-stream" if chunked else b"application/octet-stream"
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nX-Soak-Sha: %s\r\n%s\r\n\r\n" % (kind, sha(body), framing))
    await writer.drain()


async def _answer(writer: asyncio.StreamWriter, body: bytes, *, chunked: bool, pause: float) -> None:
    await _head(writer, body, chunked=chunked)
    step = max(1, len(body) // 16)
    for start in range(0, len(body), step):
        piece = body[start : start + step]
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        await writer.drain()
        if pause:
            await asyncio.sleep(pause)
    writer.write(b"0\r\n\r\n" if chunked else b"")
    await writer.drain()


class BadLine:
    """A line to a TLS provider of which every third connection fails, in one of three ways."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._number = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._number += 1
        try:
            if self._number % 3 == 0:
                await self._fail(reader, writer)
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                await asyncio.gather(_pipe(reader, far_writer), _pipe(far_reader, writer))
            finally:
                far_writer.close()
        except (OSError, asyncio.CancelledError):
            return  # one side has gone, or the soak is over
        finally:
            writer.close()

    async def _fail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = self._number // 3 % 3
        if way:
            await reader.read(100)  # the beginning of its hello
            writer.write(b"HTTP/1.1 400 this is no TLS\r\n\r\n" if way == 1 else b"\x15\x03\x03\x00\x02\x02\x28")
            await writer.drain()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
