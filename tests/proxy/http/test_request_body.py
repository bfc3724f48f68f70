"""A body that lies in the read buffer: no byte of it is lost when the next read overwrites it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.http.messages import RequestHead
from cfp.proxy.http.request_body import RequestBody
from tests.proxy.support import Call, answer, asynchronous, upstream, worker

MEMBER = b'"service_tier":"priority",'


def head(length: int) -> RequestHead:
    return RequestHead(b"POST", b"/", [], {}, 1, keep_alive=True, length=length, chunked=False, upgrade=False)


def borrowed(body: bytes, opening: int | None) -> tuple[RequestBody, bytearray, bytes]:
    """Return a borrowed body, its buffer and the bytes to send; `opening`: it is inspected and spliced there."""
    buffer = bytearray(body)
    view = memoryview(buffer)
    request_body = RequestBody(head(len(body)), view, complete=True)
    if opening is None:
        return request_body, buffer, body
    request_body.body, request_body.parts = view, [view[:opening], MEMBER, view[opening:]]
    return request_body, buffer, body[:opening] + MEMBER + body[opening:]


def outgoing(request_body: RequestBody) -> tuple[int | None, bytes]:
    length, parts = request_body.opening()
    return length, b"".join(parts)


BODIES = st.binary(min_size=1).flatmap(lambda body: st.tuples(st.just(body), st.integers(0, len(body))))


@given(BODIES)
def test_a_sent_body_can_be_sent_again_without_the_member(drawn: tuple[bytes, int]) -> None:
    """First in one piece with the head; the second time without the member."""
    body, opening = drawn
    request_body, buffer, sent = borrowed(body, opening)
    assert request_body.join(b"HEAD") == b"HEAD" + sent
    assert not request_body.borrowed
    buffer[:] = bytes(len(buffer))
    request_body.restore_original()
    assert outgoing(request_body) == (len(body), body)


@given(BODIES, st.booleans())
def test_a_body_that_is_sent_later_is_copied(drawn: tuple[bytes, int], inspected: bool) -> None:  # noqa: FBT001  hypothesis fills it in
    """A later send has the bytes that would have been sent at once."""
    body, opening = drawn
    request_body, buffer, sent = borrowed(body, opening if inspected else None)
    assert request_body.copy_borrowed() == body
    assert not request_body.borrowed
    buffer[:] = bytes(len(buffer))
    assert outgoing(request_body) == (len(sent), sent)
    request_body.restore_original()
    assert request_body.parts == ((body,) if inspected else (b"",))


@asynchronous
async def test_concurrent_bodies_are_not_mixed_up(tmp_path: Path) -> None:
    """All come while the first connection is dialled, and all are refused once: each is sent again unchanged."""

    async def script(call: Call) -> None:
        if b'"service_tier"' in call.request.body:
            await call.send(answer(b'{"error":"service_tier"}', b"400 Bad Request"))
        else:
            await call.send(answer(call.request.body))

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        clients = [await running.client() for _ in range(12)]
        for turn in range(2):
            bodies = [json.dumps({"model": f"m{turn}-{n}", "x": f"{n:x}" * 20_000}).encode() for n in range(12)]
            for client, body in zip(clients, bodies, strict=True):
                client.post(body)
            answers = await asyncio.gather(*(client.response() for client in clients))
            assert [one.body for one in answers] == bodies
            spliced = {b"{" + MEMBER + body[1:] for body in bodies}
            assert {one.body for one in up.requests[24 * turn :]} == spliced | set(bodies)
        for client in clients:
            await client.close()
