"""The turns of one WebSocket tunnel: each is one `response.create` until the event that ends it, with a log line."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import Final, NamedTuple

from cfp.proxy.exchange.interfaces import WorkerServices
from cfp.proxy.exchange.request_plan import session_of
from cfp.proxy.exchange.tier_refusal import may_refuse_tier, names_tier
from cfp.proxy.http.messages import Piece, RequestHead
from cfp.proxy.http.websocket_frames import Frame, FrameEvent, MessageAssembler
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.telemetry.response_facts import ends_turn, read_kind
from cfp.proxy.telemetry.stream_observer import StreamObserver

LARGEST_MESSAGE: Final = 4 * 1024 * 1024  # of the upstream's messages that are read


class Turn(NamedTuple):
    """A turn that has not ended.

    original  the frame as the client wrote it, where the tier in it is ours
    repeated  it was sent again without our tier
    """

    record: RequestRecord
    original: bytes | None
    repeated: bool = False


class Turns:
    """The turns that have not ended, in their order; false while there is none."""

    def __init__(self, services: WorkerServices, head: RequestHead) -> None:
        self._services = services
        self._target = head.target
        self._markers = head.fields
        self._session = session_of(head.fields)
        self._turns: deque[Turn] = deque()
        self._messages = MessageAssembler(LARGEST_MESSAGE)
        self._abandoned = False

    def __bool__(self) -> bool:
        return bool(self._turns)

    @property
    def awaits_verdict(self) -> bool:
        """Whether the next message may be the upstream's refusal of our tier."""
        turns = self._turns
        return len(turns) == 1 and turns[0].original is not None and turns[0].record.first_byte_at is None

    def take_text(self, frame: Frame) -> list[Piece]:
        """Return a client's text frame for the upstream; a `response.create` begins a turn, and may get the tier."""
        if self._abandoned:
            return [frame.raw]
        message = self._services.tier_injection.inject_into_message(frame, self._markers, self._new_record)
        if message is None:
            return [frame.raw]
        self._begin(message.record, frame.raw if message.record.injected else None)
        return message.parts

    def take_refusal(self, event: FrameEvent) -> bytes | None:
        """Return the turn's frame as the client wrote it where the upstream may refuse our tier with this frame.

        An error without a status must name the tier.
        """
        if not (self.awaits_verdict and isinstance(event, Frame) and event.is_text):
            return None
        text = event.payload()
        kind = read_kind(text)
        accepted = self._turns[0].record.refusal_key in self._services.tier_refusals.accepted
        if kind.status is None:
            refuses = names_tier(text, b"identity")
        else:
            refuses = may_refuse_tier(kind.status, text, b"identity", accepted=accepted)
        if kind.type != "error" or not refuses:
            return None
        turn = self._turns.popleft()
        turn.record.injected, turn.record.tier_after = False, None
        self._turns.append(turn._replace(original=None, repeated=True))
        return turn.original

    def observe(self, event: FrameEvent) -> bool:
        """Record the upstream's message, and end the turn that it ends; return whether that was the last one."""
        text = self._messages.add(event)
        if text is None:
            return False
        kind = read_kind(text)
        if not self._turns:
            if kind.type != "response.created":
                return False
            # Its `response.create` came in fragments, or was too large to be inspected.
            record = self._new_record()
            record.transport, record.json_error = "websocket", "not_looked_into"
            self._begin(record, None)
        record = self._turns[0].record
        if record.first_byte_at is None:
            record.first_byte_at = record.response_at = monotonic()
            self._learn(kind.type)
        if record.observer is not None:
            record.observer.feed(b"data: " + text + b"\n")
        if not ends_turn(kind.type):
            return False
        record.status = kind.status or (400 if kind.type == "error" else 200)
        self._end("upstream_error" if kind.type == "error" else None)
        return not self._turns

    def _learn(self, event_type: str) -> None:
        """Note by the first event of a turn, or of its repeat, whether the upstream accepts our tier."""
        turn = self._turns[0]
        if event_type in {"error", "response.failed"}:
            return
        if turn.repeated:
            self._services.tier_refusals.add(turn.record.refusal_key)
        elif turn.record.injected:
            self._services.tier_refusals.accept(turn.record.refusal_key)

    def abandon(self) -> None:
        """End all turns, and begin none from now on: the upstream's frames cannot be told apart any more."""
        self._abandoned = True
        self.end_all("upstream_bad_response")

    def end_all(self, error_type: str | None) -> None:
        """End the turns of a tunnel that ends."""
        while self._turns:
            self._end(error_type)

    def _new_record(self) -> RequestRecord:
        return self._services.new_record(b"GET", self._target, self._session)

    def _begin(self, record: RequestRecord, original: bytes | None) -> None:
        record.sent_at = monotonic()
        record.observer = StreamObserver(sse=True)
        self._turns.append(Turn(record, original))
        self._services.request_started()

    def _end(self, error_type: str | None) -> None:
        record = self._turns.popleft().record
        record.error_type = error_type
        self._services.request_ended()
        self._services.log(record)
