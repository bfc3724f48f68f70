"""The page of `status`: the diagnosis, the route, the key, and who decides about Fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import RenderableType

from cfp.messages.status import WARNINGS
from cfp.views.page import BAD, GOOD, WARN, headline, next_step, rows, warnings

_LEVELS: Final = {"ok": GOOD, "attention": WARN, "risk": BAD}
_FAST: Final = {
    "app_controlled": "Codex decides; the proxy adds nothing (ChatGPT login)",
    "auto_global_priority": "the proxy adds priority to requests without a tier (API-key login)",
    "global_priority": "the proxy adds priority to every request without a tier",
    "preserve_only": "Codex decides; the proxy adds nothing (policy preserve)",
    "unknown_conservative": "the proxy adds nothing, because the login is unknown",
}
_WEBSOCKETS: Final = {
    "served": "the provider serves it",
    "not_served": "the provider does not serve it; Codex uses HTTP",
}
_LOGINS: Final = {"api_key": "API key", "chatgpt": "ChatGPT", "mixed": "ChatGPT and an API key"}


def status(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return the diagnosis as a headline, then the route."""
    diagnosis = answer["diagnosis"]
    return [
        headline(_LEVELS.get(diagnosis["level"], WARN), _state(answer), diagnosis["message"]),
        rows(
            [
                ("provider", answer.get("provider")),
                ("route", _route(answer)),
                ("WebSocket", _WEBSOCKETS.get(str((answer.get("health") or {}).get("upstream_websocket")))),
                ("key", _key(answer)),
                ("Fast", _FAST.get(str(answer.get("fast_behavior")))),
                ("login", _LOGINS.get(str(answer.get("login_mode")), "unknown")),
                ("hook", _hook(answer)),
                ("draining", _draining(answer)),
                ("log", answer["log"] if answer.get("running") else None),
                ("home", answer.get("codex_home")),
            ]
        ),
        *warnings(
            [
                WARNINGS["transaction_interrupted"].filled({"transaction": tx}).sentence
                for tx in answer.get("interrupted") or ()
            ]
            + ([WARNINGS["needs_restart"].sentence] if answer.get("needs_restart") else [])
        ),
        *next_step(answer),
    ]


def _state(answer: Mapping[str, Any]) -> str:
    running = f"running (process {answer['pid']})" if answer.get("running") else "not running"
    return f"{str(answer.get('state', '')).replace('_', ' ')}, {running}"


def _route(answer: Mapping[str, Any]) -> str | None:
    if not answer.get("base_url"):
        return f"Codex -> {answer['config_base_url']}" if answer.get("config_base_url") else None
    if not answer.get("config_matches"):
        return f"Codex -> {answer.get('config_base_url')}; the proxy would send requests to {answer['upstream_base']}"
    return f"Codex -> {answer['base_url']} -> {answer['upstream_base']}"


def _key(answer: Mapping[str, Any]) -> str | None:
    if "upstream_auth" not in answer:
        return None
    if answer["upstream_auth"] == "preserved":
        return "the key or login that Codex sends"
    missing = "" if answer.get("upstream_api_key_available") else ", which is missing"
    if answer.get("upstream_api_key_file"):
        return f"the provider's key, saved for the proxy{missing}"
    return f"the variable {answer.get('upstream_api_key_env')}{missing}"


def _draining(answer: Mapping[str, Any]) -> str | None:
    leaving = [
        f"process {one['pid']} ({one['requests_in_flight']} in flight)" for one in answer.get("draining") or ()
    ]
    return f"{', '.join(leaving)}: finishing their last responses" if leaving else None


def _hook(answer: Mapping[str, Any]) -> str:
    trust = answer["startup_hook_trust"]
    if answer.get("startup_hook"):
        return "starts the proxy with each session"
    return "installed, but Codex will not run it" if trust["installed"] else "none"
