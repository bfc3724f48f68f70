"""One request from admission to its log line.

Callbacks all the way: the client's connection feeds `on_data` and `on_end`, the upstream's feeds `on_response`, and
what comes in on one leg goes out on the other in the same turn of the event loop.
    held      the body is complete before it goes out, perhaps with a tier
    streamed  every other body goes on piece by piece
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cfp.proxy.credentials import KeyUnusable
from cfp.proxy.exchange.admission import Denial
from cfp.proxy.exchange.interfaces import Client, WorkerServices
from cfp.proxy.exchange.request_plan import head_rewrite, plan_request
from cfp.proxy.exchange.routing import Destination
from cfp.proxy.exchange.tier_refusal import names_tier
from cfp.proxy.http import headers, messages
from cfp.proxy.http.local_responses import LocalResponse, response, response_to
from cfp.proxy.http.messages import Body, Headers, Malformed, RequestHead, ResponseEvent
from cfp.proxy.http.request_body import RequestBody
from cfp.proxy.http.response_relay import ResponseRelay
from cfp.proxy.upstream.dial import DialFailed
from cfp.proxy.upstream.pool import UpstreamConnection

if TYPE_CHECKING:
    from cfp.proxy.http.json_splice import SplicedBody

_REPEATABLE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})  # without harm, and without a body (RFC 9110 9.2.2)


class Exchange:
    """`complete`: the request has no body, or all of it has come. Every path ends in `_end`, once."""

    idle = False

    _hint: bytes | None = None
    _authorization: bytes | None = None
    _connection: UpstreamConnection | None = None
    _task: asyncio.Task[None] | None = None  # dials, or inspects a large body
    _relay: ResponseRelay | None = None
    _expects = False  # the client waits for the upstream's word before it sends the body
    _counted = False
    _logged = True
    _done = False

    def __init__(
        self,
        services: WorkerServices,
        client: Client,
        head: RequestHead,
        body: Body = b"",
        *,
        complete: bool,
    ) -> None:
        self._services = services
        self._client = client
        self._head = head
        self._plan = plan_request(services, head)
        self._body = RequestBody(head, body, complete=complete)
        self._record = services.record(head.method, self._plan.target)
        self._close = not head.keep_alive or head.minor == 0

    # -- from the client

    def begin(self) -> None:
        """Judge the head: answer it here, hold its body, or connect and let it through."""
        if self._plan.forwarded and self._client.trusted:
            self._forward()
        else:
            self._receive()

    def _receive(self) -> None:
        """Judge a head that is not simply forwarded."""
        plan, services = self._plan, self._services
        refusal = plan.refusal if self._client.trusted else Denial.PEER
        destination = plan.route.destination
        if plan.looping and self._client.trusted:  # under whatever name it has come back
            self._answer(LocalResponse.LOOP)
        elif refusal is not None:
            self._answer(LocalResponse.NOT_ADMITTED, error_type=refusal.value, reason=refusal.value.replace("_", " "))
        elif destination is Destination.HEALTH:
            self._health()
        elif destination is Destination.DASHBOARD:
            self._client.go_on_with(services.dashboard.visit(self._head, plan.route.path, self._client))
        elif destination is Destination.NOT_FOUND:
            self._answer(LocalResponse.NOT_FOUND, base=services.config.settings.proxy_base)
        else:
            self._switch()

    def _switch(self) -> None:
        from cfp.proxy.exchange.websocket_tunnel import WebSocketTunnel  # noqa: PLC0415  most clients never ask for it
        from cfp.proxy.http.websocket_frames import is_handshake  # noqa: PLC0415  the same

        route = self._plan.route
        if route.destination is Destination.RESPONSES and is_handshake(self._head):
            self._client.go_on_with(
                WebSocketTunnel(self._services, self._client, self._head, route.target, self._record)
            )
        else:
            self._answer(LocalResponse.UPGRADE)

    def _health(self) -> None:
        if self._head.method in {b"GET", b"HEAD"}:
            self._logged = False
            self._own(200, self._services.health(), close=self._must_close())
        else:
            self._answer(LocalResponse.METHOD)

    def _forward(self) -> None:
        self._counted = True
        self._services.began()
        plan, request_body = self._plan, self._body
        if plan.inspected and (self._head.length or 0) > self._services.config.limits.body:
            self._too_large()
            return
        try:
            self._authorization = self._services.credentials.authorization()
        except KeyUnusable as state:
            self._answer(
                LocalResponse.KEY_MISSING if state.missing else LocalResponse.KEY_UNUSABLE, source=state.source
            )
            return
        if not plan.inspected:
            self._expects = plan.expects and not request_body.complete
            self._connect()
            return
        self._record.eligible = True
        if request_body.complete:
            self._inspect(request_body.whole)
            return
        request_body.hold()
        if plan.expects:  # only the whole body tells what goes to the upstream
            self._client.write([messages.CONTINUE])

    def on_data(self, piece: bytes) -> None:
        """Take a piece of the request's body."""
        request_body = self._body
        if request_body.body is not None:
            if request_body.add(piece) > self._services.config.limits.body:
                self._too_large()
        elif self._connection is not None:
            self._connection.send(request_body.frame(piece))
        elif not self._done:
            request_body.queue(piece)
            self._client.hold_input(hold=True)

    def on_trailers(self, headers: Headers) -> None:
        """Keep the fields behind the body for the upstream."""
        self._body.set_trailers(headers)

    def on_end(self) -> None:
        """The request is complete."""
        self._body.complete = True
        if self._done:
            pass
        elif self._body.body is not None:
            self._inspect(self._body.body)
        elif self._connection is not None and self._head.chunked:
            self._connection.send(self._body.last_parts())

    def on_malformed(self, malformed: Malformed) -> None:
        """The rest of the request cannot be read: the upstream must never see it complete."""
        if not self._started:
            limit = self._services.config.limits.head
            self._answer(response_to(malformed.fault), reason=malformed.reason, limit=limit)
        else:
            self._break("malformed_request")

    def on_lost(self) -> None:
        """The client is gone: so is its upstream connection, at once."""
        if not self._done:
            self._record.error_type = "client_left"
            self._end()

    def pause_download(self) -> None:
        if self._connection is not None:
            self._connection.transport.pause_reading()

    def resume_download(self) -> None:
        if self._connection is not None:
            self._connection.resume()

    # -- the body

    def _inspect(self, body: Body) -> None:
        coding = self._plan.coding
        if coding != b"identity":
            body = self._body.copy_borrowed()
        self._body.body = body
        spliced = self._services.tier_injection.inject(body, coding, self._record)
        if spliced is None:
            self._task = asyncio.get_running_loop().create_task(self._inspect_in_thread(self._body.copy_borrowed()))
        else:
            self._connect_inspected(spliced)

    async def _inspect_in_thread(self, body: Body) -> None:
        spliced = await self._services.tier_injection.inject_aside(body, self._plan.coding, self._record)
        self._task = None
        if spliced is None:
            self._too_large()
        else:
            self._connect_inspected(spliced)

    def _connect_inspected(self, spliced: SplicedBody) -> None:
        self._body.parts = spliced.parts
        hint, tier = self._plan.hint, self._record.tier_after
        if spliced.injected and hint is not None and tier is not None:
            self._hint = headers.with_tier(hint, tier.encode())
        self._connect()

    def _too_large(self) -> None:
        self._answer(LocalResponse.BODY_TOO_LARGE, limit=self._services.config.limits.body)

    # -- to the upstream

    def _connect(self) -> None:
        connection = self._services.pool.take()
        if connection is not None:
            self._send(connection)
        else:
            self._body.copy_borrowed()
            self._task = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        try:
            connection = await self._services.pool.dial()
        except DialFailed as failed:
            self._task = None
            self._answer(failed.response, **failed.details)
        else:
            self._task = None
            self._send(connection)
        finally:
            if self._connection is None and not self._done:
                self._break("internal")  # a bug: the loop tells of it, and the client must not wait for ever

    def _send(self, connection: UpstreamConnection) -> None:
        head, request_body, record = self._head, self._body, self._record
        length, body = request_body.opening()
        out = head_rewrite(self._services, head, self._authorization, self._hint, expect=self._expects)
        self._connection = connection
        self._relay = ResponseRelay(head, hold_refusal=record.injected, awaits_continue=self._expects)
        connection.call(self, bodiless=head.method == b"HEAD")
        opening = headers.request_head(head, out, length)
        connection.send([request_body.join(opening)] if request_body.borrowed else [opening, *body])
        record.sent_at = connection.touched
        if self._client.full:
            connection.transport.pause_reading()
        if request_body.body is None:
            self._client.hold_input(hold=False)

    def pause_upload(self) -> None:
        self._client.hold_input(hold=True)

    def resume_upload(self) -> None:
        self._client.hold_input(hold=False)

    # -- from the upstream

    def on_response(self, events: Sequence[ResponseEvent]) -> None:
        """Pass on what came, in one write; only then look at it."""
        relay = self._relay
        assert relay is not None  # noqa: S101  it was made when the request was sent
        relay.process(events, close=self._close or not self._body.complete or self._services.draining)
        record = self._record
        if record.response_at is None and relay.head is not None:
            record.begin_response(relay.head)
            if not relay.holding:
                self._body.discard()
        if relay.holding and relay.ended:
            if self._retry_without_tier(relay):
                return
            relay.release_held(close=self._must_close())
        if relay.output:
            self._client.write(relay.output)
        if relay.pieces:
            record.observe(relay.pieces)
        if relay.ended:
            self._complete(relay)
        elif relay.malformed is not None:
            self._fail(relay.malformed)

    def _retry_without_tier(self, relay: ResponseRelay) -> bool:
        """Send the body once more as the user wrote it, if it was our tier that was refused."""
        head = relay.head
        if head is None or self._body.body is None:
            return False
        coding = head.fields.get(b"content-encoding", b"identity").lower()
        if not names_tier(b"".join(relay.held_pieces), coding):
            return False
        record = self._record
        self._services.tier_refusals.add(record.model)
        record.injected = False
        record.tier_after = record.status = record.response_at = record.observer = None
        self._hint = None
        self._body.restore_original()
        self._let_go(reusable=head.keep_alive and relay.malformed is None)
        self._connect()
        return True

    def _complete(self, relay: ResponseRelay) -> None:
        head = relay.head
        self._let_go(reusable=head is not None and head.keep_alive and self._body.complete and not relay.malformed)
        self._end()
        self._client.finished(close=relay.close)

    def _fail(self, malformed: Malformed) -> None:
        """The upstream's answer is not complete and never will be."""
        if self._started:
            self._break("upstream_cut")
            return
        if self._may_repeat(malformed):
            self._let_go(reusable=False)
            self._task = asyncio.get_running_loop().create_task(self._dial())
            return
        answer = LocalResponse.BROKE_OFF if malformed.fault is messages.Fault.CLOSED else LocalResponse.BAD_RESPONSE
        self._answer(answer, host=self._services.origin.host_field.decode(), reason=malformed.reason)

    def _may_repeat(self, malformed: Malformed) -> bool:
        """Whether a kept connection ended while an idempotent request was on its way: RFC 9112 9.3.1."""
        connection, head = self._connection, self._head
        return (
            connection is not None
            and connection.reused
            and malformed.fault is messages.Fault.CLOSED
            and (self._relay is None or self._relay.head is None)
            and head.method in _REPEATABLE
            and not (head.length or head.chunked)
        )

    def on_silence(self, now: float) -> None:
        """End it if one of the two owes something for too long; called now and then."""
        limits = self._services.config.limits
        connection, limit = self._connection, limits.upstream_idle_seconds
        if not (self._body.complete or self._started) and self._client.silent_for(now) > limits.keep_alive_seconds:
            self._break("client_silent")
            return
        if connection is None or not connection.transport.is_reading() or now - connection.touched < limit:
            return
        if self._started:
            self._break("upstream_silent")
        else:
            host = self._services.origin.host_field.decode()
            self._answer(LocalResponse.SILENT, host=host, seconds=int(limit))

    # -- the end

    def retire(self) -> None:
        """It is never idle."""

    @property
    def _started(self) -> bool:
        """Whether the client has been sent a head."""
        return self._relay is not None and self._relay.started

    def _must_close(self) -> bool:
        return self._close or not self._body.complete or self._services.draining

    def _answer(self, answer: LocalResponse, *, error_type: str | None = None, **details: str | int) -> None:
        self._record.status = answer.status
        self._record.error_type = error_type or answer.code
        self._own(answer.status, answer.body(**details), close=self._must_close())

    def _own(self, status: int, body: bytes, *, close: bool) -> None:
        closing = close or self._head.upgrade
        text = response(status, body, close=closing)
        self._client.write([text[: len(text) - len(body)] if self._head.method == b"HEAD" else text])
        self._end()
        self._client.finished(close=closing)

    def _break(self, error_type: str) -> None:
        self._record.error_type = error_type
        self._end()
        self._client.cut(reset=self._relay is not None and self._relay.until_close)

    def _let_go(self, *, reusable: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if reusable:
            connection.release()
        else:
            connection.abort()

    def _end(self) -> None:
        """Free everything and hand in the log line."""
        self._done = True
        if self._connection is not None:
            self._let_go(reusable=False)
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._counted:
            self._services.ended()
        if self._logged:
            self._services.log(self._record)
