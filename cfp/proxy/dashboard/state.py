"""The dashboard's state, without single requests, as one JSON value. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cfp.advice import at_home, commands_in
from cfp.core.health import parse_health
from cfp.core.settings import Settings
from cfp.core.traffic.models import is_same_model
from cfp.core.traffic.requests import Line, outcome, purpose
from cfp.proxy.dashboard.snapshot import Snapshot

if TYPE_CHECKING:
    from cfp.core.facts import Facts


def state(
    settings: Settings,
    health: Mapping[str, Any],
    snapshot: Snapshot,
    *,
    home_flag: str = "",
    tier_statistics: Sequence[Mapping[str, Any]] = (),
    now: datetime | None = None,
) -> dict[str, Any]:
    """Return the page's state.

    home_flag        the flag that a command needs to act on this Codex home: "", or " --codex-home DIR"
    tier_statistics  request counts by model and tier at this upstream, newest first
    now              the time by which the age of the last request is counted; None for the present
    """
    return {
        "worker": {name: health.get(name) for name in _WORKER},
        "verdict": verdict(snapshot.facts, health, home_flag, now or datetime.now(UTC)),
        "route": {**_route(settings, health), "upstream": _upstream_name(settings, snapshot.facts)},
        "fast": {
            **_fast(settings, health, tier_statistics),
            "in_effect": in_effect(snapshot.facts, health),
            "verdicts": verdicts(snapshot.facts, settings, health),
        },
        "models": health.get("model_evidence") or [],
        "benchmark": snapshot.benchmark,
        "benchmark_runs": list(snapshot.benchmark_runs),
        "journal": {"interrupted": list(snapshot.interrupted), "transactions": list(snapshot.transactions)},
        "home_flag": home_flag,
    }


_WORKER: Final = ("pid", "version", "requests_in_flight", "requests_served", "draining", "peer_check")


def verdict(facts: Facts | None, health: Mapping[str, Any], home_flag: str, now: datetime) -> dict[str, Any]:
    """Return the diagnosis of `status` with the worker's newest requests; empty before the first snapshot."""
    if facts is None:
        return {"code": None, "level": None, "sentence": "", "action": "", "commands": [], "last_success": None}
    from cfp.core.diagnosis import diagnose  # noqa: PLC0415  the thread of the snapshot has imported it

    diagnosis = diagnose(replace(_with_health(facts, health), now=now))
    action = at_home(diagnosis.next_user_action, home_flag)
    return {
        "code": diagnosis.code,
        "level": diagnosis.level,
        "sentence": diagnosis.message.sentence,
        "action": action,
        "commands": commands_in(action),
        "last_success": diagnosis.last_success,
    }


def in_effect(facts: Facts | None, health: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the line of `status` about Fast; None before the first snapshot, and where Codex goes another way."""
    if facts is None or facts.settings is None:
        return None
    from cfp.core.fast.in_effect import fast_in_effect  # noqa: PLC0415  as above: the thread of the snapshot
    from cfp.core.state import uses_proxy  # noqa: PLC0415  the same

    return fast_in_effect(_with_health(facts, health), facts.settings).to_json() if uses_proxy(facts) else None


def verdicts(facts: Facts | None, settings: Settings, health: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the verdicts of `status` on the provider's tiers; none before the first snapshot."""
    if facts is None:
        return []
    from cfp.core.fast.verdicts import tier_verdicts  # noqa: PLC0415  as above: the thread of the snapshot

    return [one.to_json() for one in tier_verdicts(_with_health(facts, health), settings)]


def _with_health(facts: Facts, health: Mapping[str, Any]) -> Facts:
    """Return the facts with what the worker reports now."""
    if facts.worker is None:
        return facts
    return replace(facts, worker=replace(facts.worker, health=parse_health(health)))


def request_row(line: Line) -> dict[str, Any]:
    """Return a row for the page: the log line, which has the fields of its allow-list, and what follows from it."""
    same = is_same_model(line.get("model"), line.get("response_model"))
    return {**line, "purpose": purpose(line), "outcome": outcome(line), "named_otherwise": not same}


def _route(settings: Settings, health: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "base_url": settings.base_url,
        "provider": settings.provider,
        "upstream_base": settings.upstream_base,
        "login_mode": health.get("login_mode"),
        "overrides_auth": settings.overrides_auth,
        "key_env": settings.upstream_api_key_env,
        "key_file": settings.upstream_api_key_file,
        "key_source": health.get("upstream_api_key_source"),
        "key_available": health.get("upstream_api_key_available"),
        "websocket": health.get("upstream_websocket"),
    }


def _upstream_name(settings: Settings, facts: Facts | None) -> str | None:
    """Return the name of the saved upstream in use: `upstream add` gives the present route one without a restart."""
    saved = None if facts is None else facts.settings
    is_same = saved is not None and saved.upstream_base == settings.upstream_base
    return saved.upstream if saved is not None and is_same else settings.upstream


def _fast(
    settings: Settings, health: Mapping[str, Any], tier_statistics: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "tier": settings.service_tier,
        "policy": settings.service_tier_policy,
        "effective_policy": health.get("service_tier_effective_policy"),
        "behavior": health.get("fast_behavior"),
        "refused_by": health.get("service_tier_refused_by") or [],
        "evidence": list(tier_statistics),
        "rules": list(settings.service_tier_rules),
        "budget": _budget(settings, health),
    }


def _budget(settings: Settings, health: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each limit of Fast a day, with how much of it is used; none without a limit."""
    used = health.get("fast_budget") or {}
    limits = {"requests": settings.fast_requests_a_day, "tokens": settings.fast_tokens_a_day}
    return [
        {"name": name, "limit": limit, "used": used.get(name)} for name, limit in limits.items() if limit is not None
    ]
