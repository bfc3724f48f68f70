"""The scenarios of the load, and the numbers of a run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.performance import proc
from tests.performance.contenders import REPOSITORY, Contender

Numbers = dict[str, float]
_PATIENCE = 60.0  # seconds for one run
_BEHIND = 0.1  # seconds in which log lines are written that a request does not wait for: they are work too


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The amounts of a measurement: for a table to publish, or for a quick look.

    peers_every  peers beside nginx take part in one of so many rounds
    """

    rounds: int
    peers_every: int
    share: float
    stream_seconds: int
    many_stream_seconds: int
    requests_for_memory: int
    starts: int

    def of(self, count: int) -> int:
        return max(8, int(count * self.share))


FULL = Size(
    rounds=5,
    peers_every=5,
    share=1.0,
    stream_seconds=4,
    many_stream_seconds=8,
    requests_for_memory=100_000,
    starts=15,
)
QUICK = Size(
    rounds=2, peers_every=1, share=0.3, stream_seconds=3, many_stream_seconds=4, requests_for_memory=20_000, starts=6
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`load` is what the clients do; `takes` says which of its numbers are kept, under which names.

    turns  how often it is run in one round: what takes half a second sees a neighbour's burst, or sees none of it
    """

    name: str
    load: dict[str, Any]
    takes: tuple[str, ...]
    turns: int = 1


def load(contender: Contender, options: dict[str, Any], *, watch: bool = False) -> Numbers:
    """Let the clients run once against it; `watch` its memory meanwhile. One that hangs has failed them all."""
    before = proc.cpu_seconds(contender.pids())
    command = [sys.executable, "-m", "tests.performance.load", json.dumps({**options, "port": contender.port})]
    memory = 0.0
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        if watch and contender.pid is not None:
            for _ in _while(process):
                memory = max(memory, proc.memory(contender.pids()))
        try:
            out, _ = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return {"errors": float(options.get("clients", 1))}
    seen = json.loads(out)
    settle(_BEHIND)
    cpu = proc.cpu_seconds(contender.pids()) - before
    request_count = options.get("clients", 1) * (options.get("requests", 1) + options.get("warm", 0))
    numbers: Numbers = {"errors": seen["errors"], "seconds": seen["seconds"], "loaded_mb": memory}
    numbers["requests_per_second"] = seen["done"] / seen["seconds"]
    numbers["cpu_us_per_request"] = cpu / request_count * 1e6
    numbers["cpu_percent"] = cpu / seen["seconds"] * 100
    numbers["mb_per_second"] = seen["bytes"] / seen["seconds"] / 1e6
    if seen["events"]:
        numbers["cpu_us_per_event"] = cpu / seen["events"] * 1e6
    return {**numbers, **seen["quantiles"]}


def _while(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Again and again until the process has little left to do but to print."""
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        yield
        try:
            process.wait(0.3)
        except subprocess.TimeoutExpired:
            continue


def scenarios(size: Size) -> list[Scenario]:
    """The scenarios of forwarded requests; each runs against every contender in every round."""
    one, firsts = {"query": "plan=one"}, ("first_p50", "first_p99", "cpu_us_per_request")
    stream = f"plan=stream&n={size.stream_seconds * 20}&gap=50"
    first = "plan=stream&n=20&gap=50"
    slower = f"plan=stream&n={size.stream_seconds * 10}&gap=100"
    longer = f"plan=stream&n={size.many_stream_seconds * 20}&gap=50"
    events = ("event_p50", "event_p99", "cpu_us_per_event")
    fresh, crowd, megabyte = {**one, "fresh": True}, {**one, "clients": 64}, {**one, "body": 1_000_000}
    return [
        Scenario(name="1 client, 40 KB", load={**one, "requests": size.of(1500), "warm": 20}, takes=firsts, turns=3),
        Scenario(name="1 client, new connections", load={**fresh, "requests": size.of(500)}, takes=firsts),
        Scenario(
            name="64 clients, 40 KB",
            load={**crowd, "requests": size.of(80), "warm": 5},
            takes=(*firsts, "requests_per_second"),
            turns=3,
        ),
        Scenario(
            name="64 clients, new connections", load={**crowd, "fresh": True, "requests": size.of(30)}, takes=firsts
        ),
        Scenario(name="1 client, 1 MB", load={**megabyte, "requests": size.of(80), "warm": 2}, takes=firsts),
        Scenario(name="64 clients, 1 MB", load={**megabyte, "clients": 64, "requests": 8, "warm": 1}, takes=firsts),
        Scenario(
            name="1 client, 10 MB", load={**one, "body": 10_000_000, "requests": size.of(16), "warm": 1}, takes=firsts
        ),
        Scenario(
            name="short answers, 16 clients, 2 KB",
            load={"query": "", "body": 2000, "clients": 16, "requests": size.of(800), "warm": 10},
            takes=("requests_per_second", "cpu_us_per_request"),
            turns=3,
        ),
        Scenario(name="16 streams x 20/s", load={"query": stream, "clients": 16, "skip": 0.5}, takes=events),
        Scenario(name="300 streams x 10/s", load={"query": slower, "clients": 300, "skip": 1}, takes=events),
        Scenario(
            name="300 streams x 20/s, their first second",
            load={"query": first, "clients": 300},
            takes=events,
            turns=3,
        ),
        Scenario(
            name="500 streams x 20/s",
            load={"query": longer, "clients": 500, "skip": 1},
            takes=("seconds", "errors", *events, "cpu_percent", "loaded_mb"),
        ),
        Scenario(
            name="bulk stream",
            load={"query": f"plan=bulk&mb={size.of(256)}"},
            takes=("mb_per_second", "cpu_percent"),
        ),
    ]


def settle(seconds: float = 1.0) -> None:
    """Let whatever a process does behind its first answers come to rest; there is no event to wait for."""
    time.sleep(seconds)
