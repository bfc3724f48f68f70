"""A 429 gets a Retry-After where its body is about a limit that passes soon, and nowhere else."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.exchange.rate_limit import DEFAULT_SECONDS, MOST_SECONDS, seconds_to_wait, with_retry_after
from cfp.proxy.http.content_coding import encode
from cfp.proxy.http.messages import RequestHead, ResponseHead
from cfp.proxy.http.response_relay import Held, ResponseRelay

CASES = json.loads((Path(__file__).parents[3] / "fixtures/wire/rate_limits.json").read_text(encoding="utf-8"))
LIMIT = b'{"error":{"code":"rate_limit_exceeded","message":"Please try again in 1.2s."}}'
NO_LIMIT = b'{"error":{"code":"insufficient_quota","message":"Please try again in 1.2s."}}'


def head_of(*fields: tuple[bytes, bytes], status: int = 429) -> ResponseHead:
    return ResponseHead(
        status=status,
        reason=b"Too Many Requests",
        headers=[(name.lower(), name, value) for name, value in fields],
        fields={name.lower(): value for name, value in fields},
        minor=1,
        keep_alive=True,
        length=None,
        chunked=False,
        until_close=False,
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_words_of_providers(case: dict[str, object]) -> None:
    """Each answer of a provider or a relay has its seconds, or null where it passes as it is."""
    body = case["body"]
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=case["name"] == "escaped")
    assert case["seconds"] == seconds_to_wait(text.encode(), {})


@given(seconds=st.floats(min_value=0, max_value=MOST_SECONDS))
def test_the_stated_delay_is_kept(seconds: float) -> None:
    """In whole seconds, since Codex reads no others, never less than the body says, and never 0."""
    for delay in (f"{seconds:.6f}s", f"{seconds * 1000:.3f}ms", f"{seconds:.6f} seconds"):
        body = json.dumps({"error": {"code": "rate_limit_exceeded", "message": f"Please try again in {delay}."}})
        waited = seconds_to_wait(body.encode(), {})
        assert waited is not None
        assert max(1, math.ceil(seconds - 0.001)) <= waited <= max(1, math.ceil(seconds + 0.001))


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"rate limit, retry in {text}".encode()))
def test_any_body_is_read(body: bytes) -> None:
    """Whatever comes, it passes or gets a delay within the bounds."""
    assert seconds_to_wait(body, {}) in {None, *range(1, MOST_SECONDS + 1)}


@pytest.mark.parametrize(
    "body", [b"[" * 60_000, b'{"a":' * 10_000, b"again 1" + b"9" * 60_000, b"try again in " * 5_000]
)
def test_a_hostile_body_is_read_at_once(body: bytes) -> None:
    """Nesting and length cost neither an error nor time."""
    assert seconds_to_wait(body, {}) in {None, DEFAULT_SECONDS}


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, DEFAULT_SECONDS),
        ({b"x-ratelimit-reset-requests": b"8.64s", b"x-ratelimit-reset-tokens": b"1.2s"}, 9),
        ({b"x-ratelimit-reset-requests": b"6m0s", b"x-ratelimit-reset-tokens": b"350ms"}, 1),
        ({b"x-ratelimit-reset": b"17"}, 17),
        ({b"x-ratelimit-reset": b"1741305600000"}, DEFAULT_SECONDS),
        ({b"x-ratelimit-reset": b"2026-01-02T03:04:05Z"}, DEFAULT_SECONDS),
        ({b"x-ratelimit-reset": b"\xff"}, DEFAULT_SECONDS),
        ({b"retry-after-ms": b"4100"}, 5),
        ({b"retry-after-ms": b"410000"}, None),
        ({b"llm_provider-retry-after": b"7"}, 7),
        ({b"llm_provider-retry-after": b"7200"}, None),
        ({b"llm_provider-retry-after": b"Sun, 06 Nov 1994 08:49:37 GMT"}, 12),
    ],
)
def test_the_fields_of_providers(fields: dict[bytes, bytes], seconds: int | None) -> None:
    """They count where the body says no delay, and only where they are durations."""
    assert seconds == seconds_to_wait(b'{"error":{"code":"rate_limit_exceeded"}}', fields)
    assert 2 == seconds_to_wait(LIMIT, fields)
    assert seconds_to_wait(NO_LIMIT, fields) is None


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"zstd"])
def test_a_coded_body_is_read(coding: bytes) -> None:
    """The field is added, and the rest of the head stays."""
    field = (b"Content-Encoding", coding)
    head = with_retry_after(head_of(field), encode(coding, [LIMIT]))
    assert [(b"Content-Encoding", coding), (b"Retry-After", b"2")] == [
        (name, value) for _, name, value in head.headers
    ]
    assert b"2" == head.fields[b"retry-after"]


@pytest.mark.parametrize(
    ("head", "is_held"),
    [(head_of(), True), (head_of((b"Retry-After", b"7")), False), (head_of(status=503), False)],
    ids=["429", "429 with Retry-After", "503"],
)
def test_only_what_may_get_the_field_is_held(head: ResponseHead, *, is_held: bool) -> None:
    """Any other answer begins at the client before its body is there."""
    request = RequestHead(b"POST", b"/v1/responses", [], {}, 1, True, 2, False, False)
    relay = ResponseRelay(request, Held({429}))
    relay.process([head], close=False)
    assert (is_held, not is_held) == (relay.holding, relay.started)


def test_any_other_head_stays() -> None:
    """An unknown coding, a Retry-After of the provider's, another status."""
    for head in (head_of((b"Content-Encoding", b"br")), head_of((b"Retry-After", b"7")), head_of(status=503)):
        assert head is with_retry_after(head, LIMIT)
