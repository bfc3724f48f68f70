"""The ending of a finished request: one judgement for HTTP and WebSocket, whoever closed the connection first."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cfp.core.traffic.requests import Ending
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.telemetry.response_facts import ResponseFacts
from cfp.proxy.telemetry.stream_observer import StreamObserver

_DATA: Final = re.compile(rb"(?:^|[\r\n])data:")


class Judgement(NamedTuple):
    """The ending and the error of a log line; no ending where the request is not one to a model, or nobody knows."""

    ending: str | None
    error_type: str | None


def judge(record: RequestRecord, facts: ResponseFacts | None) -> Judgement:
    """Return the ending by the final event; without one, by who ended the response and what came before."""
    error_type, observer = record.error_type, record.observer
    if not (record.eligible or observer is not None):
        return Judgement(None, error_type)
    refused = record.status is not None and record.status >= 400
    if facts is not None and facts.ending is not None and not refused:
        return _by_final_event(record, facts.ending)
    if error_type == "client_left":
        return Judgement(Ending.LEFT, error_type)
    if record.response_at is None:
        return Judgement(Ending.UNANSWERED, error_type)
    if refused:
        return Judgement(Ending.FAILED, error_type)
    if error_type is not None:
        return Judgement(Ending.CUT, error_type)
    return _without_final_event(record, observer, facts)


def _by_final_event(record: RequestRecord, ending: Ending) -> Judgement:
    if ending is Ending.FAILED:
        return Judgement(ending, "upstream_error")
    if record.stream and record.observer is not None and not record.observer.is_event:
        return Judgement(Ending.FAILED, "upstream_not_sse")  # Codex asked for a stream, and reads nothing else
    return Judgement(ending, None)


def _without_final_event(
    record: RequestRecord, observer: StreamObserver | None, facts: ResponseFacts | None
) -> Judgement:
    if observer is None or observer.is_opaque:
        return Judgement(None, None)
    if observer.is_event:
        began = facts is not None or _DATA.search(observer.tail)
        return Judgement(Ending.CUT, "upstream_cut") if began else Judgement(Ending.FAILED, "upstream_not_sse")
    return Judgement(Ending.FAILED, "upstream_not_sse") if record.stream else Judgement(None, None)
