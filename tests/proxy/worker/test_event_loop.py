"""Turns are told apart, and names looked up beside the loop: a resolver that hangs holds up only those who asked."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from typing import Any

import pytest

from cfp.proxy.worker.event_loop import Addresses, run, turns

FOUND: Addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]


async def ask(name: str = "provider.example") -> Addresses:
    return await asyncio.get_running_loop().getaddrinfo(name, 1, type=socket.SOCK_STREAM)


def test_a_resolver_that_hangs_keeps_nobody() -> None:
    """Who asked may give up, and the loop may end, while it has no answer; threads are left for other work."""
    answers = threading.Event()

    def hanging(*_: Any) -> Addresses:
        answers.wait()
        return FOUND

    async def main() -> None:
        for number in range(100):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await ask(f"provider-{number}.example")
        assert await asyncio.to_thread(threading.current_thread) is not threading.current_thread()

    run(main(), hanging)
    assert not answers.is_set()
    answers.set()


def test_a_question_is_asked_once_at_a_time() -> None:
    """Connections that are opened together share an answer; the next one asks anew."""
    queries: list[tuple[Any, ...]] = []
    answers = threading.Event()

    def resolve(*query: Any) -> Addresses:
        queries.append(query)
        answers.wait()
        return FOUND

    async def main() -> None:
        together = [asyncio.create_task(ask()) for _ in range(10)]
        await asyncio.sleep(0)
        answers.set()
        assert await asyncio.gather(*together) == [FOUND] * 10
        assert await ask() == FOUND

    run(main(), resolve)
    assert queries == [("provider.example", 1, 0, socket.SOCK_STREAM, 0, 0)] * 2


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "no such name"), UnicodeError("no name")])
def test_who_asked_hears_why_there_is_no_answer(error: OSError | UnicodeError) -> None:
    """As from the resolver itself."""

    def failing(*_: Any) -> Addresses:
        raise error

    async def main() -> None:
        with pytest.raises(type(error)):
            await ask()

    run(main(), failing)


def test_the_usual_resolver_is_the_systems() -> None:
    """The name localhost has an address everywhere."""

    async def main() -> None:
        assert "127.0.0.1" in [address[0] for *_, address in await ask("localhost")]

    run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="nobody counts the turns of a proactor")
def test_turns_are_told_apart() -> None:
    """What runs in one turn sees the same; on a loop that does not count, every look is a turn of its own."""

    async def main() -> list[int]:
        turn, seen = turns(), []
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        for _ in range(2):
            loop.call_soon(lambda: seen.append(turn()))
        loop.call_soon(loop.call_soon, lambda: done.set_result(seen.append(turn())))
        await done
        return seen

    seen: list[list[int]] = []

    async def keep() -> None:
        seen.append(await main())

    run(keep())
    asyncio.run(keep())
    (first, same, next_one), every = seen
    assert first == same != next_one
    assert len(set(every)) == 3
