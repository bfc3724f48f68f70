"""Mixed traffic with faults for a while: no error that is not the upstream's or the client's, and nothing grows."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cfp.proxy.worker.event_loop import run as run_in_loop
from tests.certificates import self_signed
from tests.numbers import Numbers
from tests.performance import proc
from tests.soak.provider import BadLine, Case, Provider
from tests.soak.traffic import Seen, Walker
from tests.soak.worker import Worker, worker

SECONDS = float(os.environ.get("CFP_TEST_SOAK_SECONDS", "30"))
WALKERS = 16
GROWTH_MB = 8.0  # bodies of a megabyte leave gaps in the heap, which soon stop growing
# What the worker may say of a request here; anything else is its own fault.
# upstream_not_sse: the bodies of the soak's responses are bytes, and no events.
FOREIGN = {
    "client_left",
    "upstream_broke_off",
    "upstream_bad_response",
    "upstream_cut",
    "upstream_unreachable",
    "upstream_not_sse",
}

pytestmark = [
    pytest.mark.posix("/proc, which tells of memory and descriptors", needs="linux"),
    pytest.mark.timeout(SECONDS + 120),
]


@dataclass
class Log:
    """`requests`: lines so far, `kinds`: how many of each error."""

    worker: Worker
    requests: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def read(self) -> None:
        """Count the lines that are new."""
        for line in self.worker.new_lines():
            self.requests += 1
            if kind := line["error_type"]:
                self.kinds[str(kind)] += 1

    async def follow(self) -> None:
        while True:
            await asyncio.sleep(5.0)  # some 400 KB
            self.read()


@asynccontextmanager
async def listening(server: Provider | BadLine, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 21, ssl=context)
    yield listener.sockets[0].getsockname()[1]
    await asyncio.sleep(0.05)  # what is just being accepted has its task then: before that, nobody would close it
    listener.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0.05)


async def at_rest(worker: Worker, provider: Provider) -> int:
    """Descriptors once every client has left, without the connections that are kept to the provider."""
    await asyncio.sleep(1.0)  # the worker's lines are written, aborted transports closed
    return proc.descriptors(worker.pid) - provider.open


def private(worker: Worker) -> float:
    """Megabytes that nobody shares: the share of common pages changes as other processes come and go."""
    return proc.memory([worker.pid], "Private_Dirty")


async def run(folder: Path, seconds: float, seen: Seen, numbers: Numbers) -> None:
    loop = asyncio.get_running_loop()
    provider = Provider()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listening(provider))
        one = await stack.enter_async_context(worker(folder, port))
        log = Log(one)
        walkers = [Walker(one.port, number, seen) for number in range(WALKERS)]

        async def walk(length: float) -> None:
            until = loop.time() + length
            following = asyncio.create_task(log.follow())
            await asyncio.gather(*(walker.walk(tuple(Case), until) for walker in walkers))
            following.cancel()

        await walk(seconds / 3)
        descriptors, memory = await at_rest(one, provider), private(one)
        await walk(seconds * 2 / 3)
        more = await at_rest(one, provider) - descriptors
        grown = private(one) - memory
        log.read()
        numbers.count("soak", "requests", sum(seen.outcomes.values()))
        numbers.count("soak", "megabytes checked", seen.moved // 1_000_000)
        numbers.count("soak", "kilobytes grown", int(grown * 1000))
        numbers.count("soak", "descriptors more", more)
        for kind, many in sorted(log.kinds.items()):
            numbers.count("soak", f"logged as {kind}", many)
        numbers.count("soak", "violations", len(seen.wrong) + len(provider.wrong))
        assert (seen.wrong, provider.wrong) == ([], [])
        assert set(log.kinds) <= FOREIGN
        assert log.requests == sum(seen.outcomes.values())
        assert more <= 0
        assert grown < GROWTH_MB
        assert {case for case, _ in seen.outcomes} == {case.name for case in Case}


def test_faults_stay_where_they_are(tmp_path: Path, numbers: Numbers) -> None:
    """Every body is exact both ways, every fault is told as what it is, no request hangs, nothing piles up."""
    run_in_loop(run(tmp_path, SECONDS, Seen(), numbers))


async def run_tls(folder: Path, seconds: float, seen: Seen) -> None:
    made = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made)
    provider = Provider()
    async with (
        listening(provider, context) as target,
        listening(BadLine(target)) as line,
        worker(folder, line, made) as one,
    ):
        until = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(Walker(one.port, number, seen).ask_through_bad_line(until) for number in range(4)))
        assert (seen.wrong, provider.wrong) == ([], [])
        log = Log(one)
        log.read()
        assert set(log.kinds) <= FOREIGN
    assert set(seen.outcomes) == {("TLS", "whole"), ("TLS", "502")}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls_faults_are_reported(tmp_path: Path) -> None:
    """A failed handshake gives a 502 with its reason; the next request is served."""
    run_in_loop(run_tls(tmp_path, min(SECONDS / 6, 60), Seen()))
