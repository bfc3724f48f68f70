"""The event loop: its turns are counted, and host names are resolved in threads of their own."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.worker.event_loop import Addresses, Loop, run, turns

ADDRESSES: Addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]


async def ask(name: str = "provider.example") -> Addresses:
    return await asyncio.get_running_loop().getaddrinfo(name, 1, type=socket.SOCK_STREAM)


def test_a_resolver_that_hangs_delays_nothing_else() -> None:
    """While a resolver hangs, a caller can give up, the loop can end, and the thread pool stays free."""
    answers = threading.Event()

    def hanging(*_: Any) -> Addresses:
        answers.wait()
        return ADDRESSES

    async def main() -> None:
        for number in range(100):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await ask(f"provider-{number}.example")
        assert await asyncio.to_thread(threading.current_thread) is not threading.current_thread()

    run(main(), hanging)
    assert not answers.is_set()
    answers.set()


def test_equal_queries_share_a_result() -> None:
    """Equal queries at one time share one result; a later query runs again."""
    queries: list[tuple[Any, ...]] = []
    answers = threading.Event()

    def resolve(*query: Any) -> Addresses:
        queries.append(query)
        answers.wait()
        return ADDRESSES

    async def main() -> None:
        together = [asyncio.create_task(ask()) for _ in range(10)]
        await asyncio.sleep(0)
        answers.set()
        assert await asyncio.gather(*together) == [ADDRESSES] * 10
        assert await ask() == ADDRESSES

    run(main(), resolve)
    assert queries == [("provider.example", 1, 0, socket.SOCK_STREAM, 0, 0)] * 2


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "no such name"), UnicodeError("no name")])
def test_a_resolvers_error_is_raised(error: OSError | UnicodeError) -> None:
    """The resolver's error reaches the caller."""

    def failing(*_: Any) -> Addresses:
        raise error

    async def main() -> None:
        with pytest.raises(type(error)):
            await ask()

    run(main(), failing)


def test_the_usual_resolver_is_the_systems() -> None:
    """Without another resolver, localhost resolves."""

    async def main() -> None:
        assert "127.0.0.1" in [address[0] for *_, address in await ask("localhost")]

    run(main())


def test_turns_are_counted() -> None:
    """Calls in one turn return one number; on a loop that does not count, every call returns another."""

    async def main() -> list[int]:
        turn, runs = turns(), []
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        for _ in range(2):
            loop.call_soon(lambda: runs.append(turn()))
        loop.call_soon(loop.call_soon, lambda: done.set_result(runs.append(turn())))
        await done
        return runs

    runs: list[list[int]] = []

    async def keep() -> None:
        runs.append(await main())

    run(keep())
    asyncio.run(keep())
    (first, same, next_one), every = runs
    assert first == same != next_one
    assert len(set(every)) == 3


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_streams_come_before_everything_else(urgency: list[bool]) -> None:
    """A turn with many ready sockets has all urgent ones and a few others, until each has had its turn."""
    loop = Loop(socket.getaddrinfo)
    pairs = [socket.socketpair() for _ in urgency]
    by_turn: dict[int, list[int]] = {}

    def handle(number: int) -> None:
        by_turn.setdefault(loop.turn(), []).append(number)
        loop.remove_reader(pairs[number][0])
        if sum(map(len, by_turn.values())) == len(pairs):
            loop.stop()

    try:
        for number, (reader, writer) in enumerate(pairs):
            writer.send(b"x")
            loop.add_reader(reader, handle, number)
            if urgency[number]:
                loop.urgent.add(reader.fileno())
        loop.run_forever()
    finally:
        loop.close()
        for one in itertools.chain(*pairs):
            one.close()
    left = len(pairs)
    for numbers in by_turn.values():
        others = [number for number in numbers if not urgency[number]]
        assert len(others) <= 8 or left <= 16
        left -= len(numbers)
    (first, *_) = by_turn.values()
    assert {number for number in range(len(pairs)) if urgency[number]} <= set(first)
    assert 0 == left
