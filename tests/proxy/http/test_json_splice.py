"""The splice: one more member and no other change, or no change at all."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.http import content_coding
from cfp.proxy.http.json_splice import Members, SplicedBody, inject_tier

MEMBER = b'"service_tier":"priority"'
SPACES = st.text(" \t\r\n", max_size=3)
NUMBERS = st.sampled_from(["0", "-0", "1e400", "1E-5", "12345678901234567890123", "0.10", "true", "false", "null"])


def spelled(text: str) -> st.SearchStrategy[str]:
    """Spellings of one string in JSON: plain, or with any characters escaped."""
    forms = [st.sampled_from([json.dumps(c)[1:-1], f"\\u{ord(c):04x}"]) for c in text if ord(c) < 0x10000]
    return st.tuples(*forms).map(lambda parts: '"' + "".join(parts) + '"')


NAMES = st.one_of(
    st.sampled_from(["service_tier", "model", "stream", "input", "Service_Tier", ""]),
    st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=6),
)
STRINGS = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=8).flatmap(spelled)


def listing(opening: str, items: st.SearchStrategy[str], closing: str) -> st.SearchStrategy[str]:
    return st.lists(st.tuples(SPACES, items, SPACES).map("".join), max_size=4).flatmap(
        lambda parts: SPACES.map(lambda space: opening + (",".join(parts) or space) + closing)
    )


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(NAMES.flatmap(spelled), SPACES, st.just(":"), SPACES, values).map("".join)
    return listing("{", pair, "}")


VALUES = st.recursive(
    st.one_of(NUMBERS, STRINGS), lambda inner: st.one_of(listing("[", inner, "]"), objects(inner)), max_leaves=12
)
DOCUMENTS = st.tuples(SPACES, objects(VALUES), SPACES).map(lambda parts: "".join(parts).encode())


def pairs(text: bytes) -> list[tuple[str, Any]]:
    """Return the top-level members in order, with duplicates, numbers by their spelling."""
    pairs = json.loads(text, object_pairs_hook=list, parse_int=str, parse_float=str)
    assert isinstance(pairs, list)
    return [tuple(pair) for pair in pairs]


def joined(spliced: SplicedBody) -> bytes:
    return b"".join(map(bytes, spliced.parts))


@given(DOCUMENTS)
def test_only_the_member_is_added(body: bytes) -> None:
    """A text without the key gets it as the first member and does not change otherwise; a text with the key stays."""
    spliced = inject_tier(body, "priority")
    after = joined(spliced)
    if "service_tier" in dict(pairs(body)):
        assert (spliced.injected, after) == (False, body)
        return
    assert spliced.injected
    assert pairs(after) == [("service_tier", "priority"), *pairs(body)]
    start = body.index(b"{") + 1
    assert after[:start] == body[:start]
    rest = after[start:].removeprefix(MEMBER)
    assert rest.removeprefix(b",") == body[start:]


@given(DOCUMENTS, st.sampled_from(["zstd", "gzip", "deflate"]))
def test_a_coding_changes_nothing(body: bytes, coding: str) -> None:
    """Compressed bodies are decoded for it; one that does not change is sent byte for byte as it came."""
    pack = {"zstd": zstd.compress, "gzip": gzip.compress, "deflate": zlib.compress}[coding]
    unpack = {"zstd": zstd.decompress, "gzip": gzip.decompress, "deflate": zlib.decompress}[coding]
    packed = pack(body)
    spliced = inject_tier(packed, "priority", coding=coding.encode())
    plain = inject_tier(body, "priority")
    assert (spliced.injected, spliced.members) == (plain.injected, plain.members)
    assert unpack(joined(spliced)) == joined(plain)
    assert spliced.injected or joined(spliced) == packed


@given(DOCUMENTS)
def test_inspecting_changes_nothing(body: bytes) -> None:
    """Without a tier to add, the body does not change."""
    spliced = inject_tier(bytearray(body), None)
    assert (joined(spliced), spliced.injected) == (body, False)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "not_a_json_object"),
        (b"[]", "not_a_json_object"),
        (b"{", "not_a_json_object"),
        (b'{"a":1}x', "not_a_json_object"),
        (b'{"a":NaN}', "not_a_json_object"),
        (b'\xef\xbb\xbf{"a":1}', "not_a_json_object"),
        ('{"a":1}'.encode("utf-16"), "not_a_json_object"),
        (b'{"a":' + b"[" * 200_000, "nested_too_deep"),
        (b'{"a":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "nested_too_deep"),
    ],
)
def test_an_unreadable_body_does_not_change(body: bytes, error: str) -> None:
    """It is passed on unchanged, with the reason."""
    assert inject_tier(body, "priority") == SplicedBody([body], None, error)


def test_members_are_read() -> None:
    """The caller lists models that get no tier; values of other types are reported as JSON."""
    body = b'{"model":"gp\\u0074","stream":true,"service_tier":7}'
    assert inject_tier(body, "priority").members == Members("7", stream=True, model="gpt")
    refused = {"a", None}
    assert [
        inject_tier(body, "x", refused_models=refused).injected
        for body in (b'{"model":"a"}', b"{}", b'{"model":"b"}')
    ] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("body", "members"),
    [
        (b"{}", Members()),
        (b'{"model":null,"stream":null,"service_tier":null}', Members("null")),
        (b'{"model":["gpt"],"stream":"true","generate":0}', Members(model='["gpt"]')),
        (b'{"service_tier":{"a":1},"stream":true}', Members('{"a":1}', stream=True)),
        (b'{"service_tier":"flex","model":"\xff"}', Members("flex", model="?")),
        (
            b'{"service_tier":"\xff","type":"response.create","generate":false}',
            Members("?", type="response.create", generate=False),
        ),
        (b'{"model":"a","stream":1,"stream":true,"model":"b"}', Members(stream=True, model="b")),
    ],
)
def test_odd_members_are_read(body: bytes, members: Members) -> None:
    """Values of any type and invalid UTF-8 are for the upstream to judge; only the key decides about the tier."""
    spliced = inject_tier(body, "priority")
    assert (spliced.members, spliced.error) == (members, None)
    assert spliced.injected == (b"service_tier" not in body)


@pytest.mark.parametrize("coding", ["zstd", "gzip", "deflate"])
def test_bombs_are_stopped(coding: str) -> None:
    """Decoding stops at the cap, whatever size the body declares; several members or frames count together."""
    pack = {"zstd": zstd.compress, "gzip": gzip.compress, "deflate": zlib.compress}[coding]
    with pytest.raises(content_coding.TooLarge):
        inject_tier(pack(bytes(1 << 20)), "priority", coding=coding.encode(), cap=1000)
    if coding != "deflate":
        with pytest.raises(content_coding.TooLarge):
            inject_tier(pack(bytes(600)) * 2, "priority", coding=coding.encode(), cap=1000)


@pytest.mark.parametrize(
    ("coding", "body"), [("br", b"x"), ("zstd", b"x"), ("gzip", b"\x1f\x8b"), ("gzip, zstd", b"x")]
)
def test_a_body_that_cannot_be_decoded_does_not_change(coding: str, body: bytes) -> None:
    """A body that cannot be decoded is passed on for the upstream to judge."""
    spliced = inject_tier(body, "priority", coding=coding.encode())
    assert spliced == SplicedBody([body], None, "content_coding")


def test_a_body_of_too_many_streams_does_not_change() -> None:
    """Each costs a copy of the bytes behind it: some are read, thousands are refused."""
    for count, read in ((100, True), (10_000, False)):
        body = gzip.compress(b"") * count + gzip.compress(b"{}")
        spliced = inject_tier(body, "priority", coding=b"gzip")
        assert (spliced.injected, spliced.error) == (read, None if read else "content_coding")


@pytest.mark.parametrize("bits", range(9, 16))
def test_deflate_with_any_window_is_read(bits: int) -> None:
    """A zlib header may have any window size in its first byte (RFC 1950 2.2)."""
    deflater = zlib.compressobj(wbits=bits)
    spliced = inject_tier(deflater.compress(b"{}") + deflater.flush(), "priority", coding=b"deflate")
    assert zlib.decompress(joined(spliced)) == b"{" + MEMBER + b"}"


def test_raw_deflate_is_read() -> None:
    """Some senders omit the zlib wrapper; the encoded body has one, as the standard requires."""
    deflater = zlib.compressobj(wbits=-15)
    raw = deflater.compress(b"{}") + deflater.flush()
    spliced = inject_tier(raw, "priority", coding=b"deflate")
    assert zlib.decompress(joined(spliced)) == b"{" + MEMBER + b"}"
