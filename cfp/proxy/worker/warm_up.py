"""The imports and reads of an idle worker, soon after its start.

The program's files may be deleted or replaced while it runs, as by an upgrade. An import then would fail, or mix
two versions. So all that serving model requests may need is imported here, one module a turn of the event loop. The
dashboard and structlog are left out: their modules take 3 MB and 6 MB, and few workers need them.
"""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cfp.proxy.worker.worker import Worker

# The process that started this one requests health first, and waits for the response.
_DELAY_SECONDS: Final = 0.25
# glibc keeps twice as many bytes at the end of the heap: the bodies of some dozens of requests.
_FREED_BYTES: Final = 4 * 1024 * 1024
_NEXT_REQUEST: Final = ("cfp.proxy.exchange.tier_injection", "cfp.proxy.telemetry.log_lines")
_RARE: Final = (
    "cfp.proxy.exchange.redirects",
    "cfp.proxy.exchange.rate_limit",
    "cfp.proxy.bundled_catalog",
    "cfp.proxy.exchange.models_exchange",
    "cfp.proxy.exchange.websocket_tunnel",
    "cfp.core.traffic.reasoning",
    *(f"cfp.proxy.telemetry.ledger.{name}" for name in ("entry", "totals", "table", "segments", "ledger_file")),
    "cfp.host.provider.dotenv",
    "cfp.codex.toml_reader",
    "cfp.core.provider",
    "encodings.utf_8_sig",
    "encodings.idna",  # getaddrinfo, for every name
)


async def warm_up(worker: Worker) -> None:
    """Import and read what listening does not need: first for the next request, then for any request at all."""
    await asyncio.sleep(_DELAY_SECONDS)
    with suppress(ImportError, OSError):  # the files are gone already: whatever lacks them fails by itself
        for name in _NEXT_REQUEST:
            await _import(name)
        _keep_freed_memory()
        worker.health()
        worker.remember()
        worker.dialer.warm()
        for name in _RARE:
            await _import(name)
        worker.self_contained = True
    gc.collect()
    # Everything that is loaded now stays: later collections leave it out, or they would delay streams.
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    gc.enable()


async def _import(name: str) -> None:
    __import__(name)
    await asyncio.sleep(0)


def _keep_freed_memory() -> None:
    """Have glibc keep the memory of freed bodies for the next ones.

    Depending on the heap's layout it returns the end of the heap to the kernel at every pause, and takes it again at
    the price of one page fault a page: 10 % of a busy worker's time. Once a large block has been freed, it keeps more
    (mallopt(3), M_MMAP_THRESHOLD). The block's pages are never touched; other allocators do not do this.
    """
    bytes(_FREED_BYTES)
