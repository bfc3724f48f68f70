"""The worker itself: it listens, keeps the list of connections, sweeps them, and drains."""

from __future__ import annotations

import asyncio
import json
import math
import os
from functools import cached_property, partial
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING

from cfp.proxy.config import WorkerConfig
from cfp.proxy.credentials import Credentials
from cfp.proxy.exchange.admission import Admission
from cfp.proxy.exchange.client_connection import ClientConnection
from cfp.proxy.exchange.routing import Router
from cfp.proxy.http.head_cache import HeadCache
from cfp.proxy.http.socket_io import ReadBuffer
from cfp.proxy.learned import TierRefusals, WebSocketSupport
from cfp.proxy.telemetry.recent_requests import RecentRequests
from cfp.proxy.telemetry.request_log import EventLog, RequestLog, RotatingFile
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.telemetry.tier_statistics import TierStatistics
from cfp.proxy.upstream.dial import Dialer
from cfp.proxy.upstream.origin import parse_origin
from cfp.proxy.upstream.pool import Pool
from cfp.proxy.worker.event_loop import turns
from cfp.proxy.worker.listener import Listener, bind
from cfp.proxy.worker.peer_check import PeerGuard

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from cfp.proxy.dashboard.handler import DashboardHandler
    from cfp.proxy.exchange.tier_injection import TierInjection
    from cfp.proxy.telemetry.log_lines import LogLine, LogLineBuilder

_SWEEP_SECONDS = 5.0


class Worker:
    """`start` listens, `drain` begins the end, `wait_closed` is over when the last request is; `stop` cuts.

    Usable in any process with an event loop: it installs no signal handler and writes no file but its request log.

    hands_over   a next worker can take the listener over
    standing_by  one has: this worker finishes what it has, and serves on if that one ends
    taking_over  the worker before this one still stands by
    """

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
        self.tier_refusals = TierRefusals()
        self.websocket_support = WebSocketSupport()
        self.recent_requests = RecentRequests()
        self.tier_statistics = TierStatistics()
        self.events = EventLog(verbose=config.verbose)
        self.loop_id = os.urandom(8).hex().encode()
        self.draining = False
        self.leaving = False
        self.hands_over = False
        self.standing_by = False
        self.taking_over = False
        self.requests_in_flight = 0
        self.requests_served = 0
        self._log = RequestLog(
            RotatingFile(config.request_log), self._line, on_lines=self._logged, on_error=self._log_failed
        )
        self._guard = guard or PeerGuard.of_this_system()
        self._connections: set[ClientConnection] = set()
        self._ids = os.urandom(4).hex()
        self._requests = 0
        self._listener: Listener | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = asyncio.Event()

    # -- life

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Listen, on the sockets given where there are some; raises OSError where the port is taken."""
        loop = asyncio.get_running_loop()
        settings, limits = self.config.settings, self.config.limits
        self._listener = Listener(
            sockets or bind(settings.host, settings.port),
            partial(ClientConnection, self, self, limits),
            self._settled,
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
    def lendable(self) -> Sequence[socket.socket]:
        """The listening sockets, where a next worker has asked for them; else it has an address of its own."""
        return () if self._listener is None or self._listener.accepting else self._listener.sockets

    def stand_by(self, *, pausing: bool) -> None:
        """Let the next worker accept, and go on with what is here; at another address both do."""
        self.standing_by = True
        if pausing and self._listener is not None:
            self._listener.pause()

    def serve_on(self) -> None:
        """The next worker is gone: accept again, first who waited meanwhile."""
        self.standing_by = False
        if self._listener is not None:
            self._listener.resume()

    def drain(self, *, succeeded: bool = False) -> None:
        """Take nothing new; running requests end when they are done, idle connections now.

        succeeded  another worker accepts at this address: no client is in a hurry to leave, so that idle ones may
                   send the request that is on its way; its answer says that the connection closes
        """
        if self.draining:
            return
        self.draining, self.leaving = True, not succeeded
        if self._listener is not None:
            self._listener.close()
        loop = asyncio.get_running_loop()
        if succeeded:
            self._close_unused(since=monotonic())
        else:
            self._close_idle()
        loop.call_later(self.config.limits.drain_seconds, self._stop_waiting)
        self._closed_if_empty()

    def _stop_waiting(self) -> None:
        if not self._closed.is_set():
            self.events.warning("drain_limit", cut_streams=self.requests_in_flight)
            self.cut()

    def cut(self) -> None:
        """End every connection now, as a second SIGTERM asks."""
        self.drain()
        for connection in list(self._connections):
            connection.transport.abort()
        self.pool.close()

    async def wait_closed(self) -> None:
        """Return when it has drained and the log is written."""
        await self._closed.wait()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.pool.close()
        await self._log.close()
        self._guard.close()
        await asyncio.sleep(0)  # aborted transports close their sockets in the next turn of the loop

    async def stop(self) -> None:
        self.cut()
        await self.wait_closed()

    # -- for connections

    def arrived(self, connection: ClientConnection) -> bool:
        room = len(self._connections) < self.config.limits.connections or self._make_room()
        self._connections.add(connection)
        return room

    def left(self, connection: ClientConnection) -> None:
        self._connections.discard(connection)
        self._closed_if_empty()

    def trusts(self, transport: asyncio.Transport) -> bool:
        peer, ours = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        trusted = self._guard.trusts(peer[:2], ours[:2]) if peer else None
        if trusted is False:
            self.events.warning("peer_not_allowed")
        return bool(trusted)

    # -- for exchanges

    def record(self, method: bytes, target: bytes) -> RequestRecord:
        self._requests += 1
        return RequestRecord(self._requests, method, target)

    def began(self) -> None:
        self.requests_in_flight += 1

    def ended(self) -> None:
        self.requests_in_flight -= 1
        self.requests_served += 1

    def log(self, record: RequestRecord) -> None:
        record.ended_at = monotonic()
        self._log.add(record)

    def remember(self) -> None:
        """Take in what earlier workers have logged, for `recent` and `evidence`; off the loop, soon after this."""
        self._log.remember()

    def health(self) -> bytes:
        from cfp.proxy.telemetry.health import report  # noqa: PLC0415  not needed to listen

        return json.dumps(report(self)).encode()

    # -- inside

    def _settled(self) -> None:
        if self.leaving:
            self._close_idle()  # it came with the last ones
        self._closed_if_empty()

    def _close_idle(self, unused_since: float = math.inf) -> None:
        for connection in list(self._connections):
            if connection.is_idle and connection.touched <= unused_since:
                connection.close()

    def _close_unused(self, since: float) -> None:
        """Close idle connections whose client has had the time for its next request, until none is left."""
        patience = self.config.limits.last_request_seconds
        if monotonic() - since >= patience:
            self._close_idle(monotonic() - patience)
        asyncio.get_running_loop().call_later(patience / 8, self._close_unused, since)

    def _closed_if_empty(self) -> None:
        coming = self._listener is not None and self._listener.busy
        if self.draining and not self._connections and not coming:
            self._closed.set()

    def _make_room(self) -> bool:
        idle = [connection for connection in self._connections if connection.is_idle]
        if not idle:
            return False
        min(idle, key=lambda connection: connection.touched).close()
        return True

    def sweep(self, now: float) -> None:
        """End what has taken too long, on both legs; `now` is the loop's time."""
        for connection in list(self._connections):
            connection.sweep(now)
        self.pool.sweep(now)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self.sweep(loop.time())
        self._sweeper = loop.call_later(_SWEEP_SECONDS, self._sweep)

    @cached_property
    def tier_injection(self) -> TierInjection:
        from cfp.proxy.exchange.tier_injection import TierInjection  # noqa: PLC0415  msgspec is not needed to listen

        return TierInjection(
            self.credentials,
            tier=self.config.settings.service_tier,
            refused=self.tier_refusals.models,
            cap=self.config.limits.body,
        )

    @cached_property
    def dashboard(self) -> DashboardHandler:
        from cfp.proxy.dashboard.handler import DashboardHandler  # noqa: PLC0415  most workers are never looked at

        return DashboardHandler(self)

    def _line(self, record: RequestRecord) -> LogLine:
        return self._lines.build(record)

    def _logged(self, lines: list[LogLine]) -> None:
        self.recent_requests.add(lines)
        for line in lines:
            self.tier_statistics.add(line)

    @cached_property
    def _lines(self) -> LogLineBuilder:
        from cfp.proxy.telemetry.log_lines import LogLineBuilder  # noqa: PLC0415  msgspec is not needed to listen

        settings = self.config.settings
        generation = sha256(settings.serialise()).hexdigest()[:12]
        return LogLineBuilder(
            id_prefix=self._ids,
            policy=settings.service_tier_policy.value,
            upstream_base=settings.upstream_base,
            settings_generation=generation,
        )

    def _log_failed(self, error: OSError) -> None:
        self.events.warning("request_log_not_written", errno=error.errno)
