"""A network and a provider that fail and come back, in every way that a laptop meets."""

from __future__ import annotations

import asyncio
import enum
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.network import Network
from tests.proxy.support import Upstream
from tests.soak.turns import TurnProvider


class Weather(enum.StrEnum):
    """A disturbance, and the longest seconds that it lasts."""

    REFUSED = "the provider refuses connections"
    RESTARTED = "the provider restarts: its connections are reset, and it refuses new ones"
    MOVED = "the machine has another address"
    LOST = "packets vanish"
    UNPLUGGED = "there is no route"
    SUSPENDED = "the worker is stopped, and wakes with another address"


@dataclass(slots=True, kw_only=True)
class Site:
    """The provider's machine and the cable to it.

    port       of the provider, the same whenever it listens
    connected  connections that the provider has
    """

    network: Network
    provider: TurnProvider
    worker: int = 0
    port: int = 0
    is_moved: bool = False
    is_asleep: bool = False
    server: asyncio.Server | None = None
    connected: set[asyncio.StreamWriter] = field(default_factory=set)

    async def listen(self) -> None:
        sock = self.network.listen(self.port)
        self.port = sock.getsockname()[1]
        self.server = await asyncio.start_server(self._serve, sock=sock, limit=1 << 20)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected.add(writer)
        try:
            await Upstream(self.provider).serve(reader, writer)
        finally:
            self.connected.discard(writer)

    def refuse(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None

    async def close(self) -> None:
        """Listen no more, and end every connection."""
        self.refuse()
        self.cut_off()
        await asyncio.sleep(0.05)  # what was just accepted is closed then, too

    def cut_off(self) -> None:
        """Reset every connection of the provider."""
        for writer in self.connected:
            writer.transport.abort()

    def move(self) -> None:
        self.network.move(back=self.is_moved)
        self.is_moved = not self.is_moved

    async def have(self, weather: Weather, seconds: float) -> None:
        """Have this weather for so long, and a calm network behind it."""
        match weather:
            case Weather.REFUSED | Weather.RESTARTED:
                self.refuse()
                if weather is Weather.RESTARTED:
                    self.cut_off()
                await asyncio.sleep(seconds)
                await self.listen()
            case Weather.MOVED:
                self.move()
            case Weather.LOST:
                self.network.cut()
                await asyncio.sleep(seconds)
                self.network.mend()
            case Weather.UNPLUGGED:
                self.network.unplug()
                await asyncio.sleep(seconds)
                self.network.plug()
            case Weather.SUSPENDED:
                self.is_asleep = True
                os.kill(self.worker, signal.SIGSTOP)
                self.move()
                await asyncio.sleep(seconds)
                os.kill(self.worker, signal.SIGCONT)
                self.is_asleep = False


def forecast(dice: random.Random, longest: float) -> Iterator[tuple[Weather, float, float]]:
    """Yield disturbances without end: each once in every round, with its seconds and those of the calm behind it."""
    while True:
        for weather in dice.sample(list(Weather), len(Weather)):
            yield weather, dice.uniform(0.2, longest), dice.uniform(0.5, longest)
