"""The tier of an event and the words of a refusal."""

from __future__ import annotations

import json

import pytest

from cfp.host.provider.response_content import provider_message, service_tier


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"response": {"service_tier": "priority"}}, "priority"),
        ({"response": {"service_tier": None}}, None),
        ({"response": {}}, None),
        ({"response": "flex"}, None),
        ({}, None),
    ],
)
def test_the_tier_of_an_event(event: dict[str, object], expected: str | None) -> None:
    """A text in its response, or none."""
    assert expected == service_tier(event)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "no such model", "type": "invalid"}}, "no such model"),
        ({"error": "plain"}, "plain"),
        ({"message": "top"}, "top"),
        ({"detail": [{"msg": "field required", "loc": []}]}, "field required"),
        ({"type": "response.failed", "response": {"error": {"message": "overloaded"}}}, "overloaded"),
        ({"error": {"code": 5}}, ""),
        (json.loads('{"error":' * 700 + "{}" + "}" * 700), ""),
        ({}, ""),
        ([], ""),
    ],
)
def test_the_words_are_found_where_providers_put_them(body: object, expected: str) -> None:
    """OpenAI's shape and the common ones of relays."""
    assert expected == provider_message(json.dumps(body).encode(), "application/json")


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"go away", "text/plain; charset=utf-8", "go away"),
        (b"<html>go away</html>", "text/html", ""),
        (b"\xff\xfe", "", ""),
    ],
)
def test_text_is_taken_and_a_page_is_not(body: bytes, content_type: str, expected: str) -> None:
    """A gateway's HTML page helps nobody in a JSON field."""
    assert expected == provider_message(body, content_type)
