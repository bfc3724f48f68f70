"""Request records as JSON lines: the fields of the contract and no others. Runs on the event loop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.telemetry.response_facts import Usage, read_facts

_MOST_TEXT: Final = 200  # characters of what a request or an upstream may spell at any length
_MOST_ALIKE: Final = 32  # kinds of requests that are remembered, each by texts of this many bytes at the most
_SHORT_KEY: Final = 1000


class LogLine(msgspec.Struct, kw_only=True):
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
_decoder: Final = msgspec.json.Decoder(LogLine)


class LogLineBuilder:
    """Makes the lines of one worker; `ids` makes its request numbers unique among workers.

    Requests of one turn differ in number, times and usage alone: the rest of a line is made once for all of them.
    """

    def __init__(self, *, id_prefix: str, policy: str, upstream_base: str, settings_generation: str) -> None:
        self._id_prefix = id_prefix
        self._policy = policy
        self._upstream_base = upstream_base
        self._generation = settings_generation
        self._second = (0, "")  # that of the last line, and how it is written
        self._moment = (0, "")  # the same of its millisecond
        self._alike: dict[tuple[object, ...], LogLine] = {}

    def build(self, record: RequestRecord) -> LogLine:
        """Say of a request what may be said."""
        found = None if record.observer is None else read_facts(record.observer)
        echoed, usage = (None, None) if found is None else (found.service_tier, found.usage)
        return replace(
            self._like(record, echoed),
            ts=self._time(record.wall_time),
            request_id=f"{self._id_prefix}{record.number:08x}",
            duration_ms=_milliseconds(record.began_at, record.ended_at),
            first_byte_ms=_milliseconds(record.began_at, record.first_byte_at),
            upstream_ms=_milliseconds(record.sent_at, record.response_at),
            usage=usage,
        )

    def _like(self, record: RequestRecord, echoed: str | None) -> LogLine:
        """Return a line without what differs between requests of one kind."""
        key = (
            record.method,
            record.target,
            record.status,
            record.eligible,
            record.model,
            record.tier_before,
            record.tier_after,
            record.injected,
            record.effective_policy,
            record.stream,
            record.json_error,
            record.content_type,
            record.error_type,
            record.transport,
            echoed,
        )
        known = self._alike.get(key)
        if known is None:
            known = self._describe(record, echoed)
            if sum(len(part) for part in key if isinstance(part, (bytes, str))) <= _SHORT_KEY:
                if len(self._alike) == _MOST_ALIKE:
                    self._alike.clear()
                self._alike[key] = known
        return known

    def _describe(self, record: RequestRecord, echoed: str | None) -> LogLine:
        return LogLine(
            ts="",
            method=_text(record.method),
            path=_text(record.target.partition(b"?")[0]),
            status=record.status,
            eligible=record.eligible,
            model=_short(record.model),
            service_tier_before=_short(record.tier_before),
            service_tier_after=_short(record.tier_after),
            service_tier_injected=record.injected,
            service_tier_policy=self._policy,
            service_tier_effective_policy=record.effective_policy,
            response_service_tier=_short(echoed),
            stream=record.stream,
            json_error=record.json_error,
            response_content_type=None if record.content_type is None else _text(record.content_type),
            error_type=record.error_type,
            transport=record.transport,
            upstream_base=self._upstream_base,
            settings_generation=self._generation,
        )

    def _time(self, at: float) -> str:
        """As datetime.isoformat has it; the lines of one second share most of it, and those of a millisecond all."""
        moment = int(at * 1000)
        if moment != self._moment[0]:
            second, thousandths = divmod(moment, 1000)
            if second != self._second[0]:
                self._second = (second, datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00"))
            self._moment = (moment, f"{self._second[1]}.{thousandths:03d}+00:00")
        return self._moment[1]


def encode(lines: Iterable[LogLine]) -> bytes:
    """Return them with a newline behind each."""
    return _encoder.encode_lines(lines)


def decode(text: bytes) -> list[LogLine]:
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
    """From one to the other, to the microsecond; `round` takes four times as long."""
    return None if start is None or end is None else int((end - start) * 1e6 + 0.5) / 1000
