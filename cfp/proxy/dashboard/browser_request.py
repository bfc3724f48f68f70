"""One request of a browser: a conversation that is answered at once or later, or that stays open for events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from cfp.proxy.dashboard import assets
from cfp.proxy.exchange.interfaces import Client
from cfp.proxy.http.local_responses import response
from cfp.proxy.http.messages import Headers, Malformed, RequestHead


class BrowserRequest:
    """A conversation that is idle from its begin to its end: closing it costs a browser no more than one refresh."""

    idle = True

    def __init__(self, client: Client, head: RequestHead, serve: Callable[[BrowserRequest], None]) -> None:
        self.method = head.method
        self._client = client
        self._serve = serve
        # A body is not waited for: no request of the dashboard has one. Behind a head with Upgrade nothing is parsed.
        reusable = head.keep_alive and head.minor == 1 and not head.upgrade
        self._close = not reusable or head.chunked or bool(head.length)
        self._ended = False
        self._task: asyncio.Task[None] | None = None
        self._on_end: Callable[[], None] | None = None

    # -- called by the dashboard

    @property
    def write_paused(self) -> bool:
        """Whether the browser reads more slowly than we write."""
        return self._client.write_paused

    def run(self, work: Coroutine[Any, Any, None], on_end: Callable[[], None] | None = None) -> None:
        """Run `work` in a task, which ends with the request; `on_end` is called once, at that moment."""
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._check_task)
        self._on_end = on_end

    def answer(
        self, status: int, body: bytes, content_type: bytes = b"application/json", allow: bytes = b"GET, HEAD"
    ) -> None:
        """Send a whole response, and end the request."""
        text = response(
            status, body, close=self._close, content_type=content_type, extra_fields=assets.FIELDS, allow=allow
        )
        self._client.write([text[: len(text) - len(body)] if self.method == b"HEAD" else text])
        self._end()
        self._client.end_conversation(close=self._close)

    def send(self, data: bytes) -> None:
        """Send a piece of a response that ends with its connection."""
        self._client.write([data])

    def _check_task(self, task: asyncio.Task[None]) -> None:
        """Report a bug to the loop, and close the connection: the browser must not wait for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            report = {"message": "a browser's request failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(report)
            self.close_if_idle()

    def _end(self) -> None:
        self._ended = True
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()

    # -- called by the connection

    def begin(self) -> None:
        self._serve(self)

    def on_data(self, piece: bytes) -> None:
        """Drop a piece of the body."""

    def on_trailers(self, headers: Headers) -> None:
        """Drop the trailer fields."""

    def on_end(self) -> None:
        """Do nothing: the response does not wait for the body."""

    def on_malformed(self, malformed: Malformed) -> None:  # noqa: ARG002  any fault in the body ends the connection
        self.close_if_idle()

    def on_lost(self) -> None:
        self._end()

    def check_time_limits(self, now: float) -> None:
        """Do nothing: the browser waits for the worker, not the worker for the browser."""

    def pause_download(self) -> None:
        """Do nothing: the dashboard reads `write_paused` before each event."""

    def resume_download(self) -> None:
        """Do nothing: see `pause_download`."""

    def close_if_idle(self) -> None:
        """Close the connection: a stream of events has no other end, and its page connects to the next worker."""
        if not self._ended:
            self._end()
            self._client.end_conversation(close=True)
