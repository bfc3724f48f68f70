"""Request records as JSON lines with the fields of the contract and no others. Runs on the event loop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from cfp.core.traffic.requests import Outcome, outcome
from cfp.proxy.telemetry.endings import Judgement, judge
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.telemetry.response_facts import ResponseFacts, TokenCounts, read_facts

_MAX_TEXT: Final = 200  # characters of a text whose length a request or an upstream chooses
_LONG_LINE: Final = 2000  # bytes; a usual line has 900
_MAX_TEMPLATES: Final = 32
_MAX_KEY: Final = 1000  # bytes of text in the key of a cached template
_NOTHING: Final = ResponseFacts(None, None)


class LogLine(msgspec.Struct, kw_only=True):
    """One line of the request log. Durations are milliseconds since the head arrived.

    first_output_ms  to the first event of a stream with a part of the output
    upstream_ms     from sending the request to the response's head
    kind            of a model request; see `core.traffic.kinds.Kind`
    service_tier_*  before: as the client sent it; after: as the worker sent it; rule: the user's one that decided, or
                    "policy"
    ending          of a model request, by its final event; see `core.traffic.requests.Ending`
    upstream_error_code  the provider's own code of an error in the response
    session         the id of Codex's thread, as `codex resume` takes it
    response_model  the model that the response names, which may be another one than `model`
    """

    ts: str
    request_id: str = ""
    method: str = ""
    path: str = ""
    status: int | None = None
    duration_ms: float | None = None
    first_byte_ms: float | None = None
    first_output_ms: float | None = None
    upstream_ms: float | None = None
    eligible: bool = False
    kind: str | None = None
    session: str | None = None
    model: str | None = None
    response_model: str | None = None
    service_tier_before: str | None = None
    service_tier_after: str | None = None
    service_tier_injected: bool = False
    service_tier_rule: str | None = None
    service_tier_policy: str | None = None
    service_tier_effective_policy: str | None = None
    response_service_tier: str | None = None
    stream: bool | None = None
    json_error: str | None = None
    response_content_type: str | None = None
    usage: TokenCounts | None = None
    error_type: str | None = None
    ending: str | None = None
    upstream_error_code: str | None = None
    transport: str = "http"
    upstream_base: str | None = None
    settings_generation: str | None = None

    @property
    def outcome(self) -> Outcome:
        return outcome({"ending": self.ending, "status": self.status, "error_type": self.error_type})

    def to_json(self) -> dict[str, Any]:
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]  # to_builtins turns a struct into a dict


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(LogLine)


class LogLineBuilder:
    """Builds the lines of one worker; `id_prefix` makes its request numbers unique among workers.

    The requests of one turn differ only in number, times and usage: the rest of their lines is built once and cached
    as a template.
    """

    def __init__(self, *, id_prefix: str, policy: str, upstream_base: str, settings_generation: str) -> None:
        self._id_prefix = id_prefix
        self._policy = policy
        self._upstream_base = upstream_base
        self._generation = settings_generation
        self._second = (0, "")  # the last line's second, and its text
        self._millisecond = (0, "")  # the same for its millisecond
        self._templates: dict[tuple[object, ...], LogLine] = {}

    def build(self, record: RequestRecord) -> LogLine:
        """Return the line of a finished request."""
        facts = None if record.observer is None else read_facts(record.observer)
        return replace(
            self._template(record, facts, judge(record, facts)),
            ts=self._time(record.wall_time),
            request_id=f"{self._id_prefix}{record.number:08x}",
            duration_ms=_milliseconds(record.began_at, record.ended_at),
            first_byte_ms=_milliseconds(record.began_at, record.first_byte_at),
            first_output_ms=_milliseconds(record.began_at, record.output_at),
            upstream_ms=_milliseconds(record.sent_at, record.response_at),
            session=record.session,
            usage=None if facts is None else facts.usage,
        )

    def _template(self, record: RequestRecord, facts: ResponseFacts | None, judgement: Judgement) -> LogLine:
        """Return a line without the fields that differ between requests of one turn."""
        answer = _NOTHING if facts is None else facts
        key = (
            record.method,
            record.target,
            record.status,
            record.eligible,
            record.kind,
            record.model,
            record.tier_before,
            record.tier_after,
            record.injected,
            record.rule,
            record.effective_policy,
            record.stream,
            record.json_error,
            record.content_type,
            *judgement,
            record.transport,
            answer.service_tier,
            answer.error_code,
            answer.model,
        )
        template = self._templates.get(key)
        if template is None:
            template = self._build_template(record, answer, judgement)
            if sum(len(part) for part in key if isinstance(part, (bytes, str))) <= _MAX_KEY:
                if len(self._templates) == _MAX_TEMPLATES:
                    self._templates.clear()
                self._templates[key] = template
        return template

    def _build_template(self, record: RequestRecord, answer: ResponseFacts, judgement: Judgement) -> LogLine:
        return LogLine(
            ts="",
            method=_text(record.method),
            path=_text(record.target.partition(b"?")[0]),
            status=record.status,
            eligible=record.eligible,
            kind=record.kind,
            model=_short(record.model),
            response_model=_short(answer.model),
            service_tier_before=_short(record.tier_before),
            service_tier_after=_short(record.tier_after),
            service_tier_injected=record.injected,
            service_tier_rule=record.rule,
            service_tier_policy=self._policy,
            service_tier_effective_policy=record.effective_policy,
            response_service_tier=_short(answer.service_tier),
            stream=record.stream,
            json_error=record.json_error,
            response_content_type=None if record.content_type is None else _text(record.content_type),
            error_type=judgement.error_type,
            ending=judgement.ending,
            upstream_error_code=answer.error_code,
            transport=record.transport,
            upstream_base=self._upstream_base,
            settings_generation=self._generation,
        )

    def _time(self, wall_time: float) -> str:
        """Return the time in the format of datetime.isoformat; lines of one second or millisecond share the text."""
        millisecond = int(wall_time * 1000)
        if millisecond != self._millisecond[0]:
            second, thousandths = divmod(millisecond, 1000)
            if second != self._second[0]:
                self._second = (second, datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00"))
            self._millisecond = (millisecond, f"{self._second[1]}.{thousandths:03d}+00:00")
        return self._millisecond[1]


def encode(lines: Iterable[LogLine]) -> bytes:
    """Return the lines as JSON, each with a newline behind it."""
    return _encoder.encode_lines(lines)


def decode(text: bytes) -> list[LogLine]:
    """Parse whole lines; lines that are not ours are left out, and texts that no worker writes so long are cut."""
    lines = []
    for line in text.splitlines():
        try:
            decoded = _decoder.decode(line)
            lines.append(decoded if len(line) <= _LONG_LINE else _shortened(decoded))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return lines


def _shortened(line: LogLine) -> LogLine:
    texts = {name: value for name in line.__struct_fields__ if isinstance(value := getattr(line, name), str)}
    return replace(line, **{name: _short(text) for name, text in texts.items()})


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MAX_TEXT else text[:_MAX_TEXT]


def _text(value: bytes) -> str:
    return value[:_MAX_TEXT].decode("latin-1")


def _milliseconds(start: float | None, end: float | None) -> float | None:
    """Return the milliseconds between two times, to the microsecond; `round` takes four times as long."""
    return None if start is None or end is None else int((end - start) * 1e6 + 0.5) / 1000
