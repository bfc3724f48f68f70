"""The worker: it listens, keeps the list of client connections, checks their time limits, and drains."""

from __future__ import annotations

import asyncio
import json
import math
import os
from functools import cached_property, partial
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from cfp.core.tiers.rules import parse_rules
from cfp.proxy.config import WorkerConfig
from cfp.proxy.credentials import Credentials
from cfp.proxy.exchange.admission import Admission
from cfp.proxy.exchange.client_connection import ClientConnection
from cfp.proxy.exchange.routing import Router
from cfp.proxy.http.head_cache import HeadCache
from cfp.proxy.http.socket_io import ReadBuffer
from cfp.proxy.telemetry.model_evidence import ModelEvidence
from cfp.proxy.telemetry.recent_requests import RecentRequests
from cfp.proxy.telemetry.request_log import EventLog, RequestLog, RotatingFile
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.telemetry.tier_memory import TierMemory
from cfp.proxy.telemetry.tier_statistics import TierStatistics
from cfp.proxy.upstream.dial import Dialer
from cfp.proxy.upstream.origin import parse_origin
from cfp.proxy.upstream.pool import Pool
from cfp.proxy.upstream_capabilities import WebSocketSupport
from cfp.proxy.worker.event_loop import turns
from cfp.proxy.worker.listener import Listener, bind
from cfp.proxy.worker.peer_check import PeerGuard

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence
    from typing import Any

    from cfp.proxy.bundled_catalog import BundledCatalog
    from cfp.proxy.dashboard.handler import DashboardHandler
    from cfp.proxy.exchange.tier_injection import TierInjection
    from cfp.proxy.telemetry.fast_budget import FastBudget
    from cfp.proxy.telemetry.log_lines import LogLine, LogLineBuilder

_SWEEP_SECONDS = 5.0


class Worker:
    """One worker: `start` listens, `drain` accepts no more, `wait_closed` waits for the last request, `stop` cuts.

    It works in any process with an event loop: it installs no signal handler and writes no file but its request log
    and the evidence about the provider's tiers.

    hands_over   a next worker can take the listener over
    standing_by  a next worker has: this one finishes its requests, and accepts again if that one ends
    taking_over  the worker before this one still stands by
    self_contained  it needs none of the program's files any more: they may be deleted or replaced
    """

    connection_class: ClassVar[type[ClientConnection]] = ClientConnection

    admission: Admission

    def __init__(self, config: WorkerConfig, *, guard: PeerGuard | None = None) -> None:
        settings = config.settings
        self.config = config
        self.origin = parse_origin(settings.upstream_base)
        self.router = Router(settings.proxy_base, self.origin)
        self.credentials = Credentials(settings, config.layout, config.environ, turns())
        self.dialer = Dialer(self.origin, settings.upstream_base, config.environ, config.limits)
        self.read_buffer = ReadBuffer()
        self.head_cache = HeadCache()
        self.pool = Pool(self.dialer, self.read_buffer, config.limits)
        self._id_prefix = os.urandom(4).hex()
        self.tier_memory = TierMemory(
            config.tier_records,
            settings.upstream_base,
            settings.service_tier,
            id_prefix=self._id_prefix,
            on_error=self._tiers_not_written,
        )
        self.tier_refusals = self.tier_memory.refusals
        self.websocket_support = WebSocketSupport()
        self.recent_requests = RecentRequests()
        self.tier_statistics = TierStatistics()
        self.model_evidence = ModelEvidence()
        self.events = EventLog(verbose=config.verbose)
        self.loop_id = os.urandom(8).hex().encode()
        self.draining = False
        self.leaving = False
        self.hands_over = False
        self.standing_by = False
        self.taking_over = False
        self.self_contained = False
        self.requests_in_flight = 0
        self.requests_served = 0
        self._log = RequestLog(
            RotatingFile(config.request_log, limit=config.limits.log),
            self._line,
            on_lines=self._logged,
            on_error=self._log_failed,
            on_rotated=self._fold_log,
        )
        self._guard = guard or PeerGuard.of_this_system()
        self._connections: set[ClientConnection] = set()
        self._last_number = 0
        self._listener: Listener | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = asyncio.Event()

    # -- start and end

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Listen, on `sockets` where there are some; raises OSError where the port is taken."""
        loop = asyncio.get_running_loop()
        settings, limits = self.config.settings, self.config.limits
        self._listener = Listener(
            sockets or bind(settings.host, settings.port),
            partial(self.connection_class, self, self, limits),
            self._connection_set_up,
        )
        self.admission = Admission(self.port, settings.host)
        await self._listener.start()
        self._sweeper = loop.call_later(_SWEEP_SECONDS, self._sweep)

    @property
    def port(self) -> int:
        return (self._listener.port if self._listener else 0) or self.config.settings.port

    @property
    def peer_check(self) -> str:
        return self._guard.name

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """The listening sockets; none once it drains."""
        return () if self._listener is None else self._listener.sockets

    @property
    def lendable(self) -> Sequence[socket.socket]:
        """The listening sockets where the next worker serves the same address, else none."""
        return () if self._listener is None or self._listener.accepting else self._listener.sockets

    def stand_by(self, *, pausing: bool) -> None:
        """Finish the present requests while the next worker runs; `pausing`: it accepts at this address instead."""
        self.standing_by = True
        if pausing and self._listener is not None:
            self._listener.pause()

    def resume_serving(self) -> None:
        """Accept again after the next worker has ended, first the connections that wait in the queue."""
        self.standing_by = False
        if self._listener is not None:
            self._listener.resume()

    def drain(self, *, succeeded: bool = False) -> None:
        """Accept nothing more, close idle connections, and let running requests end.

        succeeded  another worker accepts at this address: an idle connection may still send the request that is on
                   its way, and the response to it says that the connection closes
        """
        if self.draining:
            return
        self.draining, self.leaving = True, not succeeded
        self.dialer.hurry()
        if self._listener is not None:
            self._listener.close()
        loop = asyncio.get_running_loop()
        if succeeded:
            self._close_unused(since=monotonic())
        else:
            self._close_idle()
        loop.call_later(self.config.limits.drain_seconds, self._reach_drain_limit)
        self._closed_if_empty()

    def _reach_drain_limit(self) -> None:
        if not self._closed.is_set():
            self.events.warning("drain_limit", cut_streams=self.requests_in_flight)
            self.cut()

    def cut(self) -> None:
        """Abort every connection now, as a second SIGTERM does."""
        self.drain()
        for connection in list(self._connections):
            connection.transport.abort()
        self.pool.close()

    async def wait_closed(self) -> None:
        """Return when the last request has ended and the log is written."""
        await self._closed.wait()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.pool.close()
        await self._log.close()
        await self.tier_memory.close()
        self._guard.close()
        await asyncio.sleep(0)  # aborted transports close their sockets in the next turn of the loop

    async def stop(self) -> None:
        self.cut()
        await self.wait_closed()

    # -- called by connections

    def add(self, connection: ClientConnection) -> bool:
        room = len(self._connections) < self.config.limits.connections or self._make_room()
        self._connections.add(connection)
        return room

    def remove(self, connection: ClientConnection) -> None:
        self._connections.discard(connection)
        self._closed_if_empty()

    def trusts(self, transport: asyncio.Transport) -> bool | None:
        peer, ours = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        trusted = self._guard.trusts(peer[:2], ours[:2]) if peer else None
        if trusted is False:
            self.events.warning("peer_not_allowed")
        return trusted

    # -- called by exchanges

    def new_record(self, method: bytes, target: bytes, session: str | None = None) -> RequestRecord:
        self._last_number += 1
        return RequestRecord(self._last_number, method, target, session)

    def request_started(self) -> None:
        self.requests_in_flight += 1

    def request_ended(self) -> None:
        self.requests_in_flight -= 1
        self.requests_served += 1

    def log(self, record: RequestRecord) -> None:
        record.ended_at = monotonic()
        if record.on_budget and self.fast_budget is not None:
            self.fast_budget.end(record)
        self._log.add(record)

    def remember(self) -> None:
        """Read the log lines of earlier workers for `recent_requests` and `tier_statistics`, soon and in a thread."""
        self._log.remember()

    def health(self) -> bytes:
        from cfp.proxy.telemetry.health import report  # noqa: PLC0415  not needed to listen

        return json.dumps(report(self)).encode()

    # -- internal

    def _connection_set_up(self) -> None:
        if self.leaving:
            self._close_idle()  # the connection was accepted just before the drain
        self._closed_if_empty()

    def _close_idle(self, unused_since: float = math.inf) -> None:
        for connection in list(self._connections):
            if connection.is_idle and connection.last_active <= unused_since:
                connection.close()

    def _close_unused(self, since: float) -> None:
        """Close connections that have been idle for some seconds, again and again until none is left."""
        patience = self.config.limits.last_request_seconds
        if monotonic() - since >= patience:
            self._close_idle(monotonic() - patience)
        asyncio.get_running_loop().call_later(patience / 8, self._close_unused, since)

    def _closed_if_empty(self) -> None:
        pending = self._listener is not None and self._listener.busy
        if self.draining and not self._connections and not pending:
            self._closed.set()

    def _make_room(self) -> bool:
        idle = [connection for connection in self._connections if connection.is_idle]
        if not idle:
            return False
        min(idle, key=lambda connection: connection.last_active).close()
        return True

    def sweep(self, now: float) -> None:
        """Check the pool, and the time limits of the clients; `now` is the loop's time."""
        self.pool.sweep()
        for connection in list(self._connections):
            connection.sweep(now)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self.sweep(loop.time())
        self._sweeper = loop.call_later(_SWEEP_SECONDS, self._sweep)

    @cached_property
    def fast_budget(self) -> FastBudget | None:
        settings = self.config.settings
        requests, tokens = settings.fast_requests_a_day, settings.fast_tokens_a_day
        if requests is None and tokens is None:
            return None
        from cfp.proxy.telemetry.fast_budget import FastBudget  # noqa: PLC0415  few users have a budget

        return FastBudget(requests=requests, tokens=tokens, log=self.config.request_log)

    @cached_property
    def tier_injection(self) -> TierInjection:
        from cfp.proxy.exchange.tier_injection import TierInjection  # noqa: PLC0415  msgspec is not needed to listen

        settings = self.config.settings
        return TierInjection(
            self.credentials,
            tier=settings.service_tier,
            rules=parse_rules(settings.service_tier_rules),
            budget=self.fast_budget,
            refused=self.tier_refusals.models,
            limit=self.config.limits.body,
        )

    @cached_property
    def bundled_catalog(self) -> BundledCatalog:
        from cfp.proxy.bundled_catalog import BundledCatalog  # noqa: PLC0415  not needed to listen

        return BundledCatalog(self.config.environ, self.config.layout.home)

    @cached_property
    def dashboard(self) -> DashboardHandler | None:
        """None where it was not opened before the program's files were deleted or replaced."""
        from cfp.host.worker.code_id import is_unchanged  # noqa: PLC0415  not needed to listen

        try:
            if is_unchanged():
                from cfp.proxy.dashboard.handler import DashboardHandler  # noqa: PLC0415  most users never open it

                return DashboardHandler(self)
        except (ImportError, OSError):
            pass
        return None

    def _line(self, record: RequestRecord) -> LogLine:
        line = self._lines.build(record)
        if record.on_budget and self.fast_budget is not None:
            self.fast_budget.spend(line)
        return line

    def _logged(self, lines: list[LogLine]) -> None:
        self.recent_requests.add(lines)
        for line in lines:
            self.tier_statistics.add(line)
            self.model_evidence.add(line)
        self.tier_memory.add(lines)

    @property
    def away_at(self) -> float | None:
        """When the upstream was last tried in vain; None while it can be reached."""
        return self.dialer.away_at

    def newest_lines(self) -> Iterator[dict[str, Any]]:
        """Give the log lines of the requests that have ended, the newest first."""
        self._log.deliver()
        return self.recent_requests.newest_first()

    @cached_property
    def settings_generation(self) -> str:
        """The mark of these settings in each log line."""
        return sha256(self.config.settings.serialise()).hexdigest()[:12]

    @cached_property
    def _lines(self) -> LogLineBuilder:
        from cfp.proxy.telemetry.log_lines import LogLineBuilder  # noqa: PLC0415  msgspec is not needed to listen

        settings = self.config.settings
        return LogLineBuilder(
            id_prefix=self._id_prefix,
            policy=settings.service_tier_policy.value,
            upstream_base=settings.upstream_base,
            settings_generation=self.settings_generation,
        )

    def _fold_log(self) -> None:
        """Add the log to the ledger, in the log's thread; where that fails, the next rotation makes up for it."""
        try:
            from cfp.proxy.telemetry.ledger.ledger_file import update  # noqa: PLC0415  `warm_up` has imported it

            update(self.config.ledger, self.config.request_log)
        except (ImportError, OSError, ValueError) as error:
            self.events.warning("ledger_not_written", error=type(error).__name__)

    def _tiers_not_written(self, error: OSError) -> None:
        self.events.warning("tier_records_not_written", errno=error.errno)

    def _log_failed(self, error: OSError) -> None:
        self.events.warning("request_log_not_written", errno=error.errno)
