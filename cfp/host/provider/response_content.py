"""The tier in an event of a provider's response, and the text of its error bodies. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfp.codex.event_stream import json_object


def service_tier(event: Mapping[str, Any]) -> str | None:
    """Return the tier in an event's response, None without one."""
    response = event.get("response")
    tier = response.get("service_tier") if isinstance(response, Mapping) else None
    return tier if isinstance(tier, str) else None


def provider_message(body: bytes, content_type: str) -> str:
    """Return the provider's own text in an error body, unfiltered; "" where the body is a page for people."""
    text = error_text(json_object(body) or {})
    if text or content_type.partition(";")[0].strip().lower() != "text/plain":
        return text
    return body.decode(errors="replace")


def error_text(value: Any, depth: int = 8) -> str:
    """Return the text under error, message or detail, nested in any way, down to `depth` levels."""
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
