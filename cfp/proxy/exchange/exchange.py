"""One request that is forwarded, and its response, until the log line.

Everything is a callback: the client's connection calls `on_data` and `on_end`, the upstream's calls `on_response`.
Bytes that arrive on one leg leave on the other in the same turn of the event loop.
    inspected  the body is complete before it is sent, perhaps with a tier added
    streamed   every other body is sent on piece by piece; it may go on in AWAITING and RELAYING

`phases.ExchangePhase` draws the phases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final

from cfp.proxy.credentials import AuthOverride, KeyUnusable
from cfp.proxy.exchange.interfaces import Client, WorkerServices
from cfp.proxy.exchange.local_exchange import write_local
from cfp.proxy.exchange.phases import (
    AWAITING,
    COLLECTING,
    DIALLING,
    DONE,
    INSPECTING,
    JUDGING,
    RELAYING,
    ExchangePhase,
)
from cfp.proxy.exchange.request_plan import RequestPlan, head_rewrite, held_answers, is_repeatable
from cfp.proxy.exchange.tier_refusal import TierTrial
from cfp.proxy.http import headers, messages
from cfp.proxy.http.local_responses import LocalResponse, response_to
from cfp.proxy.http.messages import Body, Headers, Malformed, RequestHead, ResponseEvent, ResponseHead
from cfp.proxy.http.request_body import RequestBody
from cfp.proxy.http.response_relay import ResponseRelay
from cfp.proxy.upstream.dial import DialFailed
from cfp.proxy.upstream.pool import UpstreamConnection

if TYPE_CHECKING:
    from cfp.proxy.http.json_splice import SplicedBody

_HOLD_SECONDS: Final = 2.0  # for the rest of an answer that may refuse our tier, or is about a rate limit


class Exchange:
    """One exchange. Every path ends in `_end`, once.

    idle  never: a close would cut the response
    """

    idle = False
    phase: ExchangePhase = JUDGING

    _hint: bytes | None = None
    _override: AuthOverride | None = None
    _connection: UpstreamConnection | None = None  # in AWAITING and RELAYING
    _task: asyncio.Task[None] | None = None  # in INSPECTING and DIALLING
    _relay: ResponseRelay | None = None
    _hold_timer: asyncio.TimerHandle | None = None
    _awaits_continue = False  # the client sends its body only after the upstream's 100 (Continue)

    def __init__(
        self,
        services: WorkerServices,
        client: Client,
        head: RequestHead,
        plan: RequestPlan,
        body: Body = b"",
        *,
        complete: bool,
    ) -> None:
        """`complete`: the request has no body, or all of it is in `body`."""
        self._services = services
        self._client = client
        self._head = head
        self._plan = plan
        self._body = RequestBody(head, body, complete=complete)
        self._record = services.new_record(head.method, plan.target, plan.session)
        self._trial = TierTrial(services.tier_refusals)
        self._close = not head.keep_alive or head.minor == 0

    # -- called by the client's connection

    def begin(self) -> None:
        """Collect the body that is inspected; send any other request on."""
        self._services.request_started()
        plan, request_body = self._plan, self._body
        if plan.inspected and (self._head.length or 0) > self._services.config.limits.body:
            self._answer_too_large()
            return
        try:
            self._override = self._services.credentials.auth_override()
        except KeyUnusable as error:
            local_response = LocalResponse.KEY_MISSING if error.missing else LocalResponse.KEY_UNUSABLE
            self._answer(local_response, source=error.source)
            return
        if not plan.inspected:
            self._awaits_continue = plan.awaits_continue and not request_body.complete
            self._connect()
            return
        self._record.eligible = True
        if request_body.complete:
            self._inspect(request_body.whole)
            return
        self.phase = COLLECTING
        request_body.hold()
        if plan.awaits_continue:  # nothing goes to the upstream before the body is complete
            self._client.write([messages.CONTINUE])

    def on_data(self, piece: bytes) -> None:
        """Take a piece of the request's body."""
        phase, request_body = self.phase, self._body
        if phase is COLLECTING:
            if request_body.add(piece) > self._services.config.limits.body:
                self._answer_too_large()
        elif self._connection is not None:
            self._connection.send(request_body.frame(piece))
        elif phase is DIALLING:
            request_body.queue(piece)
            self._client.pause_input()

    def on_trailers(self, headers: Headers) -> None:
        """Keep the trailer fields of the body for the upstream; with another key none may pass (RFC 9110 6.5.1)."""
        if self._override is None:
            self._body.set_trailers(headers)

    def on_end(self) -> None:
        """Take the end of the request."""
        request_body = self._body
        request_body.complete = True
        if self.phase is COLLECTING:
            self._inspect(request_body.body or b"")
        elif self._connection is not None and self._head.chunked:
            self._connection.send(request_body.last_parts())

    def on_malformed(self, malformed: Malformed) -> None:
        """End the exchange: the rest of the request cannot be parsed, and the upstream must never see it complete."""
        if self.phase is RELAYING:
            self._break_off("malformed_request")
        else:
            limit = self._services.config.limits.head
            self._answer(response_to(malformed.fault), reason=malformed.reason, limit=limit)

    def on_lost(self) -> None:
        """End the exchange, and its upstream connection at once: the client has left."""
        if self.phase is not DONE:
            self._record.error_type = "client_left"
            self._end()

    def pause_download(self) -> None:
        if self._connection is not None:
            self._connection.transport.pause_reading()

    def resume_download(self) -> None:
        if self._connection is not None:
            self._connection.transport.resume_reading()

    def close_if_idle(self) -> None:
        """Do nothing: an exchange is never idle."""

    def check_time_limits(self, now: float) -> None:
        """End the exchange where the client has been silent for too long.

        A silent upstream has no limit here: Codex has one of its own, which the user may raise, and the kernel
        notices an upstream that is gone.
        """
        limit = self._services.config.limits.keep_alive_seconds
        if not (self._body.complete or self.phase is RELAYING) and self._client.silent_for(now) > limit:
            self._break_off("client_silent")

    # -- the body

    def _inspect(self, body: Body) -> None:
        """Add the tier to a complete body where the policy says so, then send the request."""
        coding = self._plan.coding
        if coding != b"identity":
            body = self._body.copy_borrowed()
        self._body.body = body
        spliced = self._services.tier_injection.inject(body, self._plan, self._record)
        if spliced is None:
            self.phase = INSPECTING
            self._task = asyncio.get_running_loop().create_task(self._inspect_in_thread(self._body.copy_borrowed()))
        else:
            self._take_spliced(spliced)

    async def _inspect_in_thread(self, body: Body) -> None:
        spliced = await self._services.tier_injection.inject_in_thread(body, self._plan, self._record)
        self._task = None
        if spliced is None:
            self._answer_too_large()
        else:
            self._take_spliced(spliced)

    def _take_spliced(self, spliced: SplicedBody) -> None:
        self._body.parts = spliced.parts
        if spliced.changed and self._plan.hint is not None:
            self._hint = headers.with_tier(self._plan.hint, self._record.tier_after)
        self._connect()

    # -- to the upstream

    def _connect(self) -> None:
        connection = self._services.pool.take()
        if connection is not None:
            self._send(connection)
        else:
            self._body.copy_borrowed()
            self._start_dialling()

    def _start_dialling(self) -> None:
        self.phase = DIALLING
        self._task = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        try:
            # Codex waits for the network without a limit, but only where it dials itself.
            patience = self._services.config.limits.outage_seconds if self._plan.inspected else 0.0
            connection = await self._services.pool.dial(patience=patience)
        except DialFailed as failed:
            self._task = None
            self._answer(failed.response, **failed.details)
        else:
            self._task = None
            self._send(connection)
        finally:
            if self.phase is DIALLING:
                self._break_off("internal")  # a bug, which the loop reports; the client must not wait for ever

    def _send(self, connection: UpstreamConnection) -> None:
        head, request_body, record = self._head, self._body, self._record
        length, body = request_body.opening()
        awaits_continue = self._awaits_continue
        out = head_rewrite(self._services, head, self._plan, self._override, self._hint, expect=awaits_continue)
        self.phase = AWAITING
        self._connection = connection
        held, masks_401 = held_answers(self._services, self._plan, record), self._override is not None
        self._relay = ResponseRelay(head, held, masks_401=masks_401, awaits_continue=awaits_continue)
        connection.call(self, bodiless=head.method == b"HEAD")
        opening = headers.request_head(head, out, length)
        connection.send([request_body.join(opening)] if request_body.borrowed else [opening, *body])
        record.sent_at = monotonic()
        if self._client.write_paused:
            connection.transport.pause_reading()
        if request_body.body is None:
            self._client.resume_input()

    def pause_upload(self) -> None:
        self._client.pause_input()

    def resume_upload(self) -> None:
        self._client.resume_input()

    # -- from the upstream

    def on_response(self, events: Sequence[ResponseEvent]) -> None:
        """Relay the events in one write; record them only then."""
        relay = self._relay
        assert relay is not None  # noqa: S101  it was made when the request was sent
        relay.process(events, close=self._close or not self._body.complete or self._services.draining)
        record = self._record
        if self.phase is AWAITING and relay.head is not None:
            if record.response_at is None:
                record.begin_response(relay.head)
                self._trial.learn(record, relay.head.status)
            if relay.holding and self._replace_held(relay, relay.head):
                return
            if not relay.holding:
                self.phase = RELAYING
                self._body.discard()
        self._pass_on(relay)
        if relay.ended:
            self._complete(relay)
        elif relay.malformed is not None:
            self._fail(relay.malformed)

    def _pass_on(self, relay: ResponseRelay) -> None:
        if relay.output:
            self._client.write(relay.output)
        if relay.pieces:
            self._record.observe(relay.pieces)

    def _replace_held(self, relay: ResponseRelay, head: ResponseHead) -> bool:
        """Release a response that is held back once it may pass; return whether another one takes its place."""
        if head.is_redirect:
            from cfp.proxy.exchange.redirects import rewrite_location  # noqa: PLC0415  few upstreams redirect

            details = rewrite_location(self._services, self._head, self._plan.route, head)
            if details is not None:
                self._answer(LocalResponse.REDIRECT, **details)
                return True
        elif not relay.ended and relay.malformed is None:
            if self._hold_timer is None:
                self._hold_timer = asyncio.get_running_loop().call_later(_HOLD_SECONDS, self._hold_no_longer)
            return False
        elif self._retry_without_tier(relay, head):
            return True
        elif relay.ended:
            from cfp.proxy.exchange.rate_limit import with_retry_after  # noqa: PLC0415  few answers are held

            relay.head = with_retry_after(head, b"".join(relay.held_pieces))
        relay.release_held(close=self._must_close())
        return False

    def _hold_no_longer(self) -> None:
        """Decide about a held answer whose body does not end."""
        self._hold_timer = None
        relay = self._relay
        if relay is None or relay.head is None or self._retry_without_tier(relay, relay.head):
            return
        relay.output = ()
        relay.release_held(close=self._must_close())
        self.phase = RELAYING
        self._body.discard()
        self._pass_on(relay)

    def _retry_without_tier(self, relay: ResponseRelay, head: ResponseHead) -> bool:
        """Send the client's own body once where the upstream may have refused our tier; return whether it does."""
        if self._body.body is None or not self._trial.repeats(self._record, head, b"".join(relay.held_pieces)):
            return False
        self._hint = None
        self._body.restore_original()
        self._free_connection(reusable=head.keep_alive and relay.ended and relay.malformed is None)
        self._connect()
        return True

    def _complete(self, relay: ResponseRelay) -> None:
        head = relay.head
        sound = head is not None and head.keep_alive and not relay.malformed
        self._free_connection(reusable=sound and self._body.complete)
        self._end()
        self._client.end_conversation(close=relay.close)

    def _fail(self, malformed: Malformed) -> None:
        """Handle a response that the upstream has not completed and never will."""
        if self.phase is RELAYING:
            self._break_off("upstream_cut")
        elif self._may_repeat(malformed):
            self._free_connection(reusable=False)
            self._start_dialling()
        else:
            closed = malformed.fault is messages.Fault.CLOSED
            local_response = LocalResponse.BROKE_OFF if closed else LocalResponse.BAD_RESPONSE
            self._answer(local_response, host=self._services.origin.host_field.decode(), reason=malformed.reason)

    def _may_repeat(self, malformed: Malformed) -> bool:
        """Whether a reused connection was closed while an idempotent request was on its way: RFC 9112 9.3.1."""
        connection = self._connection
        return (
            connection is not None
            and connection.reused
            and malformed.fault is messages.Fault.CLOSED
            and (self._relay is None or self._relay.head is None)
            and is_repeatable(self._head)
        )

    # -- the end

    def _must_close(self) -> bool:
        return self._close or not self._body.complete or self._services.draining

    def _answer_too_large(self) -> None:
        self._answer(LocalResponse.BODY_TOO_LARGE, limit=self._services.config.limits.body)

    def _answer(self, local_response: LocalResponse, **details: str | int) -> None:
        """Send a response of our own in the place of the upstream's."""
        close = self._must_close()
        self._record.status, self._record.error_type = local_response.status, local_response.code
        write_local(self._client, self._head, local_response.status, local_response.body(**details), close=close)
        self._end()
        self._client.end_conversation(close=close)

    def _break_off(self, error_type: str) -> None:
        self._record.error_type = error_type
        self._end()
        self._client.break_off(reset=self._relay is not None and self._relay.until_close)

    def _free_connection(self, *, reusable: bool) -> None:
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if reusable:
            connection.release()
        else:
            connection.abort()

    def _end(self) -> None:
        """Free everything and log the request."""
        self.phase = DONE
        self._free_connection(reusable=False)
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._services.request_ended()
        self._services.log(self._record)
