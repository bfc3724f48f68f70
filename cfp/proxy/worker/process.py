"""A worker in a process of its own: the lock, the listener, the pid file, the signals, and the end."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import sys
from contextlib import suppress
from time import gmtime, strftime
from typing import TYPE_CHECKING

from cfp.errors import Failed
from cfp.host.worker.control.channel import Lent
from cfp.proxy.config import WorkerConfig
from cfp.proxy.worker.event_loop import run
from cfp.proxy.worker.handover import Handover, Loan, borrow
from cfp.proxy.worker.sentinel import Sentinel
from cfp.proxy.worker.single_instance import SingleInstance, is_of_this_home
from cfp.proxy.worker.warm_up import warm_up
from cfp.proxy.worker.worker import Worker

if sys.platform == "win32":
    from cfp.proxy.worker import _system_windows as system
else:
    from cfp.proxy.worker import _system_posix as system

if TYPE_CHECKING:  # serving needs no messages
    from collections.abc import Sequence

    from cfp.core.settings import Settings
    from cfp.messages import ErrorCode
    from cfp.proxy.config import Revival

# Descriptors besides those of connections: log, lock, sockets and files that are open for a moment.
_OTHER_DESCRIPTORS = 64
# The process that started this one requests health first, and waits for the response.
_SENTINEL_DELAY_SECONDS = 0.25


def serve(config: WorkerConfig) -> None:
    """Serve until SIGTERM, SIGINT or a request to end has drained the worker.

    Raises Busy(worker_running), Failed(port_in_use) or Failed(handover_refused).
    """
    system.allow_descriptors(2 * config.limits.connections + config.limits.upstream_pool + _OTHER_DESCRIPTORS)
    loan = borrow(config) if config.take_over else None
    lent = None if loan is None else loan.lent
    if (revival := config.revival) is not None:
        if not is_of_this_home(config.layout, revival.lock):
            return  # the home's state was removed meanwhile: nobody wants this worker
        lent = Lent(lock=revival.lock, sockets=tuple(socket.socket(fileno=each) for each in revival.sockets))
    with SingleInstance(config.layout, None if lent is None else lent.lock) as lifetime:
        run(_serve(config, lifetime, () if lent is None else lent.sockets, loan))


async def _serve(
    config: WorkerConfig, lifetime: SingleInstance, sockets: Sequence[socket.socket], loan: Loan | None
) -> None:
    worker = Worker(config)
    sentinel = _sentinel(config)
    handover = Handover(worker, lifetime, loan, sentinel)
    system.handle_signals(handover.end)
    try:
        await worker.start(sockets)
    except OSError as error:
        code: ErrorCode = "port_in_use" if error.errno == errno.EADDRINUSE else "port_not_available"
        raise Failed(code, owner="another program", **_address(config.settings)) from error
    handover.open()
    lifetime.write_pid()
    worker.events.info("listening", host=config.settings.host, port=worker.port)
    loop = asyncio.get_running_loop()
    if config.revival is not None:
        handover.guard()  # what killed the former worker may come again at once
        loop.call_later(_SENTINEL_DELAY_SECONDS, _log_revival, config.revival)
    loop.call_later(_SENTINEL_DELAY_SECONDS, handover.guard)
    warming_up = asyncio.create_task(warm_up(worker))
    await worker.wait_closed()
    warming_up.cancel()
    handover.close()


def _sentinel(config: WorkerConfig) -> Sentinel:
    """Return the sentinel of a worker in the background; ^C and a closed terminal end one in the foreground."""
    if sys.platform == "linux" and config.nonce:
        from cfp.proxy.worker._sentinel_linux import LinuxSentinel  # noqa: PLC0415  other systems have none

        return LinuxSentinel(sys.orig_argv, config.revival)
    return Sentinel()


def _log_revival(revival: Revival) -> None:
    """Write an event line as `EventLog` does, without structlog, which would take 6 MB for this line."""
    ts = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime())
    line = json.dumps({"revivals": revival.count, "event": "revived", "level": "warning", "ts": ts})
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")


def _address(settings: Settings) -> dict[str, str | int]:
    """Return the values for the message about an address that the worker cannot have."""
    from cfp.host.worker.probe import free_port_near  # noqa: PLC0415 - only a worker that fails needs it

    free_port = free_port_near(settings.host, settings.port) or "NUMBER"
    return {"host": settings.host, "port": settings.port, "free_port": free_port}
