"""One line of the request log, as far as the ledger reads it."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from cfp.core.traffic.requests import Outcome, Purpose, outcome, purpose
from cfp.proxy.telemetry.response_facts import TokenCounts

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d(?=T)")


class LoggedRequest(msgspec.Struct, kw_only=True):
    """The fields of `log_lines.LogLine` that are counted."""

    ts: str
    method: str = ""
    path: str = ""
    status: int | None = None
    duration_ms: float | None = None
    first_byte_ms: float | None = None
    first_output_ms: float | None = None
    upstream_ms: float | None = None
    eligible: bool = False
    session: str | None = None
    kind: str | None = None
    model: str | None = None
    service_tier_before: str | None = None
    service_tier_after: str | None = None
    response_service_tier: str | None = None
    json_error: str | None = None
    usage: TokenCounts | None = None
    error_type: str | None = None
    ending: str | None = None
    transport: str = "http"

    @property
    def day(self) -> str | None:
        """The UTC day on which the request arrived; None where the line has no time."""
        match = _DAY.match(self.ts)
        return None if match is None else match[0]

    @property
    def outcome(self) -> Outcome:
        return outcome({"ending": self.ending, "status": self.status, "error_type": self.error_type})

    @property
    def is_unanswered(self) -> bool:
        """Whether the provider sent no response; the lines of version 0.1.0 have neither its time nor an ending."""
        return self.upstream_ms is None and (self.ending is not None or self.error_type is not None)

    @property
    def is_counted(self) -> bool:
        """Whether it is a request to a model; one over a WebSocket that only warms the connection up is none."""
        if self.eligible:
            return True
        if self.transport == "websocket" and self.json_error is None:
            return False
        return purpose(msgspec.structs.asdict(self)) is Purpose.GENERATION


_decoder: Final = msgspec.json.Decoder(LoggedRequest)


def read_entry(line: bytes) -> LoggedRequest | None:
    """Return the entry of a line; None for a torn or foreign line, and for one that is not counted."""
    try:
        entry = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return entry if entry.is_counted and entry.day is not None else None
