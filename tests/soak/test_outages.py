"""Turns in bad weather: each turn's line in the log says what its client and the provider saw."""

from __future__ import annotations

import asyncio
import functools
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.network import THERE, Network, on_two_machines, with_namespaces
from tests.numbers import Numbers
from tests.soak.turn_clients import Book, TurnClient
from tests.soak.turns import TurnProvider
from tests.soak.weather import Site, Weather, forecast
from tests.soak.worker import worker

SECONDS = float(os.environ.get("CFP_TEST_SOAK_SECONDS", "20"))
# Behind the last weather a turn may wait for the kernel to give up a dead path.
REST = 60.0
# Of one disturbance; above 30 s, when the worker gives up a peer, in the long soak alone.
LONGEST = 2.0 if SECONDS < 300 else 40.0
HTTP_CLIENTS, TUNNELS = 12, 4

pytestmark = [with_namespaces, pytest.mark.timeout(SECONDS + 2 * REST + 60)]


@functools.partial(on_two_machines, seconds=SECONDS + 2 * REST)
async def test_the_log_says_how_each_turn_ended(network: Network, tmp_path: Path, numbers: Numbers) -> None:
    """With outages, lost packets, other addresses, refusals, early closes and 429s: no difference, no repeat."""
    provider = TurnProvider()
    site, book, weathers = Site(network=network, provider=provider), Book(provider.deliveries), Counter[Weather]()
    await site.listen()
    async with worker(tmp_path, site.port, host=THERE) as one:
        site.worker = one.pid
        over, ended = asyncio.Event(), asyncio.Event()

        async def read_log() -> None:
            while not (ended.is_set() and not book.waiting):
                await asyncio.sleep(1.0)
                for line in one.new_lines():
                    book.logged(line)

        async def change() -> None:
            for weather, seconds, calm in forecast(random.Random(1), LONGEST):
                await site.have(weather, seconds)
                weathers[weather] += 1
                await asyncio.sleep(calm)

        clients = [
            TurnClient(port=one.port, seed=seed, book=book, is_asleep=lambda: site.is_asleep)
            for seed in range(HTTP_CLIENTS + TUNNELS)
        ]
        walks = [
            asyncio.create_task(client.walk(over.is_set, websocket=at >= HTTP_CLIENTS))
            for at, client in enumerate(clients)
        ]
        reading, changing = asyncio.create_task(read_log()), asyncio.create_task(change())
        await asyncio.wait({reading, changing}, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
        assert (reading.done(), changing.done()) == (False, False)
        # The weather goes on until it is calm, since a turn waits for the provider.
        over.set()
        await asyncio.gather(*walks)
        changing.cancel()
        ended.set()
        await asyncio.wait({reading}, timeout=10)  # the worker writes its lines in batches
        reading.cancel()
    await site.close()
    book.differences += [f"without its other half: {turn}" for turn in book.waiting]
    for (transport, ending), many in sorted(book.endings.items()):
        numbers.count("turns in bad weather", f"{transport}: {ending}", many)
    for weather, many in sorted(weathers.items()):
        numbers.count("turns in bad weather", weather.value, many)
    numbers.count("turns in bad weather", "sent, and not read by the worker", len(book.unread))
    numbers.count("turns in bad weather", "violations", len(book.differences))
    assert [] == book.differences[:10]
    assert set(weathers) == set(Weather)
