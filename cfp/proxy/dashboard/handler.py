"""Answers every visit of a browser: a file of the page, the state once, or the events for as long as it looks."""

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
from cfp.layout import API_PATH
from cfp.proxy.dashboard import assets
from cfp.proxy.dashboard.browser_request import BrowserRequest
from cfp.proxy.dashboard.snapshot import SnapshotCache
from cfp.proxy.dashboard.state import state
from cfp.proxy.dashboard.traffic import shown
from cfp.proxy.exchange.interfaces import Client
from cfp.proxy.http.local_responses import LocalResponse
from cfp.proxy.http.messages import RequestHead
from cfp.proxy.telemetry import health
from cfp.proxy.telemetry.recent_requests import RecentRequests

MOST_LINES: Final = 200
MOST_FEEDS: Final = 16
_STATE: Final = f"{API_PATH}/state".encode()
_EVENTS: Final = f"{API_PATH}/events".encode()
_GATHER_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 1.0
_BEAT_SECONDS: Final = 15.0

# The end of the connection is the end of the stream; a page that loses it asks again after a second.
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
    """What the dashboard asks of a worker."""

    recent_requests: RecentRequests


class DashboardHandler:
    """All visits of one worker. Whatever comes, memory is bounded by lines, feeds and what a browser has not read."""

    def __init__(self, worker: ObservedWorker) -> None:
        self.worker = worker
        self._lookout = SnapshotCache(worker.config.layout, worker.config.environ)
        another_terminal = {**worker.config.environ, "CODEX_HOME": ""}
        self._home_flag = home_flag(worker.config.layout, another_terminal)
        self._feeds: list[BrowserRequest] = []
        self._state: dict[str, Any] = {}
        self._state_at = -_LOOK_SECONDS

    def visit(self, head: RequestHead, path: bytes, client: Client) -> BrowserRequest:
        """See `ports.Desk`."""
        return BrowserRequest(client, head, partial(self._answer, path))

    def _answer(self, path: bytes, visit: BrowserRequest) -> None:
        file = assets.file_at(path)
        allow = b"GET" if path == _EVENTS else b"GET, HEAD"
        if visit.method not in allow.split(b", "):
            visit.answer(LocalResponse.METHOD.status, LocalResponse.METHOD.body(), allow=allow)
        elif path == _STATE:
            visit.goes_on(self._tell(visit))
        elif path == _EVENTS:
            self._make_room()
            self._feeds.append(visit)
            visit.goes_on(self._feed(visit), then=lambda: self._feeds.remove(visit))
        elif file is not None:
            visit.answer(200, file.body, file.content_type)
        else:
            base = self.worker.config.settings.proxy_base
            visit.answer(LocalResponse.NOT_FOUND.status, LocalResponse.NOT_FOUND.body(base=base))

    async def state(self) -> dict[str, Any]:
        """All but the single requests; worked out once for all who ask within the time of one gathering."""
        worker = self.worker
        outlook = await self._lookout.look(health.report(worker))
        if monotonic() - self._state_at >= _GATHER_SECONDS:
            self._state_at = monotonic()
            self._state = state(
                worker.config.settings,
                health.report(worker),
                outlook,
                home_flag=self._home_flag,
                evidence=worker.tier_statistics.report(worker.config.settings.upstream_base),
                lines=worker.recent_requests.lines(),
            )
        return self._state

    async def _tell(self, visit: BrowserRequest) -> None:
        visit.answer(200, _json(await self._everything()))

    async def _everything(self) -> dict[str, Any]:
        found = await self.state()
        return {**found, "requests": [shown(line) for line in self.worker.recent_requests.lines()[-MOST_LINES:]]}

    async def _feed(self, visit: BrowserRequest) -> None:
        """Tell everything once, then what changes: at most some times a second, and never to one who is behind."""
        news: deque[Mapping[str, Any]] = deque(maxlen=MOST_LINES)
        changed = asyncio.Event()

        def heard(lines: Sequence[Mapping[str, Any]]) -> None:
            news.extend(lines)
            changed.set()

        leave = self.worker.recent_requests.subscribe(heard)
        try:
            visit.send(_FEED_HEAD)
            last = _json(await self.state())
            news.clear()  # what was heard meanwhile is among the lines
            visit.send(_event("all", _json(await self._everything())))
            sent = monotonic()
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await changed.wait()
                await asyncio.sleep(_GATHER_SECONDS)
                if visit.is_behind:
                    continue
                changed.clear()
                parts = []
                if news:
                    parts.append(_event("requests", _json([shown(line) for line in news])))
                    news.clear()
                now = _json(await self.state())
                if now != last:
                    parts.append(_event("state", now))
                    last = now
                if not parts and monotonic() - sent >= _BEAT_SECONDS:
                    parts.append(b":\n\n")
                if parts:
                    visit.send(b"".join(parts))
                    sent = monotonic()
        finally:
            leave()

    def _make_room(self) -> None:
        """The window opened first is the one that is least likely still looked at."""
        if len(self._feeds) >= MOST_FEEDS:
            self._feeds[0].retire()


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode()


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
