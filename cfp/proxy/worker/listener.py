"""The listening sockets. Connections that come while they are paused wait in the kernel's queue.

Not `asyncio.Server`: closing it drops connections that are accepted and not set up yet, and it cannot listen again.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence

from cfp.host.worker.probe import BIND_OPTION

_BACKLOG = 1024
_ACCEPTS_PER_TURN = 16  # so that many new connections do not delay streams
_RETRY_SECONDS = 1.0
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PEER_LEFT = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ECONNRESET})

Factory = Callable[[], asyncio.BaseProtocol]


def bind(host: str, port: int) -> list[socket.socket]:
    """Listen at every address of a loopback name or literal; raises OSError where one is taken."""
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            listening = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, BIND_OPTION, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
    except BaseException:
        for listening in sockets:
            listening.close()
        raise
    return sockets


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return [(family, (host, port))]
    # As bytes: for text Python imports its tables of international names first.
    addresses = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list({(family, (str(address[0]), port)): None for family, _, _, _, address in addresses})


class Listener:
    """The listening sockets of one worker; `busy` while an accepted connection is not set up yet."""

    def __init__(self, sockets: Sequence[socket.socket], factory: Factory, on_set_up: Callable[[], None]) -> None:
        """`on_set_up` is called after each connection that was set up, or could not be."""
        self.sockets = list(sockets)
        self._factory = factory
        self._on_set_up = on_set_up
        self._loop = asyncio.get_running_loop()
        self._pending: set[asyncio.Task[object]] = set()
        self.accepting = False
        self._retry: asyncio.TimerHandle | None = None
        for listening in self.sockets:
            listening.setblocking(False)

    @property
    def port(self) -> int:
        return int(self.sockets[0].getsockname()[1]) if self.sockets else 0

    @property
    def busy(self) -> bool:
        return bool(self._pending)

    def pause(self) -> None:
        """Accept nothing more for now; accepted connections are served."""
        self.accepting = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._unwatch()

    def close(self) -> None:
        """Close the sockets; where no other process holds them, the kernel resets the connections in the queue."""
        self.pause()
        for listening in self.sockets:
            listening.close()
        self.sockets = []

    async def start(self) -> None:
        """Begin to accept, first the connections in the queue."""
        self.resume()

    def resume(self) -> None:
        """Accept again, first the connections in the queue."""
        self.accepting = True
        for listening in self.sockets:
            self._loop.add_reader(listening, self._accept, listening)

    def _unwatch(self) -> None:
        for listening in self.sockets:
            self._loop.remove_reader(listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _PEER_LEFT:
                    continue
                if error.errno not in _EXHAUSTED:
                    raise
                self._wait_for_descriptors()
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._loop.connect_accepted_socket(self._factory, connection))
            self._pending.add(task)
            task.add_done_callback(self._finish_set_up)

    def _finish_set_up(self, task: asyncio.Task[object]) -> None:
        self._pending.discard(task)
        if not task.cancelled():
            task.exception()  # the client left meanwhile: that is no error
        self._on_set_up()

    def _wait_for_descriptors(self) -> None:
        """Accept again in a second: without descriptors or memory, a retry at once only burns the processor."""
        self._unwatch()
        if self.accepting:
            self._retry = self._loop.call_later(_RETRY_SECONDS, self.resume)
