"""A 429 about a rate limit in the worker: held until it is complete, then sent on, with a Retry-After."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfp.core.settings import Policy
from tests.proxy.support import Call, answer, asynchronous, upstream, worker

STATUS = b"429 Too Many Requests"
LIMIT = b'{"error":{"code":"rate_limit_exceeded","message":"Please try again in 1.2s."}}'
QUOTA = b'{"error":{"code":"insufficient_quota","message":"Please try again in 1.2s."}}'


def in_pieces(body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (STATUS, len(body), body)


@pytest.mark.parametrize("policy", [Policy.INJECT_MISSING, Policy.PRESERVE])
@pytest.mark.parametrize(
    ("sent", "body", "retry_after"),
    [
        (answer(LIMIT, STATUS), LIMIT, b"2"),
        (in_pieces(LIMIT), LIMIT, b"2"),
        (answer(LIMIT, STATUS, b"Retry-After: 7"), LIMIT, b"7"),
        (answer(LIMIT, b"503 Busy"), LIMIT, None),
        (answer(QUOTA, STATUS), QUOTA, None),
        (answer(b"", STATUS), b"", None),
    ],
    ids=["limit", "in chunks", "with the provider's own", "another status", "quota", "empty"],
)
def test_a_rate_limit_gets_a_retry_after(
    tmp_path: Path, sent: bytes, body: bytes, retry_after: bytes | None, policy: Policy
) -> None:
    """With and without our tier; the body passes as it is, the upstream has one request, the log its status."""

    @asynchronous
    async def ask() -> None:
        async def relay(call: Call) -> None:
            await call.send(sent)

        async with upstream(relay) as up, worker(tmp_path, up.base, policy=policy) as running:
            client = await running.client()
            client.post(b'{"model":"m"}')
            response = await client.response()
            assert (body, retry_after) == (response.body, response.get(b"retry-after"))
            client.post(b'{"model":"m"}')  # the connection serves on
            assert response == await client.response()
            await client.close()
            assert 2 == len(up.requests)
        assert [response.start.split()[1]] * 2 == [b"%d" % line["status"] for line in running.log()]

    ask()


@asynchronous
async def test_a_setting_leaves_it_as_it_is(tmp_path: Path) -> None:
    """`pass_rate_limits`: the answer is not even held."""

    async def relay(call: Call) -> None:
        await call.send(answer(LIMIT, STATUS))

    async with upstream(relay) as up, worker(tmp_path, up.base, pass_rate_limits=True) as running:
        client = await running.client()
        client.post()
        response = await client.response()
        assert (LIMIT, None) == (response.body, response.get(b"retry-after"))
        await client.close()


@asynchronous
async def test_another_request_than_a_model_s_is_left_alone(tmp_path: Path) -> None:
    """Codex repeats model requests; of the others it is not known."""

    async def relay(call: Call) -> None:
        await call.send(answer(LIMIT, STATUS))

    async with upstream(relay) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.get(b"/v1/models")
        assert (await client.response()).get(b"retry-after") is None
        client.post(path=b"/v1/responses/compact")
        assert (await client.response()).get(b"retry-after") is None
        await client.close()


@pytest.mark.parametrize(
    ("fields", "length"), [((), 100), ((b"Retry-After: 7",), 100), ((), 70_000)], ids=["silent", "dated", "large"]
)
def test_a_body_that_does_not_end_keeps_nothing_back(tmp_path: Path, fields: tuple[bytes, ...], length: int) -> None:
    """The head and what is there of the body reach the client within seconds, and nothing is added."""

    @asynchronous
    async def ask() -> None:
        part = LIMIT.ljust(length - 1)

        async def relay(call: Call) -> None:
            await call.send(b"\r\n".join([b"HTTP/1.1 " + STATUS, b"Content-Length: %d" % length, *fields, b"", part]))

        async with upstream(relay) as up, worker(tmp_path, up.base) as running:
            client = await running.client()
            client.post()
            head = await client.head()
            assert (b"HTTP/1.1 " + STATUS, b"7" if fields else None) == (head.start, head.get(b"retry-after"))
            assert part == await client.reader.readexactly(len(part))
            await client.close()

    ask()


@asynchronous
async def test_a_body_that_is_cut_is_cut_for_the_client_too(tmp_path: Path) -> None:
    """Nobody knows what its rest would have said."""

    async def relay(call: Call) -> None:
        await call.send(b"HTTP/1.1 " + STATUS + b"\r\nContent-Length: 100\r\n\r\n" + LIMIT)
        call.writer.close()

    async with upstream(relay) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post()
        head = await client.head()
        assert (b"HTTP/1.1 " + STATUS, None) == (head.start, head.get(b"retry-after"))
        assert LIMIT == await client.closed()
        await client.close()
    assert ["upstream_cut"] == [line["error_type"] for line in running.log()]
