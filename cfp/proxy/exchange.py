"""One request from admission to its log line.

Callbacks all the way: the client's connection feeds `on_data` and `on_end`, the upstream's feeds `on_response`, and
what comes in on one leg goes out on the other in the same turn of the event loop.

    looked into   body held -> rewritten -> sent whole
    else          sent on piece by piece
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cfp.proxy import headers, wire
from cfp.proxy.admission import Refusal
from cfp.proxy.answers import Answer, answer_to, response
from cfp.proxy.credentials import KeyState
from cfp.proxy.decision import decide, outbound
from cfp.proxy.dial import DialFailed
from cfp.proxy.ports import Client, Office
from cfp.proxy.refusals import names_tier
from cfp.proxy.reply import Reply
from cfp.proxy.routing import Kind
from cfp.proxy.upload import Upload
from cfp.proxy.upstream import UpstreamConnection
from cfp.proxy.wire import Body, Headers, Malformed, RequestHead, ResponseEvent

if TYPE_CHECKING:
    from cfp.proxy.rewrite import Rewritten

_REPEATABLE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})  # without harm, and without a body (RFC 9110 9.2.2)


class Exchange:
    """`complete`: the request has no body, or is all there. Every path ends in `_end`, exactly once."""

    idle = False

    _hint: bytes | None = None
    _authorization: bytes | None = None
    _connection: UpstreamConnection | None = None
    _task: asyncio.Task[None] | None = None  # dials, or looks into a large body
    _reply: Reply | None = None
    _expects = False  # the client waits for the upstream's word before it sends the body
    _counted = False
    _logged = True
    _done = False

    def __init__(
        self, office: Office, client: Client, head: RequestHead, body: bytes | memoryview = b"", *, complete: bool
    ) -> None:
        self._office = office
        self._client = client
        self._head = head
        self._decision = decide(office, head)
        self._upload = Upload(head, body, complete=complete)
        self._record = office.record(head.method, self._decision.target)
        self._close = not head.keep_alive or head.minor == 0

    # -- from the client

    def begin(self) -> None:
        """Judge the head: answer it here, hold its body, or connect and let it through."""
        if self._decision.forwarded and self._client.trusted:
            self._forward()
        else:
            self._receive()

    def _receive(self) -> None:
        """Judge a head that is not simply forwarded."""
        decision, office = self._decision, self._office
        refusal = decision.refusal if self._client.trusted else Refusal.PEER
        kind = decision.route.kind
        if decision.looping and self._client.trusted:  # under whatever name it has come back
            self._answer(Answer.LOOP)
        elif refusal is not None:
            self._answer(Answer.NOT_ADMITTED, error_type=refusal.value, reason=refusal.value.replace("_", " "))
        elif kind is Kind.HEALTH:
            self._health()
        elif kind is Kind.DASHBOARD:
            self._client.go_on_with(office.dashboard.visit(self._head, decision.route.path, self._client))
        elif kind is Kind.NOT_FOUND:
            self._answer(Answer.NOT_FOUND, base=office.config.settings.proxy_base)
        else:
            self._switch()

    def _switch(self) -> None:
        from cfp.proxy.tunnel import Tunnel  # noqa: PLC0415  most clients never ask for it
        from cfp.proxy.websocket import is_handshake  # noqa: PLC0415  the same

        route = self._decision.route
        if route.kind is Kind.RESPONSES and is_handshake(self._head):
            self._client.go_on_with(Tunnel(self._office, self._client, self._head, route.target, self._record))
        else:
            self._answer(Answer.UPGRADE)

    def _health(self) -> None:
        if self._head.method in {b"GET", b"HEAD"}:
            self._logged = False
            self._own(200, self._office.health(), close=self._must_close())
        else:
            self._answer(Answer.METHOD)

    def _forward(self) -> None:
        self._counted = True
        self._office.began()
        decision, upload = self._decision, self._upload
        if decision.looked_into and (self._head.length or 0) > self._office.config.limits.body:
            self._too_large()
            return
        try:
            self._authorization = self._office.credentials.authorization()
        except KeyState as state:
            self._answer(Answer.KEY_MISSING if state.missing else Answer.KEY_UNUSABLE, source=state.source)
            return
        if not decision.looked_into:
            self._expects = decision.expects and not upload.complete
            self._connect()
            return
        self._record.eligible = True
        if upload.complete:
            self._look_into(upload.whole)
            return
        upload.hold()
        if decision.expects:  # only the whole body tells what goes to the upstream
            self._client.write([wire.CONTINUE])

    def on_data(self, piece: bytes) -> None:
        """Take a piece of the request's body."""
        upload = self._upload
        if upload.body is not None:
            if upload.add(piece) > self._office.config.limits.body:
                self._too_large()
        elif self._connection is not None:
            self._connection.send(upload.framed(piece))
        elif not self._done:
            upload.keep(piece)
            self._client.hold_input(hold=True)

    def on_trailers(self, headers: Headers) -> None:
        """Keep the fields behind the body for the upstream."""
        self._upload.trail(headers)

    def on_end(self) -> None:
        """The request is complete."""
        self._upload.complete = True
        if self._done:
            pass
        elif self._upload.body is not None:
            self._look_into(self._upload.body)
        elif self._connection is not None and self._head.chunked:
            self._connection.send(self._upload.ending())

    def on_malformed(self, malformed: Malformed) -> None:
        """The rest of the request cannot be read: the upstream must never see it complete."""
        if not self._started:
            limit = self._office.config.limits.head
            self._answer(answer_to(malformed.fault), reason=malformed.reason, limit=limit)
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

    def _look_into(self, body: Body) -> None:
        coding = self._decision.coding
        if coding != b"identity":
            body = self._upload.own()
        self._upload.body = body
        found = self._office.intake.look(body, coding, self._record)
        if found is None:
            self._task = asyncio.get_running_loop().create_task(self._look_aside(self._upload.own()))
        else:
            self._looked_into(found)

    async def _look_aside(self, body: Body) -> None:
        found = await self._office.intake.look_aside(body, self._decision.coding, self._record)
        self._task = None
        if found is None:
            self._too_large()
        else:
            self._looked_into(found)

    def _looked_into(self, found: Rewritten) -> None:
        self._upload.parts = found.parts
        hint, tier = self._decision.hint, self._record.tier_after
        if found.injected and hint is not None and tier is not None:
            self._hint = headers.with_tier(hint, tier.encode())
        self._connect()

    def _too_large(self) -> None:
        self._answer(Answer.BODY_TOO_LARGE, limit=self._office.config.limits.body)

    # -- to the upstream

    def _connect(self) -> None:
        connection = self._office.pool.take()
        if connection is not None:
            self._send(connection)
        else:
            self._upload.own()
            self._task = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        try:
            connection = await self._office.pool.dial()
        except DialFailed as failed:
            self._task = None
            self._answer(failed.answer, **failed.details)
        else:
            self._task = None
            self._send(connection)
        finally:
            if self._connection is None and not self._done:
                self._break("internal")  # a bug: the loop tells of it, and the client must not wait for ever

    def _send(self, connection: UpstreamConnection) -> None:
        head, upload, record = self._head, self._upload, self._record
        length, body = upload.opening()
        out = outbound(self._office, head, self._authorization, self._hint, expect=self._expects)
        self._connection = connection
        self._reply = Reply(head, hold_refusal=record.injected, awaits_continue=self._expects)
        connection.call(self, bodiless=head.method == b"HEAD")
        opening = headers.request_head(head, out, length)
        connection.send([upload.joined(opening)] if upload.borrowed else [opening, *body])
        record.sent = connection.touched
        if self._client.full:
            connection.transport.pause_reading()
        if upload.body is None:
            self._client.hold_input(hold=False)

    def pause_upload(self) -> None:
        self._client.hold_input(hold=True)

    def resume_upload(self) -> None:
        self._client.hold_input(hold=False)

    # -- from the upstream

    def on_response(self, events: Sequence[ResponseEvent]) -> None:
        """Pass on what came, in one write; only then look at it."""
        reply = self._reply
        assert reply is not None  # noqa: S101  it was made when the request was sent
        reply.take(events, close=self._close or not self._upload.complete or self._office.draining)
        record = self._record
        if record.answered is None and reply.head is not None:
            record.begin_answer(reply.head)
            if not reply.holding:
                self._upload.drop()
        if reply.holding and reply.ended:
            if self._retry_without_tier(reply):
                return
            reply.let_through(close=self._must_close())
        if reply.out:
            self._client.write(reply.out)
        if reply.pieces:
            record.pass_on(reply.pieces)
        if reply.ended:
            self._complete(reply)
        elif reply.malformed is not None:
            self._fail(reply.malformed)

    def _retry_without_tier(self, reply: Reply) -> bool:
        """Send the body once more as the user wrote it, if it was our tier that was refused."""
        head = reply.head
        if head is None or self._upload.body is None:
            return False
        coding = head.fields.get(b"content-encoding", b"identity").lower()
        if not names_tier(b"".join(reply.held), coding):
            return False
        record = self._record
        self._office.refusals.add(record.model)
        record.injected = False
        record.tier_after = record.status = record.answered = record.observer = None
        self._hint = None
        self._upload.restore()
        self._let_go(reusable=head.keep_alive and reply.malformed is None)
        self._connect()
        return True

    def _complete(self, reply: Reply) -> None:
        head = reply.head
        self._let_go(reusable=head is not None and head.keep_alive and self._upload.complete and not reply.malformed)
        self._end()
        self._client.finished(close=reply.close)

    def _fail(self, malformed: Malformed) -> None:
        """The upstream's answer is not complete and never will be."""
        if self._started:
            self._break("upstream_cut")
            return
        if self._may_repeat(malformed):
            self._let_go(reusable=False)
            self._task = asyncio.get_running_loop().create_task(self._dial())
            return
        answer = Answer.BROKE_OFF if malformed.fault is wire.Fault.CLOSED else Answer.BAD_RESPONSE
        self._answer(answer, host=self._office.origin.host_field.decode(), reason=malformed.reason)

    def _may_repeat(self, malformed: Malformed) -> bool:
        """Whether a kept connection ended while an idempotent request was on its way: RFC 9112 9.3.1."""
        connection, head = self._connection, self._head
        return (
            connection is not None
            and connection.reused
            and malformed.fault is wire.Fault.CLOSED
            and (self._reply is None or self._reply.head is None)
            and head.method in _REPEATABLE
            and not (head.length or head.chunked)
        )

    def on_silence(self, now: float) -> None:
        """End it if one of the two owes something for too long; called now and then."""
        limits = self._office.config.limits
        connection, limit = self._connection, limits.upstream_idle_seconds
        if not (self._upload.complete or self._started) and self._client.silent_for(now) > limits.keep_alive_seconds:
            self._break("client_silent")
            return
        if connection is None or not connection.transport.is_reading() or now - connection.touched < limit:
            return
        if self._started:
            self._break("upstream_silent")
        else:
            host = self._office.origin.host_field.decode()
            self._answer(Answer.SILENT, host=host, seconds=int(limit))

    # -- the end

    def retire(self) -> None:
        """It is never idle."""

    @property
    def _started(self) -> bool:
        """Whether the client has been sent a head."""
        return self._reply is not None and self._reply.started

    def _must_close(self) -> bool:
        return self._close or not self._upload.complete or self._office.draining

    def _answer(self, answer: Answer, *, error_type: str | None = None, **details: str | int) -> None:
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
        self._client.cut(reset=self._reply is not None and self._reply.until_close)

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
            self._office.ended()
        if self._logged:
            self._office.log(self._record)
