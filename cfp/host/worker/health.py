"""A worker's health, read at its port or at its control channel."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from cfp.core.health import WorkerHealth, parse_health
from cfp.host.worker import processes
from cfp.host.worker.control import channel
from cfp.host.worker.health_request import read_health
from cfp.layout import Layout
from journal.values import WorkerRecord

_TIMEOUT = 1.0


def health_at(host: str, port: int, timeout: float) -> WorkerHealth | None:
    """Return the health of the worker at an address; None unless one responds within `timeout` seconds."""
    answer = read_health(host, port, timeout)
    return None if answer is None else parse_health(answer)


def health_behind(path: Path) -> WorkerHealth | None:
    """Return the health of the worker behind a control channel; None without a response."""
    answer = channel.read_health(path, _TIMEOUT)
    return None if answer is None else parse_health(answer)


def health_of(record: WorkerRecord, host: str, layout: Layout | None = None) -> WorkerHealth | None:
    """Return the worker's health, read at its control channel or its port; None without a response."""
    if not record.nonce:
        return None
    if layout is not None:
        health = health_behind(layout.control(record.nonce))
        if health is not None and health.nonce == record.nonce:
            return health
    arguments = [] if record.pid is None else list(pairwise(processes.cmdline(record.pid)))
    if ("--nonce", record.nonce) in arguments:  # its command line has the address that it listens at
        host = dict(arguments).get("--host", host)
    health = health_at(host, record.port, _TIMEOUT)
    return health if health is not None and health.nonce == record.nonce else None
