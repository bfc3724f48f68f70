"""Whatever the log holds, the page gets a fixed number of rows of a bounded size, and no turn of the loop is long."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from cfp.layout import API_PATH
from cfp.proxy.dashboard.handler import MOST_LINES
from cfp.proxy.dashboard.usage import MOST_ROWS
from tests.crash.sizes import size
from tests.dashboard.stage import line
from tests.numbers import Numbers
from tests.proxy.support import asynchronous, upstream, worker

LINES = size("LOG_LINES", 20_000, 100_000)
LONG = "a-model-" * 1_300
TEXTS = (*["gpt-5.5"] * 40, "<script>alert(1)</script>", "\x00\x1b[31m\u202e", "\ud800", LONG, "")
LARGEST = {"state": 1_500_000, "usage": 120_000}  # bytes
MOST_SECONDS = 0.05  # of the processor, in one turn of the loop
REFRESH_SECONDS = 0.5  # of the processor, for one that finds little new


def log_of(base: str, number: int) -> Iterator[bytes]:
    """Give lines with odd texts in every field, fifty from a session."""
    at = datetime(2026, 3, 4, tzinfo=UTC)
    kinds = [
        json.dumps(line(at, 0, upstream_base=base, **names(text)), separators=(",", ":")).encode() for text in TEXTS
    ]
    for count, kind in enumerate(islice(cycle(kinds), number)):
        yield (
            kind.replace(b"5eed000000000000", b"5eed%012x" % count).replace(b"SESSION", b"%d" % (count // 50)) + b"\n"
        )


def names(text: str) -> dict[str, Any]:
    fields = ("response_model", "kind", "service_tier_after", "response_service_tier", "path", "error_type")
    return {"model": f"{text}SESSION", "session": f"{text}SESSION", **dict.fromkeys(fields, text)}


@contextmanager
def turns() -> Iterator[list[float]]:
    """Measure each turn of the running loop, in seconds of the processor."""
    measured: list[float] = []
    loop, last = asyncio.get_running_loop(), time.thread_time()

    def tick() -> None:
        nonlocal last, handle
        now = time.thread_time()
        measured.append(now - last)
        last = now
        handle = loop.call_later(0.0005, tick)

    handle = loop.call_soon(tick)
    yield measured
    handle.cancel()


def longest(value: Any) -> int:
    """Return the length of the longest text in a JSON value."""
    if isinstance(value, dict):
        return max((longest(one) for one in (*value, *value.values())), default=0)
    if isinstance(value, list):
        return max(map(longest, value), default=0)
    return len(value) if isinstance(value, str) else 0


def test_a_long_and_odd_log_is_bounded(tmp_path: Path, numbers: Numbers) -> None:
    """Rows, sizes, turns of the loop and the time of a refresh stay below their limits, at each look."""

    async def look() -> None:
        async with upstream() as provider, worker(tmp_path, provider.base) as running:
            running.layout.request_log.write_bytes(b"".join(log_of(provider.base, LINES)))
            with turns() as measured:
                running.worker.remember()
                client = await running.client(limit=1 << 24)
                for path in ("state", "usage/session/all", "usage/model/all", "usage/day/30", "state"):
                    began, since = time.process_time(), time.monotonic()
                    client.get(f"{API_PATH}/{path}".encode())
                    body = (await client.response()).body
                    spent = time.process_time() - began
                    numbers.time("dashboard, long log", path, time.monotonic() - since)
                    answer = json.loads(body)
                    assert len(body) < LARGEST[path.partition("/")[0]], path
                    assert longest(answer) <= 500, path
                    assert len(answer.get("requests", ())) <= MOST_LINES
                    assert len(answer.get("rows", ())) <= MOST_ROWS
                    if path not in {"usage/session/all", "state"}:
                        assert spent < REFRESH_SECONDS, path
                client.get(f"{API_PATH}/state".encode())
                assert MOST_LINES == len(json.loads((await client.response()).body)["requests"])
                await client.close()
            assert max(measured) < MOST_SECONDS
            numbers.time("dashboard, long log", "longest turn", max(measured))

    asynchronous(look, seconds=120)()
