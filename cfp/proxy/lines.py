"""Request records as JSON lines: the fields of the contract and no others. Runs in the log's thread."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from cfp.proxy.observe import RequestRecord, Usage

_MOST_TEXT: Final = 200  # characters of what a request or an upstream may spell at any length


class Line(msgspec.Struct, kw_only=True):
    """One request, as the log has it. Durations are milliseconds since the head arrived.

    upstream_ms     from when the request went out to when the answer's head came
    service_tier_*  before: as the client sent it; after: as it went out
    """

    ts: str
    request_id: str = ""
    method: str = ""
    path: str = ""
    status: int | None = None
    duration_ms: float | None = None
    first_byte_ms: float | None = None
    upstream_ms: float | None = None
    eligible: bool = False
    model: str | None = None
    service_tier_before: str | None = None
    service_tier_after: str | None = None
    service_tier_injected: bool = False
    service_tier_policy: str | None = None
    service_tier_effective_policy: str | None = None
    response_service_tier: str | None = None
    stream: bool | None = None
    json_error: str | None = None
    response_content_type: str | None = None
    usage: Usage | None = None
    error_type: str | None = None
    transport: str = "http"
    upstream_base: str | None = None
    settings_generation: str | None = None

    def to_json(self) -> dict[str, Any]:
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]  # a struct becomes a dict


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Line)


class Lines:
    """Makes the lines of one worker; `ids` makes its request numbers unique among workers."""

    def __init__(self, *, ids: str, policy: str, upstream_base: str, generation: str) -> None:
        self._ids = ids
        self._policy = policy
        self._upstream_base = upstream_base
        self._generation = generation
        self._second = (0, "")  # that of the last line, and how it is written

    def of(self, record: RequestRecord) -> Line:
        """Say of a request what may be said."""
        told = None if record.observer is None else record.observer.told()
        return Line(
            ts=self._time(record.at),
            request_id=f"{self._ids}{record.number:08x}",
            method=_text(record.method),
            path=_text(record.target.partition(b"?")[0]),
            status=record.status,
            duration_ms=_milliseconds(record.began, record.ended),
            first_byte_ms=_milliseconds(record.began, record.first_byte),
            upstream_ms=_milliseconds(record.sent, record.answered),
            eligible=record.eligible,
            model=_short(record.model),
            service_tier_before=_short(record.tier_before),
            service_tier_after=_short(record.tier_after),
            service_tier_injected=record.injected,
            service_tier_policy=self._policy,
            service_tier_effective_policy=record.effective_policy,
            response_service_tier=None if told is None else _short(told.service_tier),
            stream=record.stream,
            json_error=record.json_error,
            response_content_type=None if record.content_type is None else _text(record.content_type),
            usage=None if told is None else told.usage,
            error_type=record.error_type,
            transport=record.transport,
            upstream_base=self._upstream_base,
            settings_generation=self._generation,
        )

    def _time(self, at: float) -> str:
        """As datetime.isoformat has it; the lines of one second share most of it."""
        second, thousandths = divmod(int(at * 1000), 1000)
        if second != self._second[0]:
            self._second = (second, datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00"))
        return f"{self._second[1]}.{thousandths:03d}+00:00"


def encode(lines: Iterable[Line]) -> bytes:
    """Return them with a newline behind each."""
    return _encoder.encode_lines(lines)


def decode(text: bytes) -> list[Line]:
    """Read whole lines back; what is not one of ours is left out."""
    found = []
    for one in text.splitlines():
        try:
            found.append(_decoder.decode(one))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return found


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MOST_TEXT else text[:_MOST_TEXT]


def _text(value: bytes) -> str:
    return value[:_MOST_TEXT].decode("latin-1")


def _milliseconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round((end - start) * 1000, 3)
