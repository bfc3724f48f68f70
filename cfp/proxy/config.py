"""A worker's settings and limits, fixed for as long as it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cfp.core.settings import Settings
from cfp.layout import Layout

ROTATE_BYTES: Final = 10 * 1024 * 1024  # about 12,000 lines of the request log


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes, seconds and counts that keep one client or upstream from using up the worker.

    head                         bytes of a client's head
    upstream_head                bytes of a response's head; Codex's own parser (hyper) has about as much room
    body                         bytes of an inspected body, encoded and decoded
    connections                  client connections that may be open
    head_seconds                 from a head's first byte to its last
    keep_alive_seconds           silence of a client between requests, or within one that it is sending
    outage_seconds               for a request of Codex's turns while the upstream cannot be reached
    path_check_seconds           rest of an upstream connection after which its way out of the machine is looked at
    unreachable_seconds          for the upstream to acknowledge bytes and probes: as for Codex's own connections
    upstream_keep_alive_seconds  age of an idle upstream connection
    upstream_pool                idle upstream connections
    connect_seconds              for a new upstream connection, with proxy and TLS
    drain_seconds                for running requests once the worker drains
    linger_seconds               for reading on after an early response, so that a reset does not overtake it
    last_request_seconds         for one more request on an idle connection, once another worker has taken over
    switch_seconds               for the upstream's response to a WebSocket handshake
    frame                        bytes of an inspected WebSocket frame
    log                          bytes of the request log after which it is rotated
    """

    head: int = 64 * 1024
    upstream_head: int = 400 * 1024
    body: int = 256 * 1024 * 1024
    connections: int = 1024
    head_seconds: float = 30.0
    keep_alive_seconds: float = 300.0
    outage_seconds: float = 300.0
    path_check_seconds: float = 2.0
    unreachable_seconds: int = 30
    upstream_keep_alive_seconds: float = 75.0
    upstream_pool: int = 256
    connect_seconds: float = 20.0
    drain_seconds: float = 3600.0
    linger_seconds: float = 2.0
    last_request_seconds: float = 2.0
    switch_seconds: float = 5.0
    frame: int = 16 * 1024 * 1024
    log: int = ROTATE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Revival:
    """The start of a worker by the sentinel of a dead one.

    sentinel  the pid of the sentinel, which is the parent of this process
    count     the deaths of this worker that were mended, this one included
    lock      the descriptor of the lifetime lock
    sockets   the descriptors of the listening sockets
    """

    sentinel: int
    count: int
    lock: int
    sockets: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """Everything a worker is started with.

    environ    read for the provider's key, outbound proxies and CA files; never written, never logged
    nonce      identifies this worker to other processes
    take_over  nonce of the worker whose listener and lock this one borrows first; "" for none
    revival    what a sentinel has handed on; None for a worker that was started in any other way
    log_dir    the directory of the request log and the evidence about tiers; None: the layout's
    """

    settings: Settings
    layout: Layout
    environ: Mapping[str, str]
    nonce: str = ""
    take_over: str = ""
    revival: Revival | None = None
    log_dir: Path | None = None
    verbose: bool = False
    limits: Limits = field(default_factory=Limits)

    @property
    def request_log(self) -> Path:
        path = self.layout.request_log
        return path if self.log_dir is None else self.log_dir / path.name

    @property
    def ledger(self) -> Path:
        return self.request_log.with_name(self.layout.ledger.name)

    @property
    def tier_records(self) -> Path:
        return self.request_log.with_name(self.layout.tier_records.name)
