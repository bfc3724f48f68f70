"""The purpose and outcome of a finished request, from its log line."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

Line = Mapping[str, Any]

# `error_type` of a request that was not admitted: a web page of another site or another user sent it, not Codex.
NOT_ADMITTED: Final = frozenset({"host_not_allowed", "origin_not_allowed", "peer_not_allowed"})
_HANDSHAKE_STATUSES: Final = frozenset({101, 426})


class Purpose(enum.StrEnum):
    GENERATION = "generation"  # a request to a model
    METADATA = "metadata"  # lists of models, probes, handshakes: their failures do not stop Codex (0.169)
    OTHER = "other"


class Ending(enum.StrEnum):
    """The ending of a model request, `ending` in the log, by its final event; whoever closed the connection first."""

    COMPLETED = "completed"
    INCOMPLETE = "incomplete"  # response.incomplete: the model stopped early
    FAILED = "failed"  # response.failed, an error event, a status of 400 or more, or no response of the API at all
    CUT = "cut"  # the provider ended it before its final event
    LEFT = "left"  # the client closed before its final event
    UNANSWERED = "unanswered"  # the provider sent no response


class Outcome(enum.StrEnum):
    OK = "ok"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    LEFT = "left"  # the client closed first: mostly a user who interrupted

    @property
    def went_through(self) -> bool:
        """Whether the provider ran the request."""
        return self in {Outcome.OK, Outcome.INCOMPLETE}


def purpose(line: Line) -> Purpose:
    """Return the purpose of a request."""
    if line.get("error_type") in NOT_ADMITTED:
        return Purpose.OTHER
    method, path = line.get("method"), str(line.get("path") or "")
    if line.get("transport") == "websocket":
        # A handshake runs no model. Where it fails, Codex falls back to HTTP (0.116 to 0.171), and that has a line.
        return Purpose.METADATA if line.get("status") in _HANDSHAKE_STATUSES else Purpose.GENERATION
    if line.get("eligible") or (method == "POST" and "/responses" in path):
        return Purpose.GENERATION
    return Purpose.METADATA if method in {"GET", "HEAD"} else Purpose.OTHER


def outcome(line: Line) -> Outcome:
    """Return the outcome of a request: by its ending, or by status and error where the log has none."""
    ending = line.get("ending")
    if ending in _OUTCOMES:
        return _OUTCOMES[ending]
    if line.get("error_type") == "client_left":
        return Outcome.LEFT
    status = line.get("status")
    fine = isinstance(status, int) and status < 400 and line.get("error_type") is None
    return Outcome.OK if fine else Outcome.FAILED


_OUTCOMES: Final[Mapping[Any, Outcome]] = {
    Ending.COMPLETED: Outcome.OK,
    Ending.INCOMPLETE: Outcome.INCOMPLETE,
    Ending.FAILED: Outcome.FAILED,
    Ending.CUT: Outcome.FAILED,
    Ending.UNANSWERED: Outcome.FAILED,
    Ending.LEFT: Outcome.LEFT,
}
