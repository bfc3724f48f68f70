"""One WebSocket from its handshake to its end: Codex's turns go through it, each with the tier and a log line.

    handshake  the upstream has it; any response but its 101, and one that comes too late, is a 426 for the client
    open       bytes pass in both directions; of the client's text frames `response.create` is inspected
    turn       one `response.create` until the event that ends it; between turns the tunnel is idle

`phases.TunnelPhase` draws the phases. Copies of the upstream's frames are observed. Only the first frame that answers
a turn with our tier is held until it is complete: a refusal of the tier is not passed on, and the turn is sent again
as the client wrote it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from time import monotonic
from typing import Final

from cfp.proxy.credentials import AuthOverride, KeyUnusable
from cfp.proxy.exchange.interfaces import Client, WorkerServices
from cfp.proxy.exchange.phases import ENDED, HANDSHAKE, OPEN, TunnelPhase
from cfp.proxy.exchange.websocket_turns import LARGEST_MESSAGE, Turns
from cfp.proxy.http import headers
from cfp.proxy.http.headers import HINT, with_tier
from cfp.proxy.http.local_responses import LocalResponse, response
from cfp.proxy.http.messages import END, Fault, Headers, Malformed, Piece, RequestHead, ResponseEvent, ResponseHead
from cfp.proxy.http.websocket_frames import (
    Frame,
    FrameEvent,
    FrameReader,
    accepts_handshake,
    close_frame,
)
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.upstream.dial import DialFailed
from cfp.proxy.upstream.pool import UpstreamConnection

_GOING_AWAY: Final = 1001


class WebSocketTunnel:
    """The conversation of a client connection that opens a WebSocket, and the caller on the upstream's connection."""

    phase: TunnelPhase = HANDSHAKE

    def __init__(
        self, services: WorkerServices, client: Client, head: RequestHead, target: bytes, record: RequestRecord
    ) -> None:
        self._services = services
        self._client = client
        self._head = head
        self._target = target
        self._record = record
        self._loop = asyncio.get_running_loop()
        self._override: AuthOverride | None = None
        self._connection: UpstreamConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._client_frames = FrameReader(services.config.limits.frame)
        self._upstream_frames = FrameReader(LARGEST_MESSAGE)
        self._passed_bytes = 0  # of those pending in `_upstream_frames`, as the client has them already
        self._turns = Turns(services, head)

    # -- the handshake

    def begin(self) -> None:
        """Send the handshake to the upstream, unless it is known to refuse WebSockets."""
        self._client.pause_input()
        self._record.transport = "websocket"
        if self._services.websocket_support.unavailable(self._loop.time()):
            self._refuse("websocket_not_served")
            return
        try:
            self._override = self._services.credentials.auth_override()
        except KeyUnusable:
            self._refuse("upstream_key_missing")  # Codex falls back to HTTP and shows the sentence of that response
            return
        self._timer = self._loop.call_later(self._services.config.limits.switch_seconds, self._time_out)
        pool = self._services.pool
        connection = pool.take() if pool.forward_proxy is None else None
        if connection is not None:
            self._send_handshake(connection)
        else:
            self._task = self._loop.create_task(self._dial())

    async def _dial(self) -> None:
        try:
            patience = self._services.config.limits.switch_seconds
            connection = await self._services.pool.dial(tunnel=True, patience=patience)
        except DialFailed as failed:
            self._task = None
            self._refuse(failed.response.code)
        else:
            self._task = None
            self._send_handshake(connection)

    def _send_handshake(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        out = headers.HeadRewrite(
            target=self._target,
            host=self._services.origin.host_field,
            via=self._services.loop_id,
            override=self._override,
            hint=self._routing_hint(),
            switch=True,
        )
        connection.call(self, switch=True)
        self._record.sent_at = monotonic()
        connection.send([headers.request_head(self._head, out, None)])

    def _routing_hint(self) -> bytes | None:
        """Return the routing hint with the tier that the turns will get; None leaves the header field unchanged."""
        hint, tier = self._head.fields.get(HINT), self._services.tier_injection.tier_of_handshake()
        if hint is None or tier is None or b"tier=" in hint.lower():
            return None
        return with_tier(hint, tier)

    def _take_handshake_response(self, events: Sequence[ResponseEvent]) -> None:
        connection = self._connection
        assert connection is not None  # noqa: S101  the response came on it
        head = next((event for event in events if isinstance(event, ResponseHead) and _is_final(event)), None)
        fault = next((event.fault for event in events if isinstance(event, Malformed)), None)
        if head is None and fault is None:
            return  # an interim response
        if head is None and fault is Fault.CLOSED and connection.reused:
            # Closed while the handshake was on its way: the upstream may not have seen it (RFC 9112 9.3.1).
            self._connection = None
            connection.abort()
            self._task = self._loop.create_task(self._dial())
            return
        self._record.response_at = monotonic()
        if head is None:
            self._refuse("upstream_broke_off")
        elif not accepts_handshake(self._head, head):
            self._services.websocket_support.record_refusal(
                400 if head.status == 101 else head.status, self._loop.time()
            )
            self._refuse("upstream_redirect" if head.is_redirect else "websocket_not_served")
        else:
            self._open(connection, head)

    def _open(self, connection: UpstreamConnection, head: ResponseHead) -> None:
        self._stop_timer()
        self.phase = OPEN
        self._services.websocket_support.record_switch()
        record = self._record
        record.status = 101
        self._client.write([headers.switch_head(head)])
        self._services.log(record)
        rest = connection.switch()
        if self._client.write_paused:
            connection.transport.pause_reading()
        if rest:
            self._from_upstream(rest)
            if self.phase is not OPEN:  # a whole turn came with the 101, in a drain
                return
        self._client.resume_input()
        self._client.switch_protocol()

    def _time_out(self) -> None:
        self._timer = None
        if self._connection is not None:
            self._services.websocket_support.record_refusal(None, self._loop.time())
        self._refuse("upstream_silent")

    def _refuse(self, error_type: str) -> None:
        """Answer 426, the one status on which Codex falls back to HTTP at once and silently (0.116 to 0.169)."""
        self._record.status, self._record.error_type = LocalResponse.UPGRADE.status, error_type
        self._services.log(self._record)
        self._free()
        self._client.write([response(LocalResponse.UPGRADE.status, LocalResponse.UPGRADE.body(), close=True)])
        self._client.end_conversation(close=True)

    # -- from the client

    def on_data(self, piece: bytes) -> None:
        """Pass frames on; a `response.create` gets the tier.

        Nothing is sent where the connection is not on the path to the upstream any more: the turn that came is logged
        as unanswered, and Codex connects again.
        """
        connection = self._connection
        if connection is None:
            return
        strayed = self.idle and not self._services.pool.is_on_path(connection)
        out: list[Piece] = []
        for event in self._client_frames.feed(piece):
            if isinstance(event, Frame) and event.is_text and event.key:
                out += self._turns.take_text(event)
            else:
                out.append(event if isinstance(event, bytes) else event.raw)
        if strayed:
            self._end("upstream_cut")
            self._client.end_conversation(close=True)
        elif out:
            connection.send(out)

    def on_trailers(self, headers: Headers) -> None:
        """Do nothing: a handshake has no trailer fields."""

    def on_end(self) -> None:
        """Do nothing: the handshake was complete before."""

    def on_malformed(self, malformed: Malformed) -> None:
        """Do nothing: frames are passed on without a judgement."""

    def on_lost(self) -> None:
        """End the tunnel: the client has left. Its upstream still gets the bytes that the client had sent."""
        if self.phase is not ENDED:
            self._end("client_left")

    def pause_download(self) -> None:
        if self._connection is not None:
            self._connection.transport.pause_reading()

    def resume_download(self) -> None:
        if self._connection is not None:
            self._connection.transport.resume_reading()

    # -- from the upstream

    def on_response(self, events: Sequence[ResponseEvent]) -> None:
        """Take the response to the handshake, then the upstream's bytes."""
        if self.phase is HANDSHAKE:
            self._take_handshake_response(events)
            return
        for event in events:
            if isinstance(event, bytes):
                self._from_upstream(event)
            elif event is END or isinstance(event, Malformed):
                self._end("upstream_cut")
                self._client.end_conversation(close=True)

    def _from_upstream(self, piece: bytes) -> None:
        hold = self._turns.awaits_verdict
        events = self._upstream_frames.feed(piece)
        if not hold:
            self._client.write([piece])
            self._passed_bytes = self._upstream_frames.pending_size
            for event in events:
                self._observe(event)
        else:
            self._judge(events)
        if self._upstream_frames.is_opaque:
            self._turns.abandon()

    def _judge(self, events: Sequence[FrameEvent]) -> None:
        """Pass the events on, but for one that refuses our tier."""
        out: list[Piece] = []
        for event in events:
            raw = event if isinstance(event, bytes) else event.raw
            passed, self._passed_bytes = self._passed_bytes, 0
            if passed or not self._retry_without_tier(event):
                out.append(raw[passed:])
                if (
                    self._services.draining
                ):  # the last event of a turn ends the tunnel, and must be on its way by then
                    self._client.write(out)
                    out = []
                self._observe(event)
            if self.phase is ENDED:
                return
        if out:
            self._client.write(out)
        if self._upstream_frames.pending and not self._turns.awaits_verdict:
            self._client.write([self._upstream_frames.pending])
            self._passed_bytes = self._upstream_frames.pending_size

    def _retry_without_tier(self, event: FrameEvent) -> bool:
        """Send the turn as the client wrote it where this frame refuses our tier; return whether it does."""
        original = self._turns.take_refusal(event)
        if original is None:
            return False
        if self._connection is not None:
            self._connection.send([original])
        return True

    def _observe(self, event: FrameEvent) -> None:
        if self._turns.observe(event) and self._services.draining:
            self.close_if_idle()

    def pause_upload(self) -> None:
        self._client.pause_input()

    def resume_upload(self) -> None:
        self._client.resume_input()

    # -- the end

    @property
    def idle(self) -> bool:
        """Whether the tunnel is open and between two turns."""
        return self.phase is OPEN and not self._turns

    def close_if_idle(self) -> None:
        """Send Close 1001 (going away) to both ends of an idle tunnel; Codex connects again for its next turn."""
        if not self.idle:
            return
        if self._upstream_frames.at_boundary:
            self._client.write([close_frame(_GOING_AWAY)])
        if self._connection is not None and self._client_frames.at_boundary:
            self._connection.send([close_frame(_GOING_AWAY, os.urandom(4))])
        self._end(None)
        self._client.end_conversation(close=True)

    def check_time_limits(self, now: float) -> None:  # noqa: ARG002  the conversation's signature
        """End an idle tunnel in a drain, and one that is not on the path to the upstream any more."""
        strayed = self._connection is not None and self._connection.strayed
        if self.idle and (strayed or self._services.draining):
            self.close_if_idle()

    def _end(self, error_type: str | None) -> None:
        if self.phase is HANDSHAKE:
            self._record.error_type = error_type
            self._services.log(self._record)
        self._turns.end_all(error_type)
        self._free()

    def _free(self) -> None:
        self.phase = ENDED
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
    """Whether the response answers the handshake; of all interim responses only 101 does."""
    return head.status >= 200 or head.status == 101
