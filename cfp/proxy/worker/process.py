"""A worker in a process of its own: the lock, the listener, the pid file, the signals, and the end."""

from __future__ import annotations

import asyncio
import errno
import gc
import sys
from typing import TYPE_CHECKING

from cfp.errors import Failed
from cfp.proxy.config import WorkerConfig
from cfp.proxy.worker.event_loop import run
from cfp.proxy.worker.handover import Handover, Loan, borrow
from cfp.proxy.worker.single_instance import SingleInstance
from cfp.proxy.worker.worker import Worker

if sys.platform == "win32":
    from cfp.proxy.worker import _system_windows as system
else:
    from cfp.proxy.worker import _system_posix as system

if TYPE_CHECKING:  # serving needs no messages
    from cfp.core.settings import Settings
    from cfp.messages import ErrorCode

# Descriptors besides those of connections: log, lock, sockets and files that are open for a moment.
_OTHER_DESCRIPTORS = 64
# glibc keeps twice as many bytes at the end of the heap: the bodies of some dozens of requests.
_FREED_BYTES = 4 * 1024 * 1024
# The process that started this one requests health first, and waits for the response.
_WARM_UP_DELAY_SECONDS = 0.25


def serve(config: WorkerConfig) -> None:
    """Serve until SIGTERM, SIGINT or a request to end has drained the worker.

    Raises Busy(worker_running), Failed(port_in_use) or Failed(handover_refused).
    """
    system.allow_descriptors(2 * config.limits.connections + config.limits.upstream_pool + _OTHER_DESCRIPTORS)
    loan = borrow(config) if config.take_over else None
    with SingleInstance(config.layout, None if loan is None else loan.lent.lock) as lifetime:
        run(_serve(config, lifetime, loan))


async def _serve(config: WorkerConfig, lifetime: SingleInstance, loan: Loan | None) -> None:
    worker = Worker(config)
    handover = Handover(worker, lifetime, loan)
    system.handle_signals(handover.end)
    try:
        await worker.start(() if loan is None else loan.lent.sockets)
    except OSError as error:
        code: ErrorCode = "port_in_use" if error.errno == errno.EADDRINUSE else "port_not_available"
        raise Failed(code, owner="another program", **_address(config.settings)) from error
    handover.open()
    lifetime.write_pid()
    worker.events.info("listening", host=config.settings.host, port=worker.port)
    asyncio.get_running_loop().call_later(_WARM_UP_DELAY_SECONDS, _warm_up, worker)
    await worker.wait_closed()
    handover.close()


def _address(settings: Settings) -> dict[str, str | int]:
    """Return the values for the message about an address that the worker cannot have."""
    from cfp.host.worker.probe import free_port_near  # noqa: PLC0415 - only a worker that fails needs it

    free_port = free_port_near(settings.host, settings.port) or "NUMBER"
    return {"host": settings.host, "port": settings.port, "free_port": free_port}


def _warm_up(worker: Worker) -> None:
    """Import and read whatever the first request needs, and listening does not."""
    import cfp.proxy.exchange.tier_injection  # noqa: PLC0415  a request needs msgspec, listening does not
    import cfp.proxy.telemetry.log_lines  # noqa: F401, PLC0415  a request needs msgspec, listening does not

    _keep_freed_memory()
    worker.health()
    worker.remember()
    worker.dialer.warm()
    gc.collect()
    # Everything that is loaded now stays: later collections leave it out, or they would delay streams.
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    gc.enable()


def _keep_freed_memory() -> None:
    """Have glibc keep the memory of freed bodies for the next ones.

    Depending on the heap's layout it returns the end of the heap to the kernel at every pause, and takes it again at
    the price of one page fault a page: 10 % of a busy worker's time. Once a large block has been freed, it keeps more
    (mallopt(3), M_MMAP_THRESHOLD). The block's pages are never touched; other allocators do not do this.
    """
    bytes(_FREED_BYTES)
