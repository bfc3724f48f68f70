"""The worker's health report: its identity, settings and load. It names the sources of keys, never a key."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import cfp
from cfp.core.served_settings import SERVED_SETTINGS
from cfp.core.traffic.trouble import traffic_of
from cfp.proxy.config import WorkerConfig
from cfp.proxy.credentials import Credentials
from cfp.proxy.telemetry.model_evidence import ModelEvidence
from cfp.proxy.telemetry.tier_memory import TierMemory
from cfp.proxy.telemetry.tier_statistics import TierStatistics
from cfp.proxy.upstream_capabilities import TierRefusals, WebSocketSupport

if TYPE_CHECKING:
    from cfp.proxy.telemetry.fast_budget import FastBudget


class ReportingWorker(Protocol):
    """The parts of a worker that the health report reads."""

    config: WorkerConfig
    credentials: Credentials
    tier_refusals: TierRefusals
    tier_memory: TierMemory
    websocket_support: WebSocketSupport
    tier_statistics: TierStatistics
    model_evidence: ModelEvidence
    draining: bool
    hands_over: bool
    standing_by: bool
    taking_over: bool
    self_contained: bool
    requests_in_flight: int
    requests_served: int

    def newest_lines(self) -> Iterator[dict[str, Any]]: ...

    @property
    def fast_budget(self) -> FastBudget | None: ...

    @property
    def away_at(self) -> float | None: ...

    @property
    def settings_generation(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def peer_check(self) -> str: ...


@cache
def identity() -> dict[str, Any]:
    """Return the facts that stay the same for the whole process; hashing our own sources takes some milliseconds."""
    from cfp.host.worker.code_id import package_path, runtime_id  # noqa: PLC0415  not needed to listen
    from cfp.host.worker.processes import started  # noqa: PLC0415  not needed to listen

    return {
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "version": cfp.__version__,
        "runtime_id": runtime_id(),
        "runtime": {
            "version": cfp.__version__,
            "python": sys.executable,
            "python_version": sys.version.split()[0],
            "package": package_path(),
        },
    }


def report(worker: ReportingWorker) -> dict[str, Any]:
    """Return the JSON of `GET /__codex_fast_proxy/health`."""
    config, credentials = worker.config, worker.credentials
    settings, saved = config.settings, config.settings.to_json()
    traffic = traffic_of(
        worker.newest_lines(), worker.settings_generation, credentials.key_changed_at(), worker.away_at
    )
    return {
        "ok": True,
        **identity(),
        "nonce": config.nonce,
        "codex_home": str(config.layout.home),
        **{setting.name: saved[setting.name] for setting in SERVED_SETTINGS},
        "port": worker.port,
        "service_tier_effective_policy": credentials.effective_policy().value,
        "fast_behavior": credentials.fast_behavior().value,
        "login_mode": credentials.login().value,
        "upstream_auth": settings.upstream_auth,
        "upstream_api_key_source": credentials.key_source,
        "upstream_api_key_available": credentials.key_available(),
        "requests_in_flight": worker.requests_in_flight,
        "requests_served": worker.requests_served,
        "last_requests": traffic.to_json(),
        "service_tier_refused_by": worker.tier_refusals.model_names(),
        "service_tier_records": [record.to_json() for record in worker.tier_memory.of_upstream()],
        "upstream_websocket": worker.websocket_support.status(monotonic()).value,
        "service_tier_evidence": worker.tier_statistics.report(settings.upstream_base),
        "model_evidence": worker.model_evidence.report(settings.upstream_base),
        "fast_budget": None if worker.fast_budget is None else worker.fast_budget.report(),
        "peer_check": worker.peer_check,
        "revivals": 0 if config.revival is None else config.revival.count,
        "draining": worker.draining,
        "hands_over": worker.hands_over,
        "standing_by": worker.standing_by,
        "taking_over": worker.taking_over,
        "self_contained": worker.self_contained,
    }
