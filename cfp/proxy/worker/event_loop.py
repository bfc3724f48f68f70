"""The worker's event loop: it counts its turns, puts running streams first, and resolves names in threads of its own.

asyncio resolves names in the thread pool that writes the log and decodes bodies. A resolver that does not answer, as
on a machine that has just lost its network, would occupy all of its few threads, and delay the end of the process.

On Windows, too, it is a loop of readiness and not asyncio's proactor: a listening socket that two workers share can
belong to one completion port only, and a proactor reads ahead, so that nobody can ask a socket whether it is stale.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from itertools import count, islice
from selectors import SelectorKey
from typing import Any, Final, TypeAlias, TypeVar

_T = TypeVar("_T")
Name: TypeAlias = bytes | str | None
Port: TypeAlias = bytes | str | int | None
Query: TypeAlias = tuple[Name, Port, int, int, int, int]
Addresses: TypeAlias = list[Any]  # in the format of socket.getaddrinfo
Resolver: TypeAlias = Callable[[Name, Port, int, int, int, int], Addresses]

if sys.platform == "win32":
    from cfp.proxy.worker._selector_windows import Selector
else:
    from selectors import DefaultSelector as Selector


def run(main: Coroutine[Any, Any, _T], resolve: Resolver = socket.getaddrinfo) -> _T:
    """Run a coroutine to its end and return its result, like asyncio.run, on a `Loop`."""
    with asyncio.Runner(loop_factory=partial(Loop, resolve)) as runner:
        return runner.run(main)


def turns() -> Callable[[], int]:
    """Return a function that returns the number of the running loop's present turn.

    All that a turn handles had arrived when it began. A turn lasts some milliseconds at most. On a loop that does not
    count its turns, every call returns another number.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, Loop):
        return loop.turn
    return count().__next__


# Sockets that are handled in one turn beside the urgent ones, where many are ready.
_OTHERS_PER_TURN: Final = 8
_MANY: Final = 16


class _Selector(Selector):
    """A selector that counts its `select` calls, one of which begins each turn of the loop, and puts streams first.

    A new connection costs the loop as much as ten events of a stream. Where hundreds come at once, each turn handles
    all urgent sockets and a few others; the rest is ready still, and comes with the next turns in the same order.

    urgent  descriptors of the sockets from which running responses are read
    """

    turn = 0

    def __init__(self) -> None:
        super().__init__()
        self.urgent: set[int] = set()

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        self.turn += 1
        ready = super().select(timeout)
        if len(ready) <= _MANY:
            return ready
        urgent = self.urgent
        first = [event for event in ready if event[0].fd in urgent]
        others = (event for event in ready if event[0].fd not in urgent)
        return [*first, *islice(others, _OTHERS_PER_TURN)]


class Loop(asyncio.SelectorEventLoop):
    """asyncio's loop with a counter of turns and its own name resolution; equal pending queries share a thread."""

    def __init__(self, resolve: Resolver) -> None:
        self._own_selector = _Selector()
        super().__init__(self._own_selector)
        self._resolve = resolve
        self._pending_queries: dict[Query, asyncio.Future[Addresses]] = {}

    def turn(self) -> int:
        return self._own_selector.turn

    @property
    def urgent(self) -> set[int]:
        """The descriptors of sockets that come before all others; to be changed by those who own the sockets."""
        return self._own_selector.urgent

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
        query = (host, port, family, type, proto, flags)
        future = self._pending_queries.get(query)
        if future is None:
            future = self._pending_queries[query] = self.create_future()
            threading.Thread(target=self._run_query, args=(query,), name="resolver", daemon=True).start()
        return await asyncio.shield(future)

    def _run_query(self, query: Query) -> None:
        """Resolve a name, in a thread."""
        result: Addresses | OSError | UnicodeError
        try:
            result = self._resolve(*query)
        except (OSError, UnicodeError) as error:
            result = error
        with suppress(RuntimeError):  # the loop may have ended meanwhile
            self.call_soon_threadsafe(self._set_result, query, result)

    def _set_result(self, query: Query, result: Addresses | OSError | UnicodeError) -> None:
        future = self._pending_queries.pop(query)
        if isinstance(result, list):
            future.set_result(result)
        else:
            future.set_exception(result)
