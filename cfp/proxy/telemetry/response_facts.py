"""The facts of a Responses API response that the log has: the tier that served it, and its token counts."""

from __future__ import annotations

from typing import Final

import msgspec

from cfp.codex.event_stream import parse_field
from cfp.proxy.telemetry.request_record import StreamObserver


class TokenCounts(msgspec.Struct, kw_only=True):
    """Token counts as the upstream reports them; None where it does not."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None


class ResponseFacts(msgspec.Struct):
    """The facts of a response's last event."""

    service_tier: str | None
    usage: TokenCounts | None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Response(msgspec.Struct):
    service_tier: str | None = None
    usage: _Usage | None = None


class _Event(msgspec.Struct):
    response: _Response


class EventKind(msgspec.Struct):
    """The type of a WebSocket message; `status` is the HTTP status of an error."""

    type: str = ""
    status: int | None = None


_event_decoder: Final = msgspec.json.Decoder(_Event)
_kind_decoder: Final = msgspec.json.Decoder(EventKind)
_response_decoder: Final = msgspec.json.Decoder(_Response)


def read_kind(message: bytes) -> EventKind:
    """Return the kind of an event; an empty one where the message cannot be parsed."""
    try:
        return _kind_decoder.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return EventKind()


def read_facts(observer: StreamObserver) -> ResponseFacts | None:
    """Return the facts of an observed response; None where nothing was kept or it cannot be parsed."""
    text = observer.text
    if text is None:
        return None
    return read_event(text) if observer.is_event else read_response(text)


def read_event(line: bytes) -> ResponseFacts | None:
    """Return the facts of a `data:` line whose event has a response; None where it is another line."""
    name, value = parse_field(line.strip())
    if name != b"data":
        return None
    try:
        return _facts(_event_decoder.decode(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_response(text: bytes) -> ResponseFacts | None:
    """Return the facts of a response that is not a stream."""
    try:
        return _facts(_Event(_response_decoder.decode(text)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _facts(event: _Event) -> ResponseFacts:
    response, usage = event.response, event.response.usage
    if usage is None:
        return ResponseFacts(response.service_tier, None)
    return ResponseFacts(
        response.service_tier,
        TokenCounts(
            input_tokens=usage.input_tokens,
            cached_tokens=usage.input_tokens_details.cached_tokens if usage.input_tokens_details else None,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.output_tokens_details.reasoning_tokens if usage.output_tokens_details else None,
            total_tokens=usage.total_tokens,
        ),
    )
