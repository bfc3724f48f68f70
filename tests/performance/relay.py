"""A line with a round-trip time: `python -m tests.performance.relay TARGET_PORT MILLISECONDS` prints its port.

Not on epoll, whose time-outs are whole milliseconds: over 20 ms that would be a tenth.
"""

from __future__ import annotations

import asyncio
import selectors
import sys


class _Side(asyncio.Protocol):
    """Hands on what it reads, half a round trip later."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self.other: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._delay, self._give, data)

    def _give(self, data: bytes) -> None:
        if self.other.done():
            self.other.result().write(data)
        else:
            self.other.add_done_callback(lambda other: other.result().write(data))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other.done():
            self.other.result().close()


async def _serve(target: int, delay: float) -> None:
    loop = asyncio.get_running_loop()
    kept: set[asyncio.Task[None]] = set()

    async def join(near: _Side) -> None:
        _, far = await loop.create_connection(lambda: _Side(delay), "127.0.0.1", target)
        far.other.set_result(near.transport)
        near.other.set_result(far.transport)

    class Near(_Side):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            task = loop.create_task(join(self))
            kept.add(task)
            task.add_done_callback(kept.discard)

    server = await loop.create_server(lambda: Near(delay), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main(target: int, milliseconds: float) -> None:
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_serve(target, milliseconds / 2000))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
