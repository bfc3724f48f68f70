"""The purpose and outcome of finished requests, and the trouble that the newest ones point to. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cfp.messages.traffic import TrafficCode
from cfp.proxy.exchange.admission import Denial

Line = Mapping[str, Any]
_NOT_ADMITTED: Final = frozenset(denial.value for denial in Denial)


class Purpose(enum.StrEnum):
    GENERATION = "generation"  # a request to a model
    METADATA = "metadata"  # lists of models, probes: their failures do not stop Codex (0.169)
    OTHER = "other"


class Outcome(enum.StrEnum):
    OK = "ok"
    FAILED = "failed"
    LEFT = "left"  # the client closed first: mostly a user who interrupted


def purpose(line: Line) -> Purpose:
    """Return the purpose of a request."""
    if line.get("error_type") in _NOT_ADMITTED:
        return Purpose.OTHER
    method, path = line.get("method"), str(line.get("path") or "")
    if line.get("eligible") or line.get("transport") == "websocket" or (method == "POST" and "/responses" in path):
        return Purpose.GENERATION
    return Purpose.METADATA if method in {"GET", "HEAD"} else Purpose.OTHER


def outcome(line: Line) -> Outcome:
    """Return the outcome of a request."""
    if line.get("error_type") == "client_left":
        return Outcome.LEFT
    status = line.get("status")
    fine = isinstance(status, int) and status < 400 and line.get("error_type") is None
    return Outcome.OK if fine else Outcome.FAILED


def request_row(line: Line) -> dict[str, Any]:
    """Return a row for the page: the log line, whose fields are on the log's allow-list, with purpose and outcome."""
    return {**line, "kind": purpose(line), "outcome": outcome(line)}


def _error(*names: str) -> Callable[[Line], bool]:
    return lambda line: line.get("error_type") in names


def _status(low: int, high: int) -> Callable[[Line], bool]:
    return lambda line: isinstance(line.get("status"), int) and low <= line["status"] <= high


_UNREACHABLE: Final = ("upstream_unreachable", "ca_file_unreadable", "outbound_proxy_invalid")
_INCOMPLETE: Final = ("upstream_broke_off", "upstream_cut", "upstream_silent", "upstream_bad_response")

# fmt: off
_ROWS: Final[tuple[tuple[TrafficCode, str, Callable[[Line], bool]], ...]] = (
    # code                       level        holds for the last request
    ("request_key_missing",       "risk",      _error("upstream_key_missing", "upstream_key_unusable")),
    ("provider_unreachable",      "risk",      _error(*_UNREACHABLE)),
    ("upstream_loops",            "risk",      _error("proxy_loop")),
    ("provider_redirects",        "risk",      _error("upstream_redirect")),
    ("provider_broke_off",        "attention", _error(*_INCOMPLETE)),
    ("provider_limits",           "attention", lambda line: line.get("status") in {402, 429}),
    ("provider_key_refused",      "risk",      _status(401, 403)),
    ("provider_path_unknown",     "risk",      _status(404, 405)),
    ("provider_failing",          "attention", _status(500, 599)),
    ("provider_refused",          "attention", _status(400, 499)),
    ("request_failing",           "attention", lambda _: True),
)
# fmt: on


def trouble(lines: Sequence[Line]) -> tuple[TrafficCode, str, Line] | None:
    """Return (code, level, line) where the newest generation failed, else None; `lines` are in order of time."""
    for line in reversed(lines):
        if purpose(line) is not Purpose.GENERATION or outcome(line) is Outcome.LEFT:
            continue
        if outcome(line) is Outcome.OK:
            return None
        return next((code, level, line) for code, level, holds in _ROWS if holds(line))
    return None
