"""The heads that the worker forwards, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.header_names import RECOMPUTED, passing_fields
from cfp.proxy.credentials import AuthOverride
from cfp.proxy.http.headers import HOP_BY_HOP, IDENTITY, HeadRewrite, request_head, response_head, with_tier
from cfp.proxy.http.messages import RequestHead, ResponseHead
from cfp.proxy.http.parsers import RequestParser
from cfp.proxy.http.response_parser import ResponseParser

OVERRIDE = AuthOverride(b"Bearer k", frozenset(name.encode() for name in passing_fields(["X-User"])))
PASSING = sorted(OVERRIDE.passing)
NAMES = st.sampled_from([*sorted(HOP_BY_HOP), *sorted(IDENTITY), *PASSING, b"x-a", b"X-B", b"trailer"])
CASES = st.sampled_from([bytes.lower, bytes.upper, bytes.title])


def lines(head: bytes) -> list[tuple[bytes, bytes]]:
    start_and_fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")[1:]
    return [(name, value) for name, _, value in (line.partition(b": ") for line in start_and_fields)]


def parsed(fields: list[tuple[bytes, bytes]], framing: bytes = b"Content-Length: 0") -> RequestHead:
    text = b"".join(
        b"%s: %s\r\n" % pair for pair in fields if pair[0].lower() not in {b"transfer-encoding", b"upgrade"}
    )
    head = RequestParser().feed(b"POST /x HTTP/1.1\r\nHost: h\r\n" + text + framing + b"\r\n\r\n")[0]
    assert isinstance(head, RequestHead)
    return head


@given(st.lists(st.tuples(NAMES, CASES, st.sampled_from([b"v", b"w, x"])), max_size=8), st.booleans())
def test_hop_by_hop_fields_are_dropped_and_with_another_key_all_but_those_that_pass(
    fields: list[tuple[bytes, object, bytes]],
    override: bool,  # noqa: FBT001  hypothesis fills it in
) -> None:
    """All other fields are forwarded in their order and spelling; with another key, only those that may pass."""
    sent = [(case(name), value) for name, case, value in fields]  # type: ignore[operator]  # a method of bytes
    head = parsed([pair for pair in sent if pair[0].lower() != b"connection"])
    rewrite = HeadRewrite(target=b"/y", host=b"up", via=b"id", override=OVERRIDE if override else None)
    expected = [(b"Host", b"up")]
    expected += [
        pair
        for pair in sent
        if pair[0].lower() not in HOP_BY_HOP and (not override or pair[0].lower() in OVERRIDE.passing)
    ]
    expected += [(b"Authorization", b"Bearer k")] if override else []
    expected += [(b"Content-Length", b"3"), (b"Via", b"1.1 id")]
    assert lines(request_head(head, rewrite, 3)) == expected


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1))
def test_an_unknown_field_stays_here(name: str) -> None:
    """With another key, whatever field a later Codex adds does not reach the provider; without one it does."""
    sent = parsed([(name.encode(), b"v")])
    for override in (None, OVERRIDE):
        rewrite = HeadRewrite(target=b"/", host=b"h", via=b"id", override=override)
        passed = (name.encode(), b"v") in lines(request_head(sent, rewrite, None))
        if name not in {field.decode() for field in HOP_BY_HOP | OVERRIDE.passing} | RECOMPUTED | {"via"}:
            assert passed == (override is None)


def test_what_identifies_the_user_is_not_among_the_fields_that_pass() -> None:
    """Neither of itself, nor where the user sets it and Codex would write the login's value over it."""
    assert frozenset() == IDENTITY & OVERRIDE.passing
    named = passing_fields(name.decode() for name in IDENTITY)
    assert {"cookie", "openai-organization", "openai-project"} == named - passing_fields()


def test_a_field_that_connection_names_does_not_pass() -> None:
    """With another key, too."""
    head = parsed([(b"Connection", b"X-User"), (b"x-user", b"1"), (b"accept", b"*/*")])
    rewrite = HeadRewrite(target=b"/", host=b"h", via=b"id", override=OVERRIDE)
    assert [b"Host", b"accept", b"Authorization", b"Via"] == [
        name for name, _ in lines(request_head(head, rewrite, None))
    ]


def test_no_response_leads_around_the_proxy() -> None:
    """Alternative services are those of the upstream's own origin, and a refresh is a browser's redirect."""
    parser = ResponseParser()
    parser.expect()
    (answer,) = parser.feed(b'HTTP/1.1 200 OK\r\nAlt-Svc: h3=":443"\r\nRefresh: 0; url=https://b/\r\nDate: d\r\n\r\n')
    assert isinstance(answer, ResponseHead)
    assert response_head(answer, chunked=True, close=True).startswith(b"HTTP/1.1 200 OK\r\nDate: d\r\nTransfer")


def test_fields_that_connection_names_are_dropped() -> None:
    """Fields that Connection names are dropped in both directions (RFC 9110 7.6.1)."""
    head = parsed([(b"Connection", b"keep-alive, X-Gone"), (b"x-gone", b"1"), (b"x-kept", b"1")])
    rewrite = HeadRewrite(target=b"/", host=b"h", via=b"id")
    assert [name for name, _ in lines(request_head(head, rewrite, None))] == [b"Host", b"x-kept", b"Via"]
    parser = ResponseParser()
    parser.expect()
    text = b"HTTP/1.1 200 Fine\r\nConnection: x-gone\r\nX-Gone: 1\r\nDate: d\r\nServer: s\r\nKeep-Alive: 5\r\n\r\n"
    (answer,) = parser.feed(text)
    assert isinstance(answer, ResponseHead)
    assert response_head(answer, chunked=True, close=True) == (
        b"HTTP/1.1 200 Fine\r\nDate: d\r\nServer: s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )


def test_via_lists_every_proxy() -> None:
    """Via lists every proxy of a chain, so that each recognises a request that comes back."""
    head = parsed([(b"VIA", b"1.0 first")])
    rewrite = HeadRewrite(target=b"/", host=b"h", via=b"second")
    assert lines(request_head(head, rewrite, None))[-1] == (b"Via", b"1.0 first, 1.1 second")


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (b"model=gpt", b"model=gpt;tier=priority"),
        (b"model=gpt;tier=flex", b"model=gpt;tier=priority"),
        (b"model=gpt; TIER=x;more=1", b"model=gpt;more=1;tier=priority"),
    ],
)
def test_the_routing_hint_has_the_tier_of_the_body(hint: bytes, expected: bytes) -> None:
    """The routing hint has the tier that the body has."""
    assert with_tier(hint, "priority") == expected
    rewrite = HeadRewrite(target=b"/", host=b"h", via=b"id", hint=with_tier(hint, "priority"))
    sent = dict(lines(request_head(parsed([(b"x-codex-routing-hint", hint)]), rewrite, None)))
    assert sent[b"x-codex-routing-hint"] == expected
