"""One request of a browser: it takes the exchange's place, is answered now or later, or is kept informed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from cfp.proxy.dashboard import assets
from cfp.proxy.exchange.interfaces import Client
from cfp.proxy.http.local_responses import response
from cfp.proxy.http.messages import Headers, Malformed, RequestHead


class BrowserRequest:
    """`idle` from its first to its last moment: nobody loses more than a look when it is ended."""

    idle = True

    def __init__(self, client: Client, head: RequestHead, work: Callable[[BrowserRequest], None]) -> None:
        self.method = head.method
        self._client = client
        self._work = work
        # A body that nobody asked for is not waited for.
        self._last = not head.keep_alive or head.minor == 0 or head.chunked or bool(head.length)
        self._over = False
        self._task: asyncio.Task[None] | None = None
        self._then: Callable[[], None] | None = None

    # -- for the desk

    @property
    def is_behind(self) -> bool:
        """Whether the browser has not yet read what it was sent."""
        return self._client.full

    def goes_on(self, work: Coroutine[Any, Any, None], then: Callable[[], None] | None = None) -> None:
        """Work for it until it is over; `then` is called once, when it is."""
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._worked)
        self._then = then

    def answer(
        self, status: int, body: bytes, content_type: bytes = b"application/json", allow: bytes = b"GET, HEAD"
    ) -> None:
        """Say all there is to say."""
        text = response(status, body, close=self._last, content_type=content_type, more=assets.FIELDS, allow=allow)
        self._client.write([text[: len(text) - len(body)] if self.method == b"HEAD" else text])
        self._end()
        self._client.finished(close=self._last)

    def send(self, data: bytes) -> None:
        """Say a part of what has no end."""
        self._client.write([data])

    def _worked(self, task: asyncio.Task[None]) -> None:
        """After a bug the browser must not wait for ever, and the process's log tells of it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler({"message": "a visit failed", "exception": error, "task": task})
            self.retire()

    def _end(self) -> None:
        self._over = True
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        then, self._then = self._then, None
        if then is not None:
            then()

    # -- for the connection

    def begin(self) -> None:
        self._work(self)

    def on_data(self, piece: bytes) -> None:
        """A body says nothing here."""

    def on_trailers(self, headers: Headers) -> None:
        """The same."""

    def on_end(self) -> None:
        """The same."""

    def on_malformed(self, malformed: Malformed) -> None:  # noqa: ARG002  whatever it is, it comes behind the question
        self.retire()

    def on_lost(self) -> None:
        self._end()

    def on_silence(self, now: float) -> None:
        """It is the worker who has nothing to say."""

    def pause_download(self) -> None:
        """`is_behind` is asked before each event."""

    def resume_download(self) -> None:
        """The same."""

    def retire(self) -> None:
        """Close the connection: a stream of events has no other end, and its page asks the next worker."""
        if not self._over:
            self._end()
            self._client.finished(close=True)
