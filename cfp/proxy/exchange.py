"""One request from admission to its log line.

Callbacks all the way: the client's connection feeds `on_data` and `on_end`, the upstream's feeds `on_response`, and
what comes in on one leg goes out on the other in the same turn of the event loop.

    looked into   body held -> rewritten -> sent whole
    else          sent on piece by piece
"""

from __future__ import annotations

import asyncio
from time import monotonic

from cfp.proxy import headers, wire
from cfp.proxy.admission import Refusal
from cfp.proxy.answers import Answer, answer_to, response
from cfp.proxy.credentials import KeyState
from cfp.proxy.dial import DialFailed
from cfp.proxy.observe import StreamObserver
from cfp.proxy.ports import Client, Office
from cfp.proxy.refusals import names_tier
from cfp.proxy.reply import Reply
from cfp.proxy.routing import Kind, Route, split_absolute
from cfp.proxy.upstream import UpstreamConnection
from cfp.proxy.wire import Malformed, Piece, RequestHead, ResponseEvent, ResponseHead


class Exchange:
    """`complete`: the request has no body, or is all there. Every path ends in `_end`, exactly once."""

    def __init__(self, office: Office, client: Client, head: RequestHead, *, complete: bool) -> None:
        self._office = office
        self._client = client
        self._head = head
        self._received = complete
        self._record = office.record(head.method, head.target)
        self._route: Route | None = None
        self._body: bytes | bytearray | None = None  # of a request that is looked into
        self._unsent: list[bytes] = []  # of one that is not, while there is no connection
        self._parts: list[Piece] = []
        self._hint: bytes | None = None
        self._authorization: bytes | None = None
        self._connection: UpstreamConnection | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._reply: Reply | None = None
        self._model: str | None = None
        self._close = not head.keep_alive or head.minor == 0
        self._counted = False
        self._logged = True
        self._done = False

    # -- from the client

    def begin(self) -> None:
        """Judge the head: answer it here, hold its body, or connect and let it through."""
        head, office = self._head, self._office
        authority, target = (None, head.target) if head.target[:1] == b"/" else split_absolute(head.target)
        refusal = office.admission.refuse(head, authority) if self._client.trusted else Refusal.PEER
        if refusal is not None:
            self._answer(Answer.NOT_ADMITTED, error_type=refusal.value, reason=refusal.value.replace("_", " "))
            return
        route = self._route = office.router.route(target)
        self._record.target = target
        if route.kind is Kind.HEALTH:
            self._health()
        elif route.kind is Kind.NOT_FOUND:
            self._answer(Answer.NOT_FOUND, base=office.config.settings.proxy_base)
        elif office.loop_id in head.fields.get(headers.LOOP_FIELD, b""):
            self._answer(Answer.LOOP)
        elif head.upgrade:
            self._answer(Answer.UPGRADE)
        else:
            self._forward(route)

    def _health(self) -> None:
        if self._head.method not in {b"GET", b"HEAD"}:
            self._answer(Answer.METHOD)
            return
        self._logged = False
        self._own(200, self._office.health(), close=self._must_close())

    def _forward(self, route: Route) -> None:
        self._counted = True
        self._office.began()
        head, limit = self._head, self._office.config.limits.body
        looked_into = (
            route.kind is Kind.RESPONSES
            and head.method == b"POST"
            and head.fields.get(b"content-type", b"").lower().startswith(b"application/json")
        )
        if looked_into and (head.length or 0) > limit:
            self._answer(Answer.BODY_TOO_LARGE, limit=limit)
            return
        try:
            self._authorization = self._office.credentials.authorization()
        except KeyState as state:
            self._answer(Answer.KEY_MISSING if state.missing else Answer.KEY_UNUSABLE, source=state.source)
            return
        if head.fields.get(b"expect", b"").lower() == b"100-continue" and not self._received:
            self._client.write([wire.CONTINUE])
        if looked_into:
            self._record.eligible = True
            self._body = b""
            if self._received:
                self._look_into()
        else:
            self._connect()

    def on_data(self, piece: bytes) -> None:
        """Take a piece of the request's body."""
        if self._body is not None:
            self._hold(piece)
        elif self._connection is not None:
            self._connection.send(self._framed([piece]))
        elif not self._done:
            self._unsent.append(piece)
            self._client.hold_input(hold=True)

    def _hold(self, piece: bytes) -> None:
        body = self._body
        if not body:
            self._body = piece  # mostly the only one: no copy
        elif isinstance(body, bytearray):
            body += piece
        else:
            self._body = bytearray(body or b"")
            self._body += piece
        limit = self._office.config.limits.body
        if self._body is not None and len(self._body) > limit:
            self._answer(Answer.BODY_TOO_LARGE, limit=limit)

    def on_end(self) -> None:
        """The request is complete."""
        self._received = True
        if self._done:
            return
        if self._body is not None:
            self._look_into()
        elif self._connection is not None and self._head.chunked:
            self._connection.send([wire.LAST_CHUNK])

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

    def _look_into(self) -> None:
        # Imported here: msgspec is not needed to listen.
        from cfp.proxy.codings import TooLarge  # noqa: PLC0415  see above
        from cfp.proxy.intake import look_into  # noqa: PLC0415  see above

        assert self._body is not None  # noqa: S101  only such exchanges come here
        try:
            found = look_into(self._office, self._head, self._body, self._record)
        except TooLarge:
            self._answer(Answer.BODY_TOO_LARGE, limit=self._office.config.limits.body)
            return
        self._parts, self._hint, self._model = found.parts, found.hint, found.model
        self._connect()

    # -- to the upstream

    def _connect(self) -> None:
        connection = self._office.pool.take()
        if connection is not None:
            self._send(connection)
        else:
            self._dialing = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        try:
            connection = await self._office.pool.dial()
        except DialFailed as failed:
            self._dialing = None
            self._answer(failed.answer, **failed.details)
        else:
            self._dialing = None
            self._send(connection)
        finally:
            if self._connection is None and not self._done:
                self._break("internal")  # a bug: the loop tells of it, and the client must not wait for ever

    def _send(self, connection: UpstreamConnection) -> None:
        head, route = self._head, self._route
        assert route is not None  # noqa: S101  only routed exchanges connect
        length = sum(map(len, self._parts)) if self._body is not None else head.length
        out = headers.Outbound(
            target=route.target,
            host=self._office.origin.host_field,
            loop=self._office.loop_id,
            length=length,
            authorization=self._authorization,
            hint=self._hint,
        )
        parts: list[Piece] = [headers.request_head(head, out)]
        if self._body is not None:
            parts += self._parts
        elif self._unsent:
            parts += self._framed(self._unsent)
            self._unsent = []
        if self._body is None and head.chunked and self._received:
            parts.append(wire.LAST_CHUNK)
        self._connection = connection
        self._reply = Reply(head, hold_refusal=self._record.injected)
        connection.call(self, bodiless=head.method == b"HEAD")
        self._record.sent = monotonic()
        connection.send(parts)
        if self._client.full:
            connection.transport.pause_reading()
        if not self._received:
            self._client.hold_input(hold=False)

    def _framed(self, pieces: list[bytes]) -> list[Piece]:
        return wire.chunk(pieces) if self._head.chunked else list[Piece](pieces)

    def pause_upload(self) -> None:
        self._client.hold_input(hold=True)

    def resume_upload(self) -> None:
        self._client.hold_input(hold=False)

    # -- from the upstream

    def on_response(self, events: list[ResponseEvent]) -> None:
        """Pass on what came, in one write; only then look at it."""
        reply = self._reply
        assert reply is not None  # noqa: S101  it was made when the request was sent
        reply.take(events, close=self._must_close())
        if reply.head is not None and self._record.answered is None:
            self._note_head(reply.head)
        if reply.holding and reply.ended:
            if self._retry_without_tier(reply):
                return
            reply.let_through(close=self._must_close())
        if reply.out:
            self._client.write(reply.out)
        if reply.pieces:
            self._note(reply.pieces)
        if reply.ended:
            self._complete(reply)
        elif reply.malformed is not None:
            self._fail(reply.malformed)

    def _note_head(self, head: ResponseHead) -> None:
        record = self._record
        record.answered = monotonic()
        record.status = head.status
        record.content_type = head.fields.get(b"content-type")
        if record.eligible:
            record.observer = StreamObserver.of(head)

    def _note(self, pieces: list[bytes]) -> None:
        record = self._record
        if record.first_byte is None:
            record.first_byte = monotonic()
        if record.observer is not None:
            for piece in pieces:
                record.observer.feed(piece)

    def _retry_without_tier(self, reply: Reply) -> bool:
        """Send the body once more as the user wrote it, if it was our tier that was refused."""
        head = reply.head
        if head is None or self._body is None:
            return False
        coding = head.fields.get(b"content-encoding", b"identity").lower()
        if not names_tier(b"".join(reply.held), coding):
            return False
        self._office.refusals.add(self._model)
        record = self._record
        record.injected = False
        record.tier_after = record.status = record.answered = record.observer = None
        self._hint = None
        self._parts = [self._body]
        self._let_go(reusable=head.keep_alive and reply.malformed is None)
        self._connect()
        return True

    def _complete(self, reply: Reply) -> None:
        reusable = reply.malformed is None and self._received and reply.head is not None and reply.head.keep_alive
        self._let_go(reusable=reusable)
        self._end()
        self._client.finished(close=reply.close)

    def _fail(self, malformed: Malformed) -> None:
        """The upstream's answer is not complete and never will be."""
        if self._started:
            self._break("upstream_cut")
            return
        answer = Answer.BROKE_OFF if malformed.reason.startswith("the connection") else Answer.BAD_RESPONSE
        self._answer(answer, host=self._office.origin.host_field.decode(), reason=malformed.reason)

    def on_silence(self, now: float) -> None:
        """End it if the upstream owes something for too long; called now and then."""
        connection, limit = self._connection, self._office.config.limits.upstream_idle_seconds
        if connection is None or not connection.transport.is_reading() or now - connection.touched < limit:
            return
        if self._started:
            self._break("upstream_silent")
        else:
            host = self._office.origin.host_field.decode()
            self._answer(Answer.SILENT, host=host, seconds=int(limit))

    # -- the end

    @property
    def _started(self) -> bool:
        """Whether the client has been sent a head."""
        return self._reply is not None and self._reply.started

    def _must_close(self) -> bool:
        return self._close or not self._received or self._office.draining

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
        self._let_go(reusable=False)
        if self._dialing is not None:
            self._dialing.cancel()
            self._dialing = None
        self._body = None
        self._parts, self._unsent = [], []
        if self._counted:
            self._office.ended()
        if self._logged:
            self._office.log(self._record)
