"""Request records as JSON lines: the fields of the contract and no others. Runs in the log's thread."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from cfp.proxy.observe import RequestRecord

_encoder: Final = msgspec.json.Encoder()


class Lines:
    """Encodes the records of one worker; `ids` makes its request numbers unique among workers."""

    def __init__(self, *, ids: str, policy: str, generation: str) -> None:
        self._ids = ids
        self._policy = policy
        self._generation = generation

    def encode(self, records: Iterable[RequestRecord]) -> bytes:
        """One line each, with a newline behind every one."""
        return _encoder.encode_lines([self.fields(record) for record in records])

    def fields(self, record: RequestRecord) -> dict[str, Any]:
        """Durations are milliseconds since the head arrived, `upstream_ms` since the request went out."""
        told = None if record.observer is None else record.observer.told()
        return {
            "ts": datetime.fromtimestamp(record.at, UTC).isoformat(timespec="milliseconds"),
            "request_id": f"{self._ids}{record.number:08x}",
            "method": record.method.decode("latin-1"),
            "path": record.target.partition(b"?")[0].decode("latin-1"),
            "status": record.status,
            "duration_ms": _milliseconds(record.began, record.ended),
            "first_byte_ms": _milliseconds(record.began, record.first_byte),
            "upstream_ms": _milliseconds(record.sent, record.answered),
            "eligible": record.eligible,
            "service_tier_before": record.tier_before,
            "service_tier_after": record.tier_after,
            "service_tier_injected": record.injected,
            "service_tier_policy": self._policy,
            "service_tier_effective_policy": record.effective_policy,
            "response_service_tier": None if told is None else told.service_tier,
            "stream": record.stream,
            "json_error": record.json_error,
            "response_content_type": None if record.content_type is None else record.content_type.decode("latin-1"),
            "usage": None if told is None else told.usage,
            "error_type": record.error_type,
            "transport": "http",
            "settings_generation": self._generation,
        }


def _milliseconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round((end - start) * 1000, 3)
