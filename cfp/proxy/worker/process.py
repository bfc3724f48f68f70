"""A worker in a process of its own: the lock, the listener, the pid file, the signals, and the end."""

from __future__ import annotations

import asyncio
import errno
import sys
from typing import TYPE_CHECKING

from cfp.errors import Failed
from cfp.proxy.config import WorkerConfig
from cfp.proxy.worker.event_loop import run
from cfp.proxy.worker.handover import Handover, Loan, borrow
from cfp.proxy.worker.single_instance import SingleInstance
from cfp.proxy.worker.warm_up import warm_up
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
    warming_up = asyncio.create_task(warm_up(worker))
    await worker.wait_closed()
    warming_up.cancel()
    handover.close()


def _address(settings: Settings) -> dict[str, str | int]:
    """Return the values for the message about an address that the worker cannot have."""
    from cfp.host.worker.probe import free_port_near  # noqa: PLC0415 - only a worker that fails needs it

    free_port = free_port_near(settings.host, settings.port) or "NUMBER"
    return {"host": settings.host, "port": settings.port, "free_port": free_port}
