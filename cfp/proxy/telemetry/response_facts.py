"""The two facts of a Responses answer that are worth a log line: the tier it was served at, and its token counts."""

from __future__ import annotations

from typing import Final

import msgspec

from cfp.proxy.telemetry.request_record import StreamObserver


class Usage(msgspec.Struct, kw_only=True):
    """Token counts as the upstream gives them; None where it does not."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None


class ResponseFacts(msgspec.Struct):
    """What the end of a response says about itself."""

    service_tier: str | None
    usage: Usage | None


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
    """What kind of event a WebSocket message is; `status` is that of an error, as HTTP would have it."""

    type: str = ""
    status: int | None = None


_event: Final = msgspec.json.Decoder(_Event)
_said: Final = msgspec.json.Decoder(EventKind)
_response: Final = msgspec.json.Decoder(_Response)


def read_kind(message: bytes) -> EventKind:
    """Read what an event is; an empty one where it cannot be read."""
    try:
        return _said.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return EventKind()


def read_facts(observer: StreamObserver) -> ResponseFacts | None:
    """Read what it has kept; None where that is nothing, or nothing that can be read."""
    text = observer.text
    if text is None:
        return None
    return read_event(text) if observer.is_event else read_response(text)


def read_event(line: bytes) -> ResponseFacts | None:
    """Read one `data:` line of an event that carries a response; None where it is not one."""
    field, _, value = line.strip().partition(b":")
    if field != b"data":
        return None
    try:
        return _told(_event.decode(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_response(text: bytes) -> ResponseFacts | None:
    """Read an answer that is not a stream."""
    try:
        return _told(_Event(_response.decode(text)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _told(event: _Event) -> ResponseFacts:
    response, usage = event.response, event.response.usage
    if usage is None:
        return ResponseFacts(response.service_tier, None)
    return ResponseFacts(
        response.service_tier,
        Usage(
            input_tokens=usage.input_tokens,
            cached_tokens=usage.input_tokens_details.cached_tokens if usage.input_tokens_details else None,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.output_tokens_details.reasoning_tokens if usage.output_tokens_details else None,
            total_tokens=usage.total_tokens,
        ),
    )
