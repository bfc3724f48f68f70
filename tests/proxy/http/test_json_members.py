"""Removal and replacement of a member: one change, and every other byte as it was."""

from __future__ import annotations

import json
import time

from hypothesis import given

from cfp.proxy.http.json_members import members_named, with_value, without
from tests.proxy.http.test_json_splice import DOCUMENTS, pairs

NAME = "service_tier"


def spans(body: bytes) -> list[bytes]:
    return [body[member.start : member.end] for member in members_named(body, NAME)]


@given(DOCUMENTS)
def test_every_member_of_the_name_is_located(body: bytes) -> None:
    """At the top level only, in any spelling; each span is a member by itself."""
    located = [pairs(b"{" + span + b"}")[0] for span in spans(body)]
    assert located == [pair for pair in pairs(body) if pair[0] == NAME]


@given(DOCUMENTS)
def test_a_replaced_value_is_the_only_change(body: bytes) -> None:
    """The text between the values stays, byte for byte."""
    after = with_value(bytearray(body), NAME, "default")
    assert pairs(after) == [(name, "default" if name == NAME else value) for name, value in pairs(body)]
    left, at = [], 0
    for member in members_named(body, NAME):
        left.append(body[at : member.value])
        at = member.end
    assert after == b'"default"'.join([*left, body[at:]])


@given(DOCUMENTS)
def test_a_removed_member_takes_one_comma_with_it(body: bytes) -> None:
    """The other members keep their order and their spelling, and the rest of the text stays in its order."""
    after = without(memoryview(body), NAME)
    assert pairs(after) == [pair for pair in pairs(body) if pair[0] != NAME]
    places = members_named(body, NAME)
    assert len(body) - len(after) >= sum(member.end - member.start for member in places)
    if not places:
        assert after == body
    elif len(places) == 1:
        (member,) = places
        kept = len(body) - len(after) - (member.end - member.start)
        assert after in {
            body[: member.start - before] + body[member.end + kept - before :] for before in range(kept + 1)
        }


def test_a_large_body_is_searched_in_little_time() -> None:
    """Escapes, digits and brackets by the million neither overflow a stack nor take seconds."""
    nested = b"[" * 500 + b"]" * 500
    long = b'"' + b'\\"' * 2_000_000 + b'"'
    body = b'{"input":[%b,%b,[%b]],"service_tier":"priority"}' % (long, nested, b",".join([b"1"] * 1_000_000))
    began = time.process_time()
    assert spans(body) == [b'"service_tier":"priority"']
    assert time.process_time() - began < 2
    assert NAME not in json.loads(without(body, NAME))
