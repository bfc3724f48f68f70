"""All that the page shows except single requests, as one JSON value. Pure: facts in, words and numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cfp.advice import at_home, commands_in
from cfp.core.policy import FastBehavior, LoginMode, fast_behavior
from cfp.core.settings import Settings
from cfp.messages import message
from cfp.proxy.dashboard.snapshot import Snapshot
from cfp.proxy.dashboard.traffic import Line, trouble

_RANKS: Final = {"ok": 0, "attention": 1, "risk": 2}


def state(
    settings: Settings,
    health: Mapping[str, Any],
    outlook: Snapshot,
    *,
    home_flag: str = "",
    evidence: Sequence[Mapping[str, Any]] = (),
    lines: Sequence[Line] = (),
) -> dict[str, Any]:
    """Return the page's state.

    home_flag  what a command needs to mean this Codex home: "", or " --codex-home DIR"
    evidence   rows of requests by model and tier at this upstream, newest first
    lines      the last finished requests, oldest first
    """
    return {
        "worker": {name: health.get(name) for name in _WORKER},
        "verdict": verdict(outlook, lines, home_flag),
        "route": _route(settings, health),
        "fast": _fast(settings, health, evidence),
        "benchmark": outlook.benchmark,
        "journal": {"interrupted": list(outlook.interrupted), "transactions": list(outlook.transactions)},
        "home_flag": home_flag,
    }


_WORKER: Final = ("pid", "version", "requests_in_flight", "requests_served", "draining", "peer_check")


def verdict(outlook: Snapshot, lines: Sequence[Line], home_flag: str) -> dict[str, Any]:
    """Is it well, and what now? The graver of what the files say and what the last request says; files first."""
    code, level, details = outlook.code, outlook.level or "ok", {}
    found = trouble(lines)
    if found is not None and _RANKS[found[1]] > _RANKS[level]:
        code, level, line = found
        details = {"status": line.get("status"), "error_type": line.get("error_type")}
    elif code is not None:
        code = f"diagnosis.{code}"
    if code is None:
        return {"code": None, "level": None, "sentence": "", "action": "", "commands": []}
    told = message(code, details)
    action = at_home(told.action, home_flag)
    return {
        "code": code.rpartition(".")[2],
        "level": level,
        "sentence": told.sentence,
        "action": action,
        "commands": commands_in(action),
    }


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


def _fast(settings: Settings, health: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    login = health.get("login_mode")
    known = LoginMode(login) if login in list(LoginMode) else LoginMode.UNKNOWN
    behavior: FastBehavior = fast_behavior(settings.service_tier_policy, known)
    return {
        "tier": settings.service_tier,
        "policy": settings.service_tier_policy,
        "effective_policy": health.get("service_tier_effective_policy"),
        "behavior": behavior,
        "refused_by": health.get("service_tier_refused_by") or [],
        "evidence": list(evidence),
    }
