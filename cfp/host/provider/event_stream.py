"""What an upstream's answer says: the first event of its stream, and its own words about a refusal. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def first_event(read: bytes) -> dict[str, Any] | None:
    """The data of the first complete event (WHATWG HTML 9.2.6), {} where that is no JSON object.

    None while there is no such event: a comment is none.
    """
    data: list[bytes] = []
    for line in re.split(rb"\r\n|\n|\r", read.removeprefix(b"\xef\xbb\xbf"))[:-1]:
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif not line and data:
            return _object(b"\n".join(data))
    return None


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def service_tier(event: Mapping[str, Any]) -> str | None:
    """The tier that the event says it is served at."""
    response = event.get("response")
    tier = response.get("service_tier") if isinstance(response, Mapping) else None
    return tier if isinstance(tier, str) else None


def provider_message(body: bytes, content_type: str) -> str:
    """The provider's own words in an error body, as raw as they come; "" where it is a page for people."""
    text = error_text(_object(body))
    if text or content_type.partition(";")[0].strip().lower() != "text/plain":
        return text
    return body.decode(errors="replace")


def error_text(value: Any, depth: int = 8) -> str:
    """The text under error, message or detail, however the provider wraps it, up to `depth` levels."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return error_text(value[0], depth - 1) if value and depth else ""
    if isinstance(value, Mapping) and depth:
        for name in ("error", "message", "detail", "msg", "response"):
            text = error_text(value.get(name), depth - 1)
            if text:
                return text
    return ""
