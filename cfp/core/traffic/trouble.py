"""The state of a route by its newest requests: when one last went through, and the trouble since then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cfp.core.traffic.provider_codes import CREDIT, KEY, MODEL, RATE
from cfp.core.traffic.requests import Line, Outcome, Purpose, outcome, purpose

if TYPE_CHECKING:  # the worker reports this at each session's start, and needs no sentences
    from cfp.messages.diagnoses import TrafficCode

_FRESH: Final = timedelta(minutes=10)
_KEY: Final = frozenset({"request_key_missing", "provider_key_refused"})


def _error(*names: str) -> Callable[[Line], bool]:
    return lambda line: line.get("error_type") in names


def _status(low: int, high: int) -> Callable[[Line], bool]:
    return lambda line: isinstance(line.get("status"), int) and low <= line["status"] <= high


def _code(line: Line) -> str:
    """Return the provider's own code, of an answer or of an error event, whose status is that of the stream, 200."""
    return str(line.get("upstream_error_code")).lower()


def _is_page(line: Line) -> bool:
    return str(line.get("response_content_type")).lower().startswith("text/html")


_UNREACHABLE: Final = ("upstream_unreachable", "ca_file_unreadable", "outbound_proxy_invalid")
_INCOMPLETE: Final = ("upstream_broke_off", "upstream_cut", "upstream_silent", "upstream_bad_response")

# fmt: off
_ROWS: Final[tuple[tuple[TrafficCode, Callable[[Line], bool]], ...]] = (
    # code                      holds for the newest failed request
    ("request_key_missing",     _error("upstream_key_missing", "upstream_key_unusable")),
    ("provider_unreachable",    _error(*_UNREACHABLE)),
    ("upstream_loops",          _error("proxy_loop")),
    ("provider_redirects",      _error("upstream_redirect")),
    ("provider_broke_off",      _error(*_INCOMPLETE)),
    ("provider_limits",         lambda line: line.get("status") in {402, 429} or _code(line) in CREDIT | RATE),
    ("provider_path_unknown",   lambda line: _status(404, 405)(line) or _code(line) in MODEL),
    ("provider_answers_otherwise", lambda line: _status(401, 403)(line) and _is_page(line)),
    ("provider_key_refused",    lambda line: _status(401, 403)(line) or _code(line) in KEY),
    ("provider_failing",        _status(500, 599)),
    ("provider_refused",        _status(400, 499)),
    ("provider_answers_otherwise", _error("upstream_not_sse")),
    ("response_failed",         lambda line: line.get("ending") == "failed"),
    ("request_failing",         lambda _: True),
)
# fmt: on

_CODES: Final = frozenset(code for code, _ in _ROWS)
# Each request fails until somebody mends the cause; the causes of the other codes may pass by themselves.
_LASTING: Final = frozenset(
    {"request_key_missing", "upstream_loops", "provider_redirects", "provider_key_refused", "provider_path_unknown"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """The failure of the newest requests to a model.

    at      when the newest of them came, as in the log
    in_row  the number of requests that failed since one went through, of those that are remembered
    """

    code: TrafficCode
    at: str
    status: int | None = None
    error_type: str | None = None
    error_code: str | None = None
    in_row: int = 1

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "at": self.at,
            "status": self.status,
            "error_type": self.error_type,
            "error_code": self.error_code,
            "in_row": self.in_row,
        }

    def is_risk(self, now: datetime) -> bool:
        """Whether the next request fails, too: not where the cause may pass by itself and the last try is old."""
        if self.code in _LASTING:
            return True
        moment = _moment(self.at)
        return self.code == "provider_unreachable" and moment is not None and now - moment < _FRESH

    def details(self, now: datetime) -> dict[str, Any]:
        """Return the values of the message's placeholders."""
        return {
            "status": self.status if self.status is None or self.status >= 400 else self.error_code,
            "error_type": self.error_type,
            "error_code": self.error_code or "no code",
            "when": when(self.at, now),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The newest requests to a model with the present settings.

    last_success  when the newest one that went through came, as in the log; None where none is remembered
    trouble       None where the newest one went through, and where there was none
    """

    last_success: str | None = None
    trouble: Trouble | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "last_success": self.last_success,
            "trouble": None if self.trouble is None else self.trouble.to_json(),
        }


def traffic_of(
    newest_first: Iterable[Line], settings_generation: str, key_changed_at: float = 0.0, away_at: float | None = None
) -> Traffic:
    """Return the state of the route by the worker's log lines; those of other settings do not count.

    away_at         seconds since the epoch: the provider cannot be reached, and requests wait for it

    key_changed_at  seconds since the epoch: a key that is newer than the request has not been refused or missed
    """
    newest: Line | None = None
    in_row = 0
    last_success = None
    for line in newest_first:
        if line.get("settings_generation") != settings_generation or purpose(line) is not Purpose.GENERATION:
            continue
        result = outcome(line)
        if result.went_through:
            last_success = str(line.get("ts"))
            break
        if result is Outcome.FAILED:
            newest = newest or line
            in_row += 1
    trouble = _trouble(newest, in_row, key_changed_at)
    if away_at is not None:
        at = datetime.fromtimestamp(away_at, UTC).isoformat(timespec="milliseconds")
        trouble = Trouble(code="provider_unreachable", at=at, error_type="upstream_unreachable", in_row=in_row + 1)
    return Traffic(last_success=last_success, trouble=trouble)


def _trouble(line: Line | None, in_row: int, key_changed_at: float) -> Trouble | None:
    if line is None:
        return None
    code = next(code for code, holds in _ROWS if holds(line))
    at = str(line.get("ts"))
    moment = _moment(at)
    if code in _KEY and moment is not None and moment.timestamp() < key_changed_at:
        return None
    return Trouble(
        code=code,
        at=at,
        status=line.get("status"),
        error_type=line.get("error_type"),
        error_code=line.get("upstream_error_code"),
        in_row=in_row,
    )


def parse_traffic(answer: object) -> Traffic:
    """Return the state that a worker's health answer has; an empty one for an older worker's answer."""
    if not isinstance(answer, Mapping):
        return Traffic()
    last, trouble = answer.get("last_success"), answer.get("trouble")
    return Traffic(last_success=last if isinstance(last, str) else None, trouble=_parse_trouble(trouble))


def _parse_trouble(answer: object) -> Trouble | None:
    if not isinstance(answer, Mapping) or answer.get("code") not in _CODES:
        return None
    status, error_type, in_row = answer.get("status"), answer.get("error_type"), answer.get("in_row")
    error_code = answer.get("error_code")
    return Trouble(
        code=answer["code"],
        at=str(answer.get("at")),
        status=status if type(status) is int else None,
        error_type=error_type if isinstance(error_type, str) else None,
        error_code=error_code if isinstance(error_code, str) else None,
        in_row=in_row if type(in_row) is int else 1,
    )


def when(at: str, now: datetime) -> str:
    """Return a log line's time in words, to the minute, with its day where that is not the day of `now`."""
    moment = _moment(at)
    if moment is None:
        return "at an unknown time"
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    day = "" if moment.date() == now.date() else f"on {moment:%Y-%m-%d} "
    return f"{day}at {moment:%H:%M} UTC"


def _moment(at: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment
