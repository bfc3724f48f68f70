"""The page of `status`: the diagnosis, the route, the key, and the policy about Fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import RenderableType

from cfp.messages.status import WARNINGS
from cfp.views.fast import budget
from cfp.views.page import BAD, GOOD, WARN, headline, local_time, rows, warnings

_LEVELS: Final = {"ok": GOOD, "attention": WARN, "risk": BAD}
# The dashboard has the same sentences in static/words.js.
BEHAVIORS: Final = {
    "app_controlled": "the proxy adds no tier: with a ChatGPT login, Codex's own Fast switch decides",
    "auto_global_priority": (
        "the proxy adds {tier} to requests without a tier, because Codex talks to the provider with an API key"
    ),
    "global_priority": "the proxy adds {tier} to every request without a tier",
    "preserve_only": "the proxy never adds a tier",
    "unknown_conservative": "the proxy adds no tier, because the login is unknown",
}
OPTED_OUT: Final = "the proxy adds no tier, because Codex's configuration names another service_tier than fast"
WEBSOCKETS: Final = {
    "served": "the provider supports it",
    "not_served": "the provider does not support it, so Codex uses HTTP",
}
_MOST_VERDICTS: Final = 5
_LOGINS: Final = {"api_key": "API key", "chatgpt": "ChatGPT", "mixed": "ChatGPT and an API key"}


def status(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return the diagnosis as a headline, then the route."""
    diagnosis = answer["diagnosis"]
    return [
        headline(_LEVELS.get(diagnosis["level"], WARN), *_verdict(str(diagnosis["message"]))),
        rows(
            [
                ("proxy", _state(answer)),
                ("provider", answer.get("provider")),
                ("route", _route(answer)),
                ("WebSocket", WEBSOCKETS.get(str((answer.get("health") or {}).get("upstream_websocket")))),
                ("key", _key(answer)),
                ("identity", (answer.get("identity_on_the_wire") or {}).get("message")),
                ("policy", _policy(answer)),
                ("rules", "; ".join(map(str, answer.get("service_tier_rules") or ()))),
                ("budget", budget(answer, (answer.get("health") or {}).get("fast_budget"))),
                ("provider's tier", _verdicts(answer)),
                ("login", _LOGINS.get(str(answer.get("login_mode")), "unknown")),
                ("hook", _hook(answer)),
                ("draining", _draining(answer)),
                ("revived", _revived(answer)),
                ("last success", local_time(diagnosis["last_success"])),
                ("log", answer["log"] if answer.get("running") else None),
                ("home", answer.get("codex_home")),
            ]
        ),
        *warnings(
            [
                WARNINGS["transaction_interrupted"].filled({"transaction": tx}).sentence
                for tx in answer.get("interrupted") or ()
            ]
            + [str(text) for text in answer.get("warning_messages") or ()]
            + ([WARNINGS["needs_restart"].sentence] if answer.get("needs_restart") else [])
            + _models(answer)
        ),
    ]


def _models(answer: Mapping[str, Any]) -> list[str]:
    """Return the evidence about which model served, in sentences."""
    words = []
    for row in (answer.get("health") or {}).get("model_evidence") or ():
        for other, times in row["other_models"].items():
            details = {"answers": row["answers"], "model": row["model"], "times": times, "other": other}
            words.append(WARNINGS["model_named_otherwise"].filled(details).sentence)
        counts = row["recurring_reasoning_tokens"]
        if counts:
            tokens = " or ".join(counts)
            details = {"answers": row["reasoning_answers"], "model": row["model"], "tokens": tokens}
            words.append(WARNINGS["reasoning_recurs"].filled({**details, "times": sum(counts.values())}).sentence)
    return words


def _verdict(message: str) -> tuple[str, str]:
    """Return the diagnosis as its first sentence, and the rest."""
    first, stop, rest = message.partition(". ")
    return first + stop.strip(), rest


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
    saved = answer.get("upstream_api_key_file")
    place = "saved for the proxy" if saved else f"in the variable {answer.get('upstream_api_key_env')}"
    if not answer.get("upstream_api_key_available"):
        return f"the provider's key, which is missing: it should be {place}"
    return f"the provider's key, {place}"


def _policy(answer: Mapping[str, Any]) -> str | None:
    """Return the policy and its effect on a request without a tier; None without an installation."""
    behavior = answer.get("fast_behavior")
    if behavior not in BEHAVIORS:
        return None
    if behavior == "auto_global_priority" and answer.get("service_tier_effective_policy") == "preserve":
        return f"{answer['service_tier_policy']}: {OPTED_OUT}"
    return f"{answer['service_tier_policy']}: {BEHAVIORS[behavior].format(tier=answer['service_tier'])}"


def _verdicts(answer: Mapping[str, Any]) -> str | None:
    """Return the verdicts on the provider's tiers; None without any."""
    sentences = [str(one["message"]) for one in answer.get("tier_verdicts") or ()]
    return "\n".join(sentences[:_MOST_VERDICTS]) or None


def _draining(answer: Mapping[str, Any]) -> str | None:
    leaving = [
        f"process {one['pid']} ({one['requests_in_flight']} in flight)" for one in answer.get("draining") or ()
    ]
    return f"{', '.join(leaving)}: finishing their last responses" if leaving else None


def _revived(answer: Mapping[str, Any]) -> str | None:
    count = (answer.get("health") or {}).get("revivals")
    times = "once" if count == 1 else f"{count} times"
    return f"{times}: the proxy was killed, and started again by itself" if count else None


def _hook(answer: Mapping[str, Any]) -> str:
    trust = answer["startup_hook_trust"]
    if answer.get("startup_hook"):
        return "starts the proxy with each session"
    return "installed, but Codex will not run it" if trust["installed"] else "none"
