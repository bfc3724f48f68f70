"""The dashboard's state, without single requests, as one JSON value. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cfp.advice import at_home, commands_in
from cfp.core.policy import FastBehavior, LoginMode, fast_behavior
from cfp.core.settings import Settings
from cfp.messages.diagnoses import DIAGNOSES
from cfp.messages.traffic import TRAFFIC
from cfp.proxy.dashboard.snapshot import Snapshot
from cfp.proxy.dashboard.traffic import Line, trouble

_RANKS: Final = {"ok": 0, "attention": 1, "risk": 2}


def state(
    settings: Settings,
    health: Mapping[str, Any],
    snapshot: Snapshot,
    *,
    home_flag: str = "",
    tier_statistics: Sequence[Mapping[str, Any]] = (),
    lines: Sequence[Line] = (),
) -> dict[str, Any]:
    """Return the page's state.

    home_flag        the flag that a command needs to act on this Codex home: "", or " --codex-home DIR"
    tier_statistics  request counts by model and tier at this upstream, newest first
    lines            log lines of the last finished requests, in order of time
    """
    return {
        "worker": {name: health.get(name) for name in _WORKER},
        "verdict": verdict(snapshot, lines, home_flag),
        "route": _route(settings, health),
        "fast": _fast(settings, health, tier_statistics),
        "benchmark": snapshot.benchmark,
        "journal": {"interrupted": list(snapshot.interrupted), "transactions": list(snapshot.transactions)},
        "home_flag": home_flag,
    }


_WORKER: Final = ("pid", "version", "requests_in_flight", "requests_served", "draining", "peer_check")


def verdict(snapshot: Snapshot, lines: Sequence[Line], home_flag: str) -> dict[str, Any]:
    """Return the graver finding with its sentence and action: the diagnosis, or the trouble of the last request."""
    level = snapshot.level or "ok"
    finding = trouble(lines)
    if finding is not None and _RANKS[finding[1]] > _RANKS[level]:
        code: str = finding[0]
        text = TRAFFIC[finding[0]].filled({name: finding[2].get(name) for name in ("status", "error_type")})
        level = finding[1]
    elif snapshot.code is not None:
        code, text = snapshot.code, DIAGNOSES[snapshot.code].filled(snapshot.details)
    else:
        return {"code": None, "level": None, "sentence": "", "action": "", "commands": []}
    action = at_home(text.action, home_flag)
    return {
        "code": code,
        "level": level,
        "sentence": text.sentence,
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


def _fast(
    settings: Settings, health: Mapping[str, Any], tier_statistics: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    login = health.get("login_mode")
    login_mode = LoginMode(login) if login in list(LoginMode) else LoginMode.UNKNOWN
    behavior: FastBehavior = fast_behavior(settings.service_tier_policy, login_mode)
    return {
        "tier": settings.service_tier,
        "policy": settings.service_tier_policy,
        "effective_policy": health.get("service_tier_effective_policy"),
        "behavior": behavior,
        "refused_by": health.get("service_tier_refused_by") or [],
        "evidence": list(tier_statistics),
    }
