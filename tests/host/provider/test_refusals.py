"""The cause of a refusal, by answers as providers and gateways send them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.host.provider.keys import KeyLocation
from cfp.host.provider.refusals import Answer, refusal_code
from cfp.host.provider.secret import redact
from cfp.messages.failures import KEY_REMEDIES, KEYS, FailureCode

CASES = json.loads((Path(__file__).parents[3] / "fixtures/wire/refusals.json").read_text(encoding="utf-8"))


def answer(case: dict[str, Any]) -> Answer:
    body = case["body"]
    data = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
    return Answer(case["status"], case["fields"], data)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_refusal_has_its_cause(case: dict[str, Any]) -> None:
    """Whatever the status, and the provider's words are shown without a key, on one line."""
    assert case["code"] == refusal_code(answer(case))
    words = redact(answer(case).words)
    assert words
    assert words.isprintable()
    assert "sk-" not in words
    assert re.search(r"[0-9a-f]{64}", words) is None  # a key's hash, which LiteLLM repeats
    assert "<" not in words


@given(
    st.integers(300, 599),
    st.sampled_from(["application/json", "text/html", "text/plain", ""]),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.one_of(st.none(), st.text(max_size=20), st.integers()),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.sampled_from(["error", "message", "code", "type", "detail"]), inner, max_size=4),
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_every_answer_has_a_cause_and_words(status: int, content_type: str, body: bytes) -> None:
    """No status, type or body is without both."""
    any_answer = Answer(status, {"content-type": content_type}, body)
    assert refusal_code(any_answer) in get_args(FailureCode)
    assert any_answer.words


def test_every_place_of_a_key_has_words() -> None:
    """A key that was refused is named by its place, with the way to mend it."""
    assert {"", *KeyLocation} == KEYS.keys() == KEY_REMEDIES.keys() - {"login", "saved_upstream"}
