"""The worker's event loop: it counts its turns, and names are looked up in threads that nobody waits for.

asyncio looks them up in the threads that write the log and decode bodies, of which there are few. A resolver that
does not answer, as on a machine that has just lost its network, holds all of them, and the end of the process too.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, TypeAlias

Name: TypeAlias = bytes | str | None
Port: TypeAlias = bytes | str | int | None
Question: TypeAlias = tuple[Name, Port, int, int, int, int]
Addresses: TypeAlias = list[Any]  # as socket.getaddrinfo has them
LookUp: TypeAlias = Callable[[Name, Port, int, int, int, int], Addresses]

if sys.platform == "win32":
    _Usual: TypeAlias = asyncio.ProactorEventLoop
else:
    _Usual: TypeAlias = asyncio.SelectorEventLoop


def run(main: Coroutine[Any, Any, None], look_up: LookUp = socket.getaddrinfo) -> None:
    """Run it to its end as asyncio.run does."""
    with asyncio.Runner(loop_factory=partial(Loop, look_up)) as runner:
        runner.run(main)


def turns() -> Callable[[], int]:
    """Return what says which turn the running loop is in: what it handles in one had begun to come when that began.

    A turn lasts some milliseconds at the most. Where nobody counts them, every call is a turn of its own.
    """
    loop = asyncio.get_running_loop()
    if sys.platform != "win32" and isinstance(loop, Loop):
        return loop.turn
    return count().__next__


class _Counted(selectors.DefaultSelector):
    """Knows how often it has been asked what is ready."""

    turn = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.turn += 1
        return super().select(timeout)


class Loop(_Usual):
    """asyncio's own, but for look-ups and turns. Who asks for what is being asked already gets the same answer."""

    if sys.platform == "win32":

        def __init__(self, look_up: LookUp) -> None:
            super().__init__()
            self._begin(look_up)

    else:

        def __init__(self, look_up: LookUp) -> None:
            self._counted = _Counted()
            super().__init__(self._counted)
            self._begin(look_up)

        def turn(self) -> int:
            return self._counted.turn

    def _begin(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._asked: dict[Question, asyncio.Future[Addresses]] = {}

    async def getaddrinfo(
        self,
        host: Name,
        port: Port,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002  asyncio's signature
        proto: int = 0,
        flags: int = 0,
    ) -> Addresses:
        question = (host, port, family, type, proto, flags)
        found = self._asked.get(question)
        if found is None:
            found = self._asked[question] = self.create_future()
            threading.Thread(target=self._ask, args=(question,), name="look-up", daemon=True).start()
        return await asyncio.shield(found)

    def _ask(self, question: Question) -> None:
        """In a thread."""
        answer: Addresses | OSError | UnicodeError
        try:
            answer = self._look_up(*question)
        except (OSError, UnicodeError) as error:
            answer = error
        with suppress(RuntimeError):  # the loop may have ended meanwhile
            self.call_soon_threadsafe(self._tell, question, answer)

    def _tell(self, question: Question, answer: Addresses | OSError | UnicodeError) -> None:
        found = self._asked.pop(question)
        if isinstance(answer, list):
            found.set_result(answer)
        else:
            found.set_exception(answer)
