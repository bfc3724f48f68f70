"""What a finished request was for and how it ended, and what the last ones say about the route. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cfp.proxy.exchange.admission import Denial

Line = Mapping[str, Any]
_NOT_ADMITTED: Final = frozenset(refusal.value for refusal in Denial)


class Purpose(enum.StrEnum):
    GENERATION = "generation"  # a model was asked for something
    METADATA = "metadata"  # lists of models, probes: they fail and pass by themselves (Codex 0.169)
    OTHER = "other"


class Outcome(enum.StrEnum):
    OK = "ok"
    FAILED = "failed"
    LEFT = "left"  # the client went away first: mostly a user who interrupted


def purpose(line: Line) -> Purpose:
    """Say what a request was for."""
    if line.get("error_type") in _NOT_ADMITTED:
        return Purpose.OTHER
    method, path = line.get("method"), str(line.get("path") or "")
    if line.get("eligible") or line.get("transport") == "websocket" or (method == "POST" and "/responses" in path):
        return Purpose.GENERATION
    return Purpose.METADATA if method in {"GET", "HEAD"} else Purpose.OTHER


def outcome(line: Line) -> Outcome:
    """Say how it ended."""
    if line.get("error_type") == "client_left":
        return Outcome.LEFT
    status = line.get("status")
    fine = isinstance(status, int) and status < 400 and line.get("error_type") is None
    return Outcome.OK if fine else Outcome.FAILED


def shown(line: Line) -> dict[str, Any]:
    """One row for the page: the log's own fields, which are allow-listed there, and our two words about them."""
    return {**line, "kind": purpose(line), "outcome": outcome(line)}


def _error(*names: str) -> Callable[[Line], bool]:
    return lambda line: line.get("error_type") in names


def _status(low: int, high: int) -> Callable[[Line], bool]:
    return lambda line: isinstance(line.get("status"), int) and low <= line["status"] <= high


_NO_WAY: Final = ("upstream_unreachable", "ca_file_unreadable", "outbound_proxy_invalid")
_NO_ANSWER: Final = ("upstream_broke_off", "upstream_cut", "upstream_silent", "upstream_bad_response")

# fmt: off
_ROWS: Final[tuple[tuple[str, str, Callable[[Line], bool]], ...]] = (
    # code                               level        holds for the last request
    ("traffic.request_key_missing",       "risk",      _error("upstream_key_missing", "upstream_key_unusable")),
    ("traffic.provider_unreachable",      "risk",      _error(*_NO_WAY)),
    ("traffic.upstream_loops",            "risk",      _error("proxy_loop")),
    ("traffic.provider_broke_off",        "attention", _error(*_NO_ANSWER)),
    ("traffic.provider_limits",           "attention", lambda line: line.get("status") in {402, 429}),
    ("traffic.provider_key_refused",      "risk",      _status(401, 403)),
    ("traffic.provider_path_unknown",     "risk",      _status(404, 405)),
    ("traffic.provider_failing",          "attention", _status(500, 599)),
    ("traffic.provider_refused",          "attention", _status(400, 499)),
    ("traffic.request_failing",           "attention", lambda _: True),
)
# fmt: on


def trouble(lines: Sequence[Line]) -> tuple[str, str, Line] | None:
    """(code, level, line) of what stands in the way, where the newest generation failed; `lines` are oldest first."""
    for line in reversed(lines):
        if purpose(line) is not Purpose.GENERATION or outcome(line) is Outcome.LEFT:
            continue
        if outcome(line) is Outcome.OK:
            return None
        return next((code, level, line) for code, level, holds in _ROWS if holds(line))
    return None
