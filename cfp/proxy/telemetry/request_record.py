"""Facts of a request and its response for the log, from an allow-list."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic, time

from cfp.proxy.http.messages import ResponseHead
from cfp.proxy.telemetry.stream_observer import StreamObserver


class RequestRecord:
    """The facts of one request while it runs; `log_lines` turns them into a line of the log.

    `refusal_key` is the name under which it is known whether the upstream refuses the tier; `session` is the id of
    Codex's thread. Times (`*_at`) are seconds of the monotonic clock, `wall_time` is when the head arrived by the
    wall clock. Not a dataclass: each request makes one, and most facts keep their default.
    """

    status: int | None = None
    sent_at: float | None = None
    response_at: float | None = None
    first_byte_at: float | None = None
    ended_at: float | None = None
    eligible: bool = False
    kind: str | None = None
    refusal_key: str | None = None
    model: str | None = None
    tier_before: str | None = None
    tier_after: str | None = None
    injected: bool = False
    rule: str | None = None
    on_budget: bool = False
    effective_policy: str | None = None
    stream: bool | None = None
    json_error: str | None = None
    content_type: bytes | None = None
    error_type: str | None = None
    transport: str = "http"
    observer: StreamObserver | None = None

    def __init__(self, number: int, method: bytes, target: bytes, session: str | None = None) -> None:
        self.number = number
        self.session = session
        self.method = method
        self.target = target
        self.wall_time = time()
        self.began_at = monotonic()

    def begin_response(self, head: ResponseHead) -> None:
        """Note the upstream's final head."""
        self.response_at = monotonic()
        self.status = head.status
        self.content_type = head.fields.get(b"content-type")
        if self.eligible:
            self.observer = StreamObserver.of(head, asked_for_stream=self.stream is True)

    def observe(self, pieces: Sequence[bytes]) -> None:
        """Note pieces of the body that have been written to the client."""
        if self.first_byte_at is None:
            self.first_byte_at = monotonic()
        if self.observer is not None:
            for piece in pieces:
                self.observer.feed(piece)

    @property
    def output_at(self) -> float | None:
        """When the first part of the output came; None without a stream that was observed."""
        return None if self.observer is None else self.observer.output_at
