"""Clients that ask for everything at once, and judge what they get: whole and exact, 502, cut, or left."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

from tests.proxy.support import Request, read_head
from tests.soak.provider import Case, content, sha

PATIENCE = 20.0  # seconds for one request; what takes longer hangs


@dataclass(slots=True)
class Seen:
    """The outcomes of the requests: counts by case and outcome, and descriptions of the failures."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    moved: int = 0

    def note(self, case: str, outcome: str, allowed: tuple[str, ...]) -> None:
        self.outcomes[case, outcome] += 1
        if outcome not in allowed:
            self.wrong.append(f"{case}: {outcome}")


class Cut(Exception):
    """The answer ended before it was complete."""


class Walker:
    """One client: keeps its connection where it may, takes a new one after a fault."""

    def __init__(self, port: int, seed: int, seen: Seen) -> None:
        self._port = port
        self._random = random.Random(seed)
        self._seen = seen
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def walk(self, cases: tuple[Case, ...], until: float) -> None:
        """Go on until the loop's clock says so."""
        loop = asyncio.get_running_loop()
        try:
            while loop.time() < until:
                await self._step(self._random.choice(cases))
        finally:
            self._close()

    async def ask_through_bad_line(self, until: float) -> None:
        """Plain requests on new connections; the upstream's TLS may fail, and then the answer must say so."""
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            try:
                async with asyncio.timeout(PATIENCE):
                    outcome = await self._exchange(Case.PLAIN, 20_000)
            except (Cut, OSError, TimeoutError) as error:
                outcome = type(error).__name__
            self._seen.note("TLS", outcome, ("whole", "502"))
            self._close()

    async def _step(self, case: Case) -> None:
        size = self._random.choice((100, 5_000, 60_000, 400_000, 1_500_000 if case is Case.SLOW_READER else 30_000))
        try:
            async with asyncio.timeout(PATIENCE):
                outcome = await self._exchange(case, size)
        except Cut:
            outcome = "cut"
        except TimeoutError:
            outcome = "hangs"
        except OSError as error:
            # A reset is how a cut looks where the rest was not read; the worker may also have closed a connection
            # behind a fault, just when the next request set out on it.
            outcome = "cut" if case.outcome == "cut" else f"{type(error).__name__}"
        self._seen.note(case.name, outcome, (case.outcome,))
        if outcome != "whole":
            self._close()

    async def _exchange(self, case: Case, size: int) -> str:
        seed = self._random.randrange(1 << 30)
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 21)
        assert self._reader is not None
        await self._ask(self._writer, case, seed, size)
        if case is Case.CLIENT_LEAVES_EARLY:
            await asyncio.sleep(0.02)
            return "left"
        head = await self._head(self._reader)
        status = head.start.split(b" ")[1].decode()
        if status != "200":
            await self._reader.readexactly(int(head.get(b"content-length") or 0))
            return status
        if case is Case.CLIENT_LEAVES:
            await self._reader.read(100)
            return "left"
        body = await self._body(self._reader, head, slow=case is Case.SLOW_READER)
        self._seen.moved += len(body)
        exact = sha(body) == head.get(b"x-soak-sha") and len(body) == size
        return "whole" if exact else f"changed: {len(body)} of {size} bytes"

    async def _ask(self, writer: asyncio.StreamWriter, case: Case, seed: int, size: int) -> None:
        chunked = case is Case.CHUNKED_UPLOAD
        raw = content(seed + 1, self._random.choice((10, 3_000, 50_000, 300_000)))
        body = raw if chunked else b'{"model":"gpt-5","stream":true,"input":"%s"}' % raw.hex().encode()
        path, kind = ("files", "application/octet-stream") if chunked else ("responses", "application/json")
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        writer.write(
            f"POST /v1/{path}?case={case.name}&seed={seed}&size={size} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: {kind}\r\nAuthorization: Bearer chatgpt\r\nCookie: a=b\r\n"
            f"X-Client-Request-Id: {sha(body).decode()}\r\n{framing}\r\n\r\n".encode()
        )
        step = self._random.choice((500, 20_000, 1 << 20)) if len(body) < 100_000 else 1 << 16
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
        writer.write(b"0\r\n\r\n" if chunked else b"")
        await writer.drain()
        self._seen.moved += len(body)

    async def _head(self, reader: asyncio.StreamReader) -> Request:
        try:
            return await read_head(reader)
        except asyncio.IncompleteReadError as error:
            raise Cut from error

    async def _body(self, reader: asyncio.StreamReader, head: Request, *, slow: bool) -> bytes:
        try:
            if (head.get(b"transfer-encoding") or b"").lower() != b"chunked":
                return await self._exactly(reader, int(head.get(b"content-length") or 0), slow=slow)
            pieces = []
            while size := int(await reader.readuntil(b"\r\n"), 16):
                pieces.append((await self._exactly(reader, size + 2, slow=slow))[:-2])
            await reader.readexactly(2)
            return b"".join(pieces)
        except asyncio.IncompleteReadError as error:
            raise Cut from error

    @staticmethod
    async def _exactly(reader: asyncio.StreamReader, size: int, *, slow: bool) -> bytes:
        pieces, left = [], size
        while left:
            piece = await reader.readexactly(min(left, 100_000))
            left -= len(piece)
            pieces.append(piece)
            if slow:
                await asyncio.sleep(0.01)
        return b"".join(pieces)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None
