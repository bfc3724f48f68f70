"""Answer the requests of browsers: a file of the page, the state once, or events until the page is closed."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Final, Protocol

from cfp.advice import home_flag
from cfp.codex.event_stream import format_event
from cfp.layout import API_PATH
from cfp.proxy.dashboard import assets
from cfp.proxy.dashboard.browser_request import BrowserRequest
from cfp.proxy.dashboard.snapshot import SnapshotCache
from cfp.proxy.dashboard.state import request_row, state
from cfp.proxy.dashboard.usage import UsageCache, choice
from cfp.proxy.exchange.interfaces import Client
from cfp.proxy.http.local_responses import LocalResponse
from cfp.proxy.http.messages import RequestHead
from cfp.proxy.telemetry import health
from cfp.proxy.telemetry.recent_requests import RecentRequests

MOST_LINES: Final = 200
MOST_FEEDS: Final = 16
_STATE: Final = f"{API_PATH}/state".encode()
_EVENTS: Final = f"{API_PATH}/events".encode()
_USAGE: Final = f"{API_PATH}/usage/".encode()
_BATCH_SECONDS: Final = 0.1
_STATE_SECONDS: Final = 1.0
_HEARTBEAT_SECONDS: Final = 15.0

# The stream ends with its connection; the page then connects again after a second.
_FEED_HEAD: Final = b"\r\n".join(
    (
        b"HTTP/1.1 200 OK",
        b"Content-Type: text/event-stream; charset=utf-8",
        b"Cache-Control: no-store",
        b"X-Content-Type-Options: nosniff",
        b"Connection: close",
        *assets.FIELDS,
        b"",
        b"retry: 1000\n\n",
    )
)


class ObservedWorker(health.ReportingWorker, Protocol):
    """A worker, as far as the dashboard reads from it."""

    recent_requests: RecentRequests


class DashboardHandler:
    """All browser requests of one worker; the number of log lines and feeds bounds their memory."""

    def __init__(self, worker: ObservedWorker) -> None:
        self.worker = worker
        self._snapshots = SnapshotCache(worker.config.layout, worker.config.environ)
        self._usage = UsageCache(worker.config)
        another_terminal = {**worker.config.environ, "CODEX_HOME": ""}
        self._home_flag = home_flag(worker.config.layout, another_terminal)
        self._feeds: list[BrowserRequest] = []
        self._state: dict[str, Any] = {}
        self._state_at = -_STATE_SECONDS

    def conversation(self, head: RequestHead, path: bytes, client: Client) -> BrowserRequest:
        """Return the conversation that answers this request; see `interfaces.Dashboard`."""
        return BrowserRequest(client, head, partial(self._answer, path))

    def _answer(self, path: bytes, request: BrowserRequest) -> None:
        file = assets.file_at(path)
        sums = choice(path.removeprefix(_USAGE).decode("latin-1")) if path.startswith(_USAGE) else None
        allow = b"GET" if path == _EVENTS else b"GET, HEAD"
        if request.method not in allow.split(b", "):
            request.answer(LocalResponse.METHOD.status, LocalResponse.METHOD.body(), allow=allow)
        elif path == _STATE:
            request.run(self._send_state(request))
        elif path == _EVENTS:
            self._make_room()
            self._feeds.append(request)
            request.run(self._feed(request), on_end=lambda: self._feeds.remove(request))
        elif sums is not None:
            request.run(self._send_usage(request, *sums))
        elif file is not None:
            request.answer(200, file.body, file.content_type)
        else:
            base = self.worker.config.settings.proxy_base
            request.answer(LocalResponse.NOT_FOUND.status, LocalResponse.NOT_FOUND.body(base=base))

    async def state(self) -> dict[str, Any]:
        """Return the state without the single requests; requests within 0.1 s of each other share one."""
        worker = self.worker
        snapshot = await self._snapshots.current(health.report(worker))
        if monotonic() - self._state_at >= _BATCH_SECONDS:
            self._state_at = monotonic()
            self._state = state(
                worker.config.settings,
                health.report(worker),
                snapshot,
                home_flag=self._home_flag,
                tier_statistics=worker.tier_statistics.report(worker.config.settings.upstream_base),
            )
        return self._state

    async def _send_state(self, request: BrowserRequest) -> None:
        try:
            body = _json(await self._state_with_requests())
        except ImportError:  # the program's files were deleted after the page was opened, and before this
            request.answer(LocalResponse.NO_DASHBOARD.status, LocalResponse.NO_DASHBOARD.body())
            return
        request.answer(200, body)

    async def _send_usage(self, request: BrowserRequest, by: str, days: int | None) -> None:
        try:
            body = _json(await self._usage.sums(by, days))
        except ImportError:  # see _send_state
            request.answer(LocalResponse.NO_DASHBOARD.status, LocalResponse.NO_DASHBOARD.body())
            return
        request.answer(200, body)

    async def _state_with_requests(self) -> dict[str, Any]:
        current = await self.state()
        lines = self.worker.recent_requests.lines()[-MOST_LINES:]
        return {**current, "requests": [request_row(line) for line in lines]}

    async def _feed(self, request: BrowserRequest) -> None:
        """Send everything once, then changes: at most ten times a second, and not while the browser reads slowly."""
        unsent: deque[Mapping[str, Any]] = deque(maxlen=MOST_LINES)
        changed = asyncio.Event()

        def on_lines(lines: Sequence[Mapping[str, Any]]) -> None:
            unsent.extend(lines)
            changed.set()

        try:
            await self.state()
        except ImportError:  # see _send_state
            request.answer(LocalResponse.NO_DASHBOARD.status, LocalResponse.NO_DASHBOARD.body())
            return
        unsubscribe = self.worker.recent_requests.subscribe(on_lines)
        try:
            request.send(_FEED_HEAD)
            last = _json(await self.state())
            unsent.clear()  # the lines of the meantime are in the full state
            request.send(format_event("all", _json(await self._state_with_requests())))
            sent = monotonic()
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STATE_SECONDS):
                        await changed.wait()
                await asyncio.sleep(_BATCH_SECONDS)
                if request.write_paused:
                    continue
                changed.clear()
                parts = []
                if unsent:
                    parts.append(format_event("requests", _json([request_row(line) for line in unsent])))
                    unsent.clear()
                now = _json(await self.state())
                if now != last:
                    parts.append(format_event("state", now))
                    last = now
                if not parts and monotonic() - sent >= _HEARTBEAT_SECONDS:
                    parts.append(b":\n\n")
                if parts:
                    request.send(b"".join(parts))
                    sent = monotonic()
        finally:
            unsubscribe()

    def _make_room(self) -> None:
        """Close the oldest feed where there are too many: its page is the least likely one to be read still."""
        if len(self._feeds) >= MOST_FEEDS:
            self._feeds[0].close_if_idle()


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode()
