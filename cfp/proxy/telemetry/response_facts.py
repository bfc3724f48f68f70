"""The facts of a Responses API response that the log has: how it ended, the tier that served it, its token counts."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from cfp.codex.event_stream import EventStreamParser, json_object, parse_field
from cfp.core.traffic.requests import Ending
from cfp.proxy.telemetry.stream_observer import StreamObserver


class TokenCounts(msgspec.Struct, kw_only=True):
    """Token counts as the upstream reports them; None where it does not."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None


class ResponseFacts(msgspec.Struct):
    """The facts of a response.

    ending      by its final event, or by the whole of a JSON response; None where it had no final event
    error_code  the provider's own code of the error; None where it has none that looks like a name
    model       the model that the response names; None where it names none
    """

    service_tier: str | None
    usage: TokenCounts | None
    ending: Ending | None = None
    error_code: str | None = None
    model: str | None = None


class _Response(msgspec.Struct):
    service_tier: Any = None
    usage: Any = None
    status: Any = None
    error: Any = None
    model: Any = None


class _Event(msgspec.Struct):
    response: _Response
    type: Any = None


class EventKind(msgspec.Struct):
    """The type of a WebSocket message; `status` is the HTTP status of an error."""

    type: str = ""
    status: int | None = None


_event_decoder: Final = msgspec.json.Decoder(_Event)
_kind_decoder: Final = msgspec.json.Decoder(EventKind)
_response_decoder: Final = msgspec.json.Decoder(_Response)

_ENDINGS: Final = {
    "response.completed": Ending.COMPLETED,
    "response.done": Ending.COMPLETED,
    "response.failed": Ending.FAILED,
    "response.cancelled": Ending.FAILED,
    "response.incomplete": Ending.INCOMPLETE,
    "error": Ending.FAILED,
}
_STATUSES: Final = {"failed": Ending.FAILED, "cancelled": Ending.FAILED, "incomplete": Ending.INCOMPLETE}
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")  # a code, and no sentence that may quote the user


def read_kind(message: bytes) -> EventKind:
    """Return the kind of an event; an empty one where the message cannot be parsed."""
    try:
        return _kind_decoder.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return EventKind()


def ends_turn(event_type: str) -> bool:
    """Whether an event of this type is the last one of a turn."""
    return event_type in _ENDINGS


def read_facts(observer: StreamObserver) -> ResponseFacts | None:
    """Return the facts of an observed response; None where nothing was kept or it cannot be parsed."""
    text = observer.text
    if not observer.is_event:
        return None if text is None else read_response(text)
    facts = None if text is None else read_event(text)
    if facts is not None and facts.ending is not None:
        return facts
    last = _last_event(observer.tail)
    if last is None:
        return facts
    if facts is None:
        return last
    return ResponseFacts(facts.service_tier, facts.usage, last.ending, last.error_code, facts.model)


def read_event(line: bytes) -> ResponseFacts | None:
    """Return the facts of a `data:` line whose event has a response; None where it is another line."""
    name, value = parse_field(line.strip())
    if name != b"data":
        return None
    try:
        event = _event_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _facts(event.response, _ENDINGS.get(event.type) if isinstance(event.type, str) else None)


def read_response(text: bytes) -> ResponseFacts | None:
    """Return the facts of a response that is not a stream."""
    try:
        response = _response_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    ending = Ending.FAILED if response.error else Ending.COMPLETED
    if isinstance(response.status, str):
        ending = _STATUSES.get(response.status, ending)
    return _facts(response, ending)


def _last_event(tail: bytes) -> ResponseFacts | None:
    """Return the ending of the last event of a stream's tail that ends a turn; None where none does.

    It is an `error` event, or an event whose JSON is spaced so that the search for a response missed it.
    """
    for data in reversed(EventStreamParser().feed(tail + b"\n\n")):
        event = json_object(data)
        if event is None:
            continue
        kind, error = event.get("type"), event.get("error")
        ending = _ENDINGS.get(kind) if isinstance(kind, str) else None
        if ending is None and "type" not in event and isinstance(error, dict):
            ending = Ending.FAILED  # as gateways write one, after `event: error`
        if ending is not None:
            return ResponseFacts(None, None, ending, _error_code(error) or _name(event.get("code")))
    return None


def _facts(response: _Response, ending: Ending | None) -> ResponseFacts:
    tier = response.service_tier if isinstance(response.service_tier, str) else None
    model = response.model if isinstance(response.model, str) and response.model else None
    return ResponseFacts(tier, _usage(response.usage), ending, _error_code(response.error), model)


def _usage(usage: Any) -> TokenCounts | None:
    if not isinstance(usage, dict):
        return None
    return TokenCounts(
        input_tokens=_count(usage.get("input_tokens")),
        cached_tokens=_count(_member(usage, "input_tokens_details", "cached_tokens")),
        output_tokens=_count(usage.get("output_tokens")),
        reasoning_tokens=_count(_member(usage, "output_tokens_details", "reasoning_tokens")),
        total_tokens=_count(usage.get("total_tokens")),
    )


def _member(usage: dict[str, Any], details: str, name: str) -> Any:
    of = usage.get(details)
    return of.get(name) if isinstance(of, dict) else None


def _count(value: Any) -> int | None:
    """Return a count; a float without a fraction, as some relays write one, is one, too."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < 1 << 63 else None


def _error_code(error: Any) -> str | None:
    if not isinstance(error, dict):
        return None
    return _name(error.get("code")) or _name(error.get("type"))


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None
