"""The times, counts and names of one request while its response streams; never its text. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cfp.codex.event_stream import EventStreamParser, json_object
from cfp.host.provider.response_content import service_tier


class Phase(enum.StrEnum):
    """The phases of a trial, as its user sees them."""

    STARTING = "starting"
    WAITING = "waiting for the provider"
    ANSWERED = "answered"
    WRITING = "writing"


class ErrorType(enum.StrEnum):
    """The reasons why a sample does not count; transport failures keep the name of their class (ConnectError …)."""

    TIMEOUT = "TimeoutExpired"
    HTTP = "HTTPError"
    NOT_EVENTS = "NotEventStream"
    FAILED = "ResponseFailed"
    INCOMPLETE = "ResponseIncomplete"
    CUT = "StreamCut"
    CODEX = "CodexFailed"


_ENDINGS: Final = {
    "response.failed": ErrorType.FAILED,
    "error": ErrorType.FAILED,
    "response.incomplete": ErrorType.INCOMPLETE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of the provider; None for a count that it does not send."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(slots=True, kw_only=True)
class TimedRequest:
    """One POST /responses under observation. Times are milliseconds since `began`, a monotonic clock's seconds.

    tier_requested  the service_tier of the request before the benchmark set its own
    tier_sent       the one that was sent
    """

    began: float
    tier_requested: str | None
    tier_sent: str | None
    report: Callable[[Phase], None]
    status: int | None = None
    content_type: str | None = None
    ttfb_ms: float | None = None
    first_event_ms: float | None = None
    first_output_ms: float | None = None
    total_ms: float | None = None
    output_chars: int = 0
    echoed: str | None = None
    usage: Usage = field(default_factory=Usage)
    error: str | None = None
    _completed: bool = False
    _ended: bool = False
    _parser: EventStreamParser = field(default_factory=EventStreamParser)

    @property
    def streams(self) -> bool:
        """Whether the response is a successful event stream: by its events, as in Codex, or else by its type."""
        kind = (self.content_type or "").partition(";")[0].strip().lower()
        return self._succeeds and (self.first_event_ms is not None or kind == "text/event-stream")

    @property
    def _succeeds(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def whole(self) -> bool:
        """Whether the body is complete."""
        return self._ended

    def answered(self, status: int, content_type: str | None, at: float) -> None:
        """Record the head of the response."""
        self.status, self.content_type, self.ttfb_ms = status, content_type, self._since(at)
        self.report(Phase.ANSWERED)

    def feed(self, piece: bytes, at: float) -> None:
        """Record a piece of the body."""
        if self._succeeds:
            for data in self._parser.feed(piece):
                event = json_object(data)
                if event is not None:
                    self._note(event, at)

    def ended(self, at: float) -> None:
        """Record the end of the body, and an error where the response is incomplete."""
        self._ended = True
        if self._completed:
            return
        self.total_ms = self._since(at)
        if self.status is not None and not self._succeeds:
            self.error = ErrorType.HTTP
        elif not self.streams:
            self.error = ErrorType.NOT_EVENTS
        else:
            self.error = self.error or ErrorType.CUT

    def failed(self, error: str, at: float) -> None:
        """Record that the transport failed; after response.completed that is no error."""
        if not self._completed:
            self.total_ms = self._since(at)
            self.error = self.error or error

    def _note(self, event: Mapping[str, Any], at: float) -> None:
        if self.first_event_ms is None:
            self.first_event_ms = self._since(at)
        self.echoed = service_tier(event) or self.echoed
        kind = event.get("type")
        if kind == "response.output_text.delta" and isinstance(event.get("delta"), str):
            self._wrote(len(event["delta"]), at)
        elif kind == "response.completed":
            # The turn is complete here, whatever the connection does afterwards.
            self._completed, self.error, self.total_ms = True, None, self._since(at)
            response = event.get("response")
            self.usage = _usage(response)
            if not self.output_chars:
                self._wrote(_text_length(response), at)
        elif kind in _ENDINGS:
            self.error = _ENDINGS[kind]

    def _wrote(self, chars: int, at: float) -> None:
        self.output_chars += chars
        if self.first_output_ms is None and chars:
            self.first_output_ms = self._since(at)
            self.report(Phase.WRITING)

    def _since(self, at: float) -> float:
        return (at - self.began) * 1000


def _usage(response: Any) -> Usage:
    usage = _member(response, "usage")
    return Usage(
        input_tokens=_count(_member(usage, "input_tokens")),
        cached_tokens=_count(_member(_member(usage, "input_tokens_details"), "cached_tokens")),
        output_tokens=_count(_member(usage, "output_tokens")),
        reasoning_tokens=_count(_member(_member(usage, "output_tokens_details"), "reasoning_tokens")),
    )


def _text_length(response: Any) -> int:
    """Return the length of all text of a whole response, for providers that send no deltas."""
    parts = (part for item in _list(_member(response, "output")) for part in _list(_member(item, "content")))
    return sum(len(text) for part in parts if isinstance(text := _member(part, "text"), str))


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
