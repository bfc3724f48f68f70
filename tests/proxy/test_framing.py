"""Each form of a response: what the parser, the worker and direct Codex make of it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.config import Limits
from cfp.proxy.http.messages import END, Malformed, ResponseEvent, ResponseHead
from cfp.proxy.http.response_parser import ResponseParser
from tests.proxy.framing import BODY, BY_NAME, FORMS, Form, lf
from tests.proxy.support import Call, Client, Request, answer, asynchronous, merged, read_body, upstream, worker

LIMIT = Limits().upstream_head
FRAMING = frozenset({b"content-length", b"transfer-encoding"})
forms = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
# What llhttp accepts by itself; behind all others the connection is not used again.
REWRITTEN = [form for form in FORMS if form.served and form.name.startswith(("line feeds", "103 first", "length "))]


def parsed(pieces: list[bytes], limit: int = LIMIT) -> list[ResponseEvent]:
    parser = ResponseParser(limit)
    parser.expect()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return merged(events + parser.eof())


async def final_head(client: Client) -> Request:
    head = await client.head()
    while head.start.startswith(b"HTTP/1.1 1"):
        head = await client.head()
    return head


@forms
def test_the_parser_reads_each_form_in_one_way(form: Form) -> None:
    """The body is that of direct Codex or there is none, whether the bytes come at once or one by one."""
    whole = parsed([form.response])
    assert (BODY in whole, END in whole) == (form.served, form.served)
    if len(form.response) < 10_000:
        single = parsed([bytes([byte]) for byte in form.response])
        assert [event for event in single if not isinstance(event, Malformed)] == [
            event for event in whole if not isinstance(event, Malformed)
        ]


@forms
@asynchronous
async def test_the_worker_serves_what_direct_codex_accepts(form: Form, tmp_path: Path) -> None:
    """The client has the same body, framed anew, or one error that names the fault."""

    async def script(call: Call) -> None:
        await call.send(form.response)
        call.writer.close()

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        client.post(b'{"stream":true}')
        head = await final_head(client)
        if form.served:
            assert await read_body(client.reader, head) == BODY
            framing = [name.lower() for name, _ in head.headers if name.lower() in FRAMING]
            assert len(framing) == 1
        elif b" 200 " in head.start:  # the fault is in the body, whose beginning has passed
            assert BODY not in await client.closed()
        else:
            error = json.loads(await read_body(client.reader, head))["error"]
            assert (head.start, error["code"]) == (b"HTTP/1.1 502 Bad Gateway", "upstream_bad_response")
        await client.close()


@pytest.mark.parametrize("form", REWRITTEN, ids=lambda form: form.name)
@asynchronous
async def test_a_connection_with_a_loose_head_is_not_used_again(form: Form, tmp_path: Path) -> None:
    """Somebody before us may have read another end of that response."""

    async def script(call: Call) -> None:
        await call.send(form.response)

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for _ in range(2):
            client.post(b'{"stream":true}')
            assert await read_body(client.reader, await final_head(client)) == BODY
        await client.close()
        assert up.connections == 2


@asynchronous
async def test_a_strict_head_keeps_its_connection(tmp_path: Path) -> None:
    """The other case of the test above: nothing else closes connections there."""

    async def script(call: Call) -> None:
        await call.send(BY_NAME["spaces behind sizes"].response)

    async with upstream(script) as up, worker(tmp_path, up.base) as running:
        client = await running.client()
        for _ in range(2):
            client.post(b'{"stream":true}')
            assert (await client.response()).body == BODY
        await client.close()
        assert up.connections == 1


@given(st.sampled_from([form for form in FORMS if len(form.response) < 10_000]), st.data())
def test_cuts_change_no_form(form: Form, data: st.DataObject) -> None:
    """Wherever the reads are cut, the same head and body come out."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(form.response)), max_size=6)))
    marks = [0, *cuts, len(form.response)]
    pieces = [form.response[start:end] for start, end in pairwise(marks) if start < end]
    ours, whole = parsed(pieces), parsed([form.response])
    assert [event for event in ours if isinstance(event, ResponseHead | bytes)] == [
        event for event in whole if isinstance(event, ResponseHead | bytes)
    ]


REPLACEMENTS = (b"", b"\r", b"\n", b"\r\n", b" ", b":", b"0", b"\0", b"chunked", b"\r\n ", b"5", b",")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a form with some of it replaced, repeated or left out, mostly in the head."""
    text = draw(st.sampled_from([form.response for form in FORMS if len(form.response) < 10_000]))
    head = text.find(BODY[:10])
    for _ in range(draw(st.integers(1, 3))):
        at, length = draw(st.integers(0, min(len(text), head + 8))), draw(st.integers(0, 6))
        put = draw(
            st.sampled_from([b"", b"\r", b"\n", b"\r\n", b" ", b":", b"0", b"\0", b"chunked", b"\r\n ", b"5", b","])
        )
        text = text[:at] + put + text[at + length :]
    return text


def read_by_h11(text: bytes) -> tuple[int, bytes] | None:
    """Return the status and the body of the first response, as h11 parses it; None where it refuses."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=LIMIT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    status, body = 0, b""
    try:
        connection.receive_data(text)
        connection.receive_data(b"")
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None
    return status, body


@given(damaged())
def test_another_parser_reads_the_same_response(text: bytes) -> None:
    """A response that h11 accepts, too, has the same body for it: no byte of it passes for anything else."""
    events = parsed([text])
    heads = [event for event in events if isinstance(event, ResponseHead) and event.status >= 200]
    if END not in events or not heads:
        return
    theirs = read_by_h11(text)
    if theirs is not None:
        ours = b"".join(event for event in events[: events.index(END)] if isinstance(event, bytes))
        assert theirs == (heads[0].status, ours)


@pytest.mark.parametrize("text", [b"220 mail ready\n", b"SSH-2.0-OpenSSH\r\n", b"\0\0\x18\4\0\0"])
def test_another_protocol_is_not_waited_for(text: bytes) -> None:
    """Only what begins like HTTP is read on: a mail server that greets would be waited for without end."""
    parser = ResponseParser(LIMIT)
    parser.expect()
    assert isinstance(parser.feed(text)[-1], Malformed)


def test_a_loose_head_without_an_end_is_bounded() -> None:
    """The bound of heads holds for those that are rewritten."""
    parser = ResponseParser(1000)
    parser.expect()
    assert parser.feed(lf(b"HTTP/1.1 200 OK\r\nX: ")) == []
    (fault,) = parser.feed(b"x\n" * 600)
    assert isinstance(fault, Malformed)


def test_the_response_behind_a_loose_one_is_not_asked_for() -> None:
    """Bytes behind a complete response belong to no request."""
    extra = parsed([BY_NAME["line feeds alone"].response + answer()])
    assert isinstance(extra[-1], Malformed)
    assert extra.count(END) == 1
