"""A worker's health answer, parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cfp.core.served_settings import COMPARED, serves
from cfp.core.settings import Settings
from cfp.core.tiers.records import TierRecord, records_from_json
from cfp.core.traffic.trouble import Traffic, parse_traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHealth:
    """The answer to `GET /__codex_fast_proxy/health`; defaults stand for what a worker of 0.1.0 does not report.

    started             the process's start time, opaque
    codex_home          the home that it serves
    runtime_id          identity of the code that it runs
    upstream_websocket  served, not_served or untried
    requests_in_flight  None where it does not count them
    hands_over          it lends its listener to a next worker
    standing_by         it has lent its listener, and serves on if the borrower ends
    taking_over         the worker that lent it the listener stands by
    refused_models      models for which the provider refuses the tier
    tier_records        the evidence about the provider's tiers
    traffic             the newest requests to a model
    raw                 the JSON object itself
    """

    pid: int
    nonce: str = ""
    ok: bool = False
    started: str = ""
    host: str = ""
    port: int = 0
    codex_home: str = ""
    runtime_id: str = ""
    runtime: Mapping[str, Any] | None = None
    upstream_base: str = ""
    upstream_websocket: str = ""
    requests_in_flight: int | None = None
    draining: bool = False
    hands_over: bool = False
    standing_by: bool = False
    taking_over: bool = False
    refused_models: tuple[str, ...] = ()
    tier_records: tuple[TierRecord, ...] = ()
    traffic: Traffic = field(default_factory=Traffic)
    raw: Mapping[str, Any]

    def serves(self, settings: Settings) -> bool:
        """Whether it reports every compared setting with this value."""
        return serves(self.raw, settings.to_json())

    def differs_from(self, settings: Settings) -> bool:
        """Whether it reports a setting with another value; 0.1.0's worker does not report all of them."""
        saved = settings.to_json()
        return any(self.raw[name] != saved[name] for name in COMPARED if name in self.raw)


def parse_health(answer: Mapping[str, Any]) -> WorkerHealth | None:
    """Return the typed answer; a field of another type has its default. None for an object without a process id."""
    pid = answer.get("pid")
    if type(pid) is not int:
        return None
    runtime, count, port = answer.get("runtime"), answer.get("requests_in_flight"), answer.get("port")
    return WorkerHealth(
        pid=pid,
        nonce=_text(answer, "nonce"),
        ok=answer.get("ok") is True,
        started=_text(answer, "started"),
        host=_text(answer, "host"),
        port=port if type(port) is int else 0,
        codex_home=_text(answer, "codex_home"),
        runtime_id=_text(answer, "runtime_id"),
        runtime=runtime if isinstance(runtime, Mapping) else None,
        upstream_base=_text(answer, "upstream_base"),
        upstream_websocket=_text(answer, "upstream_websocket"),
        requests_in_flight=count if type(count) is int else None,
        draining=answer.get("draining") is True,
        hands_over=answer.get("hands_over") is True,
        standing_by=answer.get("standing_by") is True,
        taking_over=answer.get("taking_over") is True,
        refused_models=_texts(answer, "service_tier_refused_by"),
        tier_records=records_from_json(answer.get("service_tier_records")),
        traffic=parse_traffic(answer.get("last_requests")),
        raw=answer,
    )


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""


def _texts(answer: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = answer.get(name)
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()
