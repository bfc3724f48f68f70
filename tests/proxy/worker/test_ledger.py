"""The ledger of a real worker beside a provider that counts, while the worker is killed and its log is rotated."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from cfp.layout import Layout
from cfp.proxy.telemetry.ledger.ledger_file import Ledger
from cfp.proxy.telemetry.ledger.report import By, report
from cfp.proxy.telemetry.request_log import moved_names
from tests.crash.sizes import size
from tests.numbers import Numbers
from tests.ports import free_port
from tests.proxy.support import Call, answer, asynchronous, read_body, read_head, upstream

REQUESTS = size("LEDGER_REQUESTS", 10_000, 100_000)
ROUNDS = 6
CLIENTS = 16
LOG_BYTES = 200_000  # a log file takes some 220 lines, so that a fold is under way at many moments
UNWRITTEN_SECONDS = 0.25  # writes are 2 ms apart, more on a busy machine
MODELS = ("gpt-5.5", "gpt-6", "o4-mini")
COUNTED = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "fast_served", "failed", "requests")

WORKER = """
import sys
from pathlib import Path
from cfp.core.settings import Policy, Settings
from cfp.layout import Layout
from cfp.proxy.config import Limits, WorkerConfig
from cfp.proxy.worker.process import serve

home, base, port, log = sys.argv[1:]
settings = Settings(provider="relay", upstream_base=base, port=int(port), service_tier_policy=Policy.INJECT_MISSING)
serve(WorkerConfig(settings=settings, layout=Layout(Path(home)), environ={}, limits=Limits(log=int(log))))
"""


@dataclass
class Provider:
    """Answers at random, and counts what it has answered in each session."""

    random: random.Random
    counts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    async def __call__(self, call: Call) -> None:
        session = (call.request.get(b"thread-id") or b"").decode()
        counts = self.counts[session]
        counts["requests"] += 1
        if self.random.random() < 0.1:
            counts["failed"] += 1
            await call.send(answer(b'{"error":{"code":"server_error"}}', b"500 Internal Server Error"))
            return
        usage = {name: self.random.randrange(100_000) for name in COUNTED[:4]}
        counts.update(usage)
        tier = self.random.choice(["priority", "fast", "default"])
        counts["fast_served"] += tier != "default"
        reported = {
            "input_tokens": usage["input_tokens"],
            "input_tokens_details": {"cached_tokens": usage["cached_tokens"]},
            "output_tokens": usage["output_tokens"],
            "output_tokens_details": {"reasoning_tokens": usage["reasoning_tokens"]},
        }
        event = {"type": "response.completed", "response": {"service_tier": tier, "usage": reported}}
        text = b"event: response.completed\ndata: " + json.dumps(event).encode() + b"\n\n"
        await call.send(answer(text, b"200 OK", b"Content-Type: text/event-stream"))


@dataclass
class Traffic:
    """Clients that send one request after the other, on a new connection each, as Codex does."""

    port: int
    random: random.Random
    ended: list[float] = field(default_factory=list)
    cut: int = 0

    async def send(self, session: str, count: int) -> None:
        """Send that many requests, some at a time; a request that is cut is not sent again."""
        waiting = iter(range(count))

        async def client() -> None:
            for _ in waiting:
                try:
                    await self._request(session)
                except (OSError, EOFError):  # the worker was killed
                    self.cut += 1
                    return
                self.ended.append(monotonic())

        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    async def _request(self, session: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            body = json.dumps({"model": self.random.choice(MODELS), "stream": True, "input": "hello"}).encode()
            head = f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nThread-Id: {session}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await read_body(reader, await read_head(reader))
        finally:
            writer.close()


@contextmanager
def worker(home: Path, base: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own."""
    command = [sys.executable, "-P", "-c", WORKER, str(home), base, str(port), str(LOG_BYTES)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


async def accepting(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the worker accepts connections."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        assert process.poll() is None
        await asyncio.sleep(0.02)


def ledger_of(layout: Layout) -> Ledger:
    ledger = Ledger.read(layout.ledger)
    ledger.fold(layout.request_log)
    return ledger


def by_session(layout: Layout) -> dict[str, dict[str, int]]:
    return {row["session"]: row for row in report(ledger_of(layout).table.rows(), By.SESSION, None).rows}


async def settled(layout: Layout, session: str, count: int) -> None:
    """Wait until the lines of a session are written; another process writes them, and has no event for it."""
    async with asyncio.timeout(30):
        while by_session(layout).get(session, {}).get("requests") != count:  # noqa: ASYNC110  see above
            await asyncio.sleep(0.05)


@pytest.mark.posix("a kill between any two instructions")
@partial(asynchronous, seconds=240)
async def test_the_sums_are_those_of_the_provider(tmp_path: Path, numbers: Numbers) -> None:
    """Over random requests the ledger has what the provider counted, whatever is killed and rotated.

    A session whose last line was written before the kill is exact. In a session that the kill interrupts, the
    provider's count is greater by no more than the requests that were running, or whose lines were not written yet.
    """
    layout = Layout(tmp_path)
    layout.worker.mkdir(parents=True)
    provider = Provider(random.Random(1))
    port, each = free_port(), REQUESTS // ROUNDS
    bounds: dict[str, int] = {}
    cut = 0
    chance = random.Random(2)
    async with upstream(provider) as double:
        for number in range(ROUNDS):
            traffic = Traffic(port, chance)
            with worker(tmp_path, double.base, port) as process:
                await accepting(process, port)
                quiet, loud = f"quiet-{number}", f"loud-{number}"
                share = chance.randrange(each // 4, each // 2)
                await traffic.send(quiet, share)
                await settled(layout, quiet, share)
                sending = asyncio.create_task(traffic.send(loud, each))
                target = share + chance.randrange(1, each - share)
                while len(traffic.ended) < target:  # noqa: ASYNC110  its clients have no common event
                    await asyncio.sleep(0)
                process.kill()
                killed_at = monotonic()
                await sending
                unwritten = [at for at in traffic.ended[share:] if at > killed_at - UNWRITTEN_SECONDS]
                bounds[loud] = traffic.cut + len(unwritten)
                cut += traffic.cut
        with worker(tmp_path, double.base, port) as process:
            await accepting(process, port)
            rest = REQUESTS - sum(counts["requests"] for counts in provider.counts.values())
            await Traffic(port, chance).send("rest", rest)
            await settled(layout, "rest", rest)
    rows, nothing = by_session(layout), dict.fromkeys((*COUNTED, "unanswered"), 0)
    missing = 0
    for session, counts in provider.counts.items():
        row = rows.get(session, nothing)
        difference = counts["requests"] - (row["requests"] - row["unanswered"])
        missing += difference
        assert 0 <= difference <= bounds.get(session, 0), session
        if difference == 0:
            assert {name: counts[name] for name in COUNTED} == {name: row[name] for name in COUNTED}, session
        else:
            assert all(row[name] <= counts[name] for name in COUNTED[:4]), session
    ledger = ledger_of(layout)
    assert [] == ledger.gaps
    assert all(path.exists() for path in (layout.ledger, *moved_names(layout.request_log, 5)[1:]))
    again = report(ledger.table.rows(), By.DAY, None).total["requests"]
    ledger.fold(layout.request_log)
    assert again == report(ledger.table.rows(), By.DAY, None).total["requests"]
    numbers.count(
        "ledger", "requests that the provider counted", sum(each["requests"] for each in provider.counts.values())
    )
    numbers.count("ledger", "of these, running when a worker was killed", cut)
    numbers.count("ledger", "ended before a kill, and not logged", max(0, missing - cut))
