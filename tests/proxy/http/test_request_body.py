"""A body that lies where the next read is going to be: nothing of it is lost, whatever is read there."""

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
    """One that is looked into and gets a member, or goes on as it came; its buffer, and what is to go out."""
    buffer = bytearray(body)
    view = memoryview(buffer)
    upload = RequestBody(head(len(body)), view, complete=True)
    if opening is None:
        return upload, buffer, body
    upload.body, upload.parts = view, [view[:opening], MEMBER, view[opening:]]
    return upload, buffer, body[:opening] + MEMBER + body[opening:]


def outgoing(upload: RequestBody) -> tuple[int | None, bytes]:
    length, parts = upload.opening()
    return length, b"".join(parts)


BODIES = st.binary(min_size=1).flatmap(lambda body: st.tuples(st.just(body), st.integers(0, len(body))))


@given(BODIES)
def test_what_is_sent_can_be_sent_again_as_it_came(drawn: tuple[bytes, int]) -> None:
    """With the head in one piece; without the member behind that."""
    body, opening = drawn
    upload, buffer, sent = borrowed(body, opening)
    assert upload.join(b"HEAD") == b"HEAD" + sent
    assert not upload.borrowed
    buffer[:] = bytes(len(buffer))
    upload.restore_original()
    assert outgoing(upload) == (len(body), body)


@given(BODIES, st.booleans())
def test_what_cannot_be_sent_at_once_is_copied(drawn: tuple[bytes, int], looked_into: bool) -> None:  # noqa: FBT001  hypothesis fills it in
    """It goes out the same later."""
    body, opening = drawn
    upload, buffer, sent = borrowed(body, opening if looked_into else None)
    assert upload.copy_borrowed() == body
    assert not upload.borrowed
    buffer[:] = bytes(len(buffer))
    assert outgoing(upload) == (len(sent), sent)
    upload.restore_original()
    assert upload.parts == ((body,) if looked_into else (b"",))


@asynchronous
async def test_bodies_of_many_at_once_stay_apart(tmp_path: Path) -> None:
    """All come while the first connection is dialled, and all are refused once: each is sent as it was, twice."""

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
