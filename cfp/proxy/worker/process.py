"""A worker's life in a process of its own: lock, listen, pid file, signals, and away."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import sys
from contextlib import suppress

from cfp.errors import Failed
from cfp.proxy.config import WorkerConfig
from cfp.proxy.worker.event_loop import run
from cfp.proxy.worker.handover import Handover, Loan, borrow
from cfp.proxy.worker.single_instance import SingleInstance
from cfp.proxy.worker.worker import Worker

# Descriptors besides those of connections: log, lock, sockets and files that are open for a moment.
_OTHERS = 64
# glibc keeps twice as many bytes at the end of the heap: the bodies of some dozens of requests.
_FREED = 4 * 1024 * 1024
# Whoever started it asks for health first, and waits for the answer.
_SETTLE_SECONDS = 0.25


def live(config: WorkerConfig) -> None:
    """Serve until SIGTERM or SIGINT has drained it.

    Raises Busy(worker_running), Failed(port_in_use) or Failed(handover_refused).
    """
    _allow_descriptors(2 * config.limits.connections + config.limits.upstream_pool + _OTHERS)
    loan = borrow(config) if config.take_over else None
    with SingleInstance(config.layout, None if loan is None else loan.lock) as lifetime:
        run(_serve(config, lifetime, loan))


async def _serve(config: WorkerConfig, lifetime: SingleInstance, loan: Loan | None) -> None:
    worker = Worker(config)
    handover = Handover(worker, lifetime, loan)
    _on_signals(handover)
    try:
        await worker.start(() if loan is None else loan.sockets)
    except OSError as error:
        settings = config.settings
        code = "port_in_use" if error.errno == errno.EADDRINUSE else "port_not_available"
        raise Failed(code, host=settings.host, port=settings.port) from error
    handover.open()
    lifetime.write_pid()
    worker.events.info("listening", host=config.settings.host, port=worker.port)
    asyncio.get_running_loop().call_later(_SETTLE_SECONDS, _settle, worker)
    await worker.wait_closed()
    handover.close()


def _allow_descriptors(wanted: int) -> None:
    """Raise the limit that a shell or session has set, 256 or 1,024 mostly, as far as this user may."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  POSIX only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a system may have a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _settle(worker: Worker) -> None:
    """Do what is not needed to listen before the first request asks for it."""
    import cfp.proxy.exchange.tier_injection  # noqa: PLC0415  a request needs msgspec, listening does not
    import cfp.proxy.telemetry.log_lines  # noqa: F401, PLC0415  the same

    _keep_freed_memory()
    worker.health()
    worker.remember()
    worker.dialer.warm()
    gc.collect()
    # What is loaded now stays: leave it out of later collections, which would only delay a stream.
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    gc.enable()


def _keep_freed_memory() -> None:
    """Have what bodies lay in stay with the process until the next ones come.

    glibc gives the end of the heap back at every pause and takes it again a page fault a page later, or not, as the
    heap happens to lie: 10 % of a busy worker's time. That a large block was freed tells it to keep more (mallopt(3),
    M_MMAP_THRESHOLD). The block's pages are never touched; other allocators do nothing of the kind.
    """
    bytes(_FREED)


def _on_signals(handover: Handover) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(handover.end))
        else:
            loop.add_signal_handler(number, handover.end)
