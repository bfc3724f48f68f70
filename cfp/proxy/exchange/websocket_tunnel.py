"""One WebSocket from its handshake to its end: Codex's turns go through it, each with the tier and a log line.

    asked   the upstream has the handshake; whatever is not its 101, or comes too late, is a 426 for the client
    open    bytes pass in both directions; of the client's text frames `response.create` is inspected
    turn    one `response.create` until the event that ends it; between turns the tunnel is idle

Of what the upstream sends copies are looked at. Only the first answer to a turn that got our tier is held for as long
as its frame takes to arrive: a refusal of the tier is not passed on, and the turn sent again as the client wrote it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Final, NamedTuple

from cfp.proxy.credentials import KeyUnusable
from cfp.proxy.exchange.interfaces import Client, WorkerServices
from cfp.proxy.exchange.tier_refusal import names_tier
from cfp.proxy.http import headers
from cfp.proxy.http.headers import HINT, with_tier
from cfp.proxy.http.local_responses import LocalResponse, response
from cfp.proxy.http.messages import END, Fault, Headers, Malformed, Piece, RequestHead, ResponseEvent, ResponseHead
from cfp.proxy.http.websocket_frames import (
    Frame,
    FrameEvent,
    FrameReader,
    MessageAssembler,
    accepts_handshake,
    close_frame,
)
from cfp.proxy.telemetry.request_record import RequestRecord, StreamObserver
from cfp.proxy.telemetry.response_facts import read_kind
from cfp.proxy.upstream.dial import DialFailed
from cfp.proxy.upstream.pool import UpstreamConnection

_ENDINGS: Final = frozenset(
    {"response.completed", "response.failed", "response.incomplete", "response.cancelled", "error"}
)
_GOING_AWAY: Final = 1001
_OBSERVED: Final = 4 * 1024 * 1024


class Turn(NamedTuple):
    """What is under way. `original` is the frame as the client wrote it, where the tier in it is ours."""

    record: RequestRecord
    model: str | None
    original: bytes | None


class WebSocketTunnel:
    """Takes the place of the exchange that found the handshake, and of the caller on the upstream's connection."""

    def __init__(
        self, services: WorkerServices, client: Client, head: RequestHead, target: bytes, record: RequestRecord
    ) -> None:
        self._services = services
        self._client = client
        self._head = head
        self._target = target
        self._record = record
        self._loop = asyncio.get_running_loop()
        self._authorization: bytes | None = None
        self._connection: UpstreamConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._open = False
        self._done = False
        self._up = FrameReader(services.config.limits.frame)
        self._down = FrameReader(_OBSERVED)
        self._passed = 0  # how much of what waits in `_down` the client has already
        self._messages = MessageAssembler(_OBSERVED)
        self._turns: deque[Turn] = deque()

    # -- the handshake

    def begin(self) -> None:
        """Ask the upstream, unless it is known to say no."""
        self._client.hold_input(hold=True)
        self._record.transport = "websocket"
        if self._services.websocket_support.unavailable(self._loop.time()):
            self._refuse("websocket_not_served")
            return
        try:
            self._authorization = self._services.credentials.authorization()
        except KeyUnusable:
            self._refuse("upstream_key_missing")  # told in words when Codex falls back to HTTP
            return
        self._timer = self._loop.call_later(self._services.config.limits.switch_seconds, self._too_late)
        pool = self._services.pool
        connection = pool.take() if pool.forward_proxy is None else None
        if connection is not None:
            self._ask(connection)
        else:
            self._task = self._loop.create_task(self._dial())

    async def _dial(self) -> None:
        try:
            connection = await self._services.pool.dial(tunnel=True)
        except DialFailed as failed:
            self._task = None
            self._refuse(failed.response.code)
        else:
            self._task = None
            self._ask(connection)

    def _ask(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        out = headers.HeadRewrite(
            target=self._target,
            host=self._services.origin.host_field,
            via=self._services.loop_id,
            authorization=self._authorization,
            hint=self._hint(),
            switch=True,
        )
        connection.call(self, switch=True)
        self._record.sent_at = monotonic()
        connection.send([headers.request_head(self._head, out, None)])

    def _hint(self) -> bytes | None:
        """What routes the connection says the tier that its messages will get; None: as it came."""
        hint, (_, tier) = self._head.fields.get(HINT), self._services.tier_injection.tier_now()
        if hint is None or tier is None or b"tier=" in hint.lower():
            return None
        return with_tier(hint, tier.encode())

    def _answered(self, events: Sequence[ResponseEvent]) -> None:
        connection = self._connection
        assert connection is not None  # noqa: S101  it is the one answering
        head = next((event for event in events if isinstance(event, ResponseHead) and _is_final(event)), None)
        fault = next((event.fault for event in events if isinstance(event, Malformed)), None)
        if head is None and fault is None:
            return  # an interim response
        if head is None and fault is Fault.CLOSED and connection.reused:
            # It ended while the question was on its way, which says nothing (RFC 9112 9.3.1).
            self._connection = None
            connection.abort()
            self._task = self._loop.create_task(self._dial())
            return
        self._record.response_at = monotonic()
        if head is None:
            self._refuse("upstream_broke_off")
        elif not accepts_handshake(self._head, head):
            status = 400 if head.status == 101 else head.status
            self._services.websocket_support.record_refusal(status, self._loop.time())
            self._refuse("websocket_not_served")
        else:
            self._switched(connection, head)

    def _switched(self, connection: UpstreamConnection, head: ResponseHead) -> None:
        self._stop_timer()
        self._open = True
        self._services.websocket_support.record_switch()
        record = self._record
        record.status = 101
        self._client.write([headers.switch_head(head)])
        self._services.log(record)
        rest = connection.switch()
        if self._client.full:
            connection.transport.pause_reading()
        if rest:
            self._from_upstream(rest)
        self._client.hold_input(hold=False)
        self._client.switch()

    def _too_late(self) -> None:
        self._timer = None
        if self._connection is not None:
            self._services.websocket_support.record_refusal(None, self._loop.time())
        self._refuse("upstream_silent")

    def _refuse(self, error_type: str) -> None:
        """426: the one answer on which Codex goes on over HTTP at once and in silence (0.116 to 0.169)."""
        self._record.status, self._record.error_type = LocalResponse.UPGRADE.status, error_type
        self._services.log(self._record)
        self._free()
        self._client.write([response(LocalResponse.UPGRADE.status, LocalResponse.UPGRADE.body(), close=True)])
        self._client.finished(close=True)

    # -- from the client

    def on_data(self, piece: bytes) -> None:
        """Pass frames on; a turn of the model gets the tier."""
        connection = self._connection
        if connection is None or self._done:
            return
        out: list[Piece] = []
        for event in self._up.feed(piece):
            if isinstance(event, Frame) and event.is_text and event.key:
                out += self._create(event)
            else:
                out.append(event if isinstance(event, bytes) else event.raw)
        if out:
            connection.send(out)

    def _create(self, frame: Frame) -> list[Piece]:
        message = self._services.tier_injection.inject_into_message(frame, self._new_record)
        if message is None:
            return [frame.raw]
        self._begin_turn(message.record, message.model, frame.raw if message.record.injected else None)
        return message.parts

    def _new_record(self) -> RequestRecord:
        return self._services.record(b"GET", self._head.target)

    def _begin_turn(self, record: RequestRecord, model: str | None, original: bytes | None) -> None:
        record.sent_at = monotonic()
        record.observer = StreamObserver(sse=True)
        self._turns.append(Turn(record, model, original))
        self._services.began()

    def on_trailers(self, headers: Headers) -> None:
        """There are none."""

    def on_end(self) -> None:
        """The handshake was complete before."""

    def on_malformed(self, malformed: Malformed) -> None:
        """Frames are not judged here."""

    def on_lost(self) -> None:
        """The client is gone: so is its upstream connection, once that has what the client had sent."""
        if not self._done:
            self._end("client_left")

    def pause_download(self) -> None:
        if self._connection is not None:
            self._connection.transport.pause_reading()

    def resume_download(self) -> None:
        if self._connection is not None:
            self._connection.resume()

    # -- from the upstream

    def on_response(self, events: Sequence[ResponseEvent]) -> None:
        """Take its answer to the handshake, then its bytes."""
        if not self._open:
            self._answered(events)
            return
        for event in events:
            if isinstance(event, bytes):
                self._from_upstream(event)
            elif event is END or isinstance(event, Malformed):
                self._end("upstream_cut")
                self._client.finished(close=True)

    def _from_upstream(self, piece: bytes) -> None:
        holding = self._unproven
        events = self._down.feed(piece)
        if not holding:
            self._client.write([piece])
            self._passed = len(self._down.pending)
            for event in events:
                self._look_at(event)
            return
        out: list[Piece] = []
        for event in events:
            raw = event if isinstance(event, bytes) else event.raw
            ahead, self._passed = self._passed, 0
            if ahead or not self._refused(event):
                out.append(raw[ahead:])
                self._look_at(event)
        if not self._unproven:
            out.append(self._down.pending)
            self._passed = len(self._down.pending)
        if out:
            self._client.write(out)

    @property
    def _unproven(self) -> bool:
        """Whether the next message may be the upstream's refusal of our tier."""
        return (
            len(self._turns) == 1
            and self._turns[0].original is not None
            and self._turns[0].record.first_byte_at is None
        )

    def _refused(self, event: FrameEvent) -> bool:
        """Send the turn once more as the client wrote it, if it is our tier that this error is about."""
        if not (self._unproven and isinstance(event, Frame) and event.is_text):
            return False
        text = event.payload()
        if read_kind(text).type != "error" or not names_tier(text, b"identity"):
            return False
        turn = self._turns.popleft()
        assert turn.original is not None  # noqa: S101  an unproven turn has it
        self._services.tier_refusals.add(turn.model)
        turn.record.injected, turn.record.tier_after = False, None
        self._turns.append(turn._replace(original=None))
        if self._connection is not None:
            self._connection.send([turn.original])
        return True

    def _look_at(self, event: FrameEvent) -> None:
        text = self._messages.take(event)
        if text is None:
            return
        kind = read_kind(text)
        if not self._turns:
            if kind.type != "response.created":
                return
            # Its `response.create` came in fragments, or was too large to be inspected.
            record = self._new_record()
            record.transport, record.json_error = "websocket", "not_looked_into"
            self._begin_turn(record, None, None)
        record = self._turns[0].record
        if record.first_byte_at is None:
            record.first_byte_at = record.response_at = monotonic()
        if record.observer is not None:
            record.observer.feed(b"data: " + text + b"\n")
        if kind.type in _ENDINGS:
            record.status = kind.status or (400 if kind.type == "error" else 200)
            self._end_turn("upstream_error" if kind.type == "error" else None)
            if not self._turns and self._services.draining:
                self.retire()

    def pause_upload(self) -> None:
        self._client.hold_input(hold=True)

    def resume_upload(self) -> None:
        self._client.hold_input(hold=False)

    # -- the end

    @property
    def idle(self) -> bool:
        """Open, and between two turns."""
        return self._open and not self._turns and not self._done

    def retire(self) -> None:
        """Tell both ends that this one goes away; Codex connects anew for its next turn."""
        if not self.idle:
            return
        if self._down.between:
            self._client.write([close_frame(_GOING_AWAY)])
        if self._connection is not None and self._up.between:
            self._connection.send([close_frame(_GOING_AWAY, os.urandom(4))])
        self._end(None)
        self._client.finished(close=True)

    def on_silence(self, now: float) -> None:
        """End a turn that the upstream owes an answer for too long."""
        connection = self._connection
        if self.idle and self._services.draining:
            self.retire()
        if connection is None or not self._turns or not connection.transport.is_reading():
            return
        if now - connection.touched > self._services.config.limits.upstream_idle_seconds:
            self._end("upstream_silent")
            self._client.cut(reset=False)

    def _end_turn(self, error_type: str | None) -> None:
        record = self._turns.popleft().record
        record.error_type = error_type
        self._services.ended()
        self._services.log(record)

    def _end(self, error_type: str | None) -> None:
        if not self._open:
            self._record.error_type = error_type
            self._services.log(self._record)
        while self._turns:
            self._end_turn(error_type)
        self._free()

    def _free(self) -> None:
        self._done = True
        self._stop_timer()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _is_final(head: ResponseHead) -> bool:
    """Whether it answers the handshake; 101 alone of all interim responses does."""
    return head.status >= 200 or head.status == 101
