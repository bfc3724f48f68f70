"""The one thing to know about an installation: the first row of an ordered table that holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cfp.core.facts import Facts, PortState
from cfp.core.plan.repair import lost, plan_recovery
from cfp.core.policy import FastBehavior, fast_behavior
from cfp.core.provider import BUILT_IN
from cfp.core.route_report import key_available, key_persistent
from cfp.core.settings import Settings
from cfp.core.state import Hook, Pointing, Proxy, State, hook, pointing, proxy, settings_pending, state_of
from cfp.core.unrecorded import running
from cfp.messages import message

Test = Callable[[Facts, Settings], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """`level` is ok, attention or risk; `told` names the sentence where it is not that of the code."""

    code: str
    level: str
    told: str = ""

    def to_json(self) -> dict[str, Any]:
        found = message(f"diagnosis.{self.told or self.code}")
        return {"level": self.level, "code": self.code, "message": found.sentence}

    @property
    def next_user_action(self) -> str:
        return message(f"diagnosis.{self.told or self.code}").action


def _passes_chatgpt_on(facts: Facts, settings: Settings) -> bool:
    third_party = settings.provider != BUILT_IN
    return third_party and not settings.overrides_auth and facts.login.has_chatgpt


def _answers_wrongly(facts: Facts, _: Settings) -> bool:
    worker = facts.worker
    return worker is not None and worker.state is not PortState.FREE and proxy(facts) is Proxy.FOREIGN


def _unknown_fast(facts: Facts, settings: Settings) -> bool:
    return fast_behavior(settings.service_tier_policy, facts.login) is FastBehavior.UNKNOWN_CONSERVATIVE


def cuts(facts: Facts, code: str) -> bool:
    """True where the way out of a diagnosis replaces a worker that cannot hand its streams over."""
    refreshed = code in {"settings_pending_restart", "runtime_stale"}
    return refreshed and facts.worker is not None and not facts.worker.hands_over


# fmt: off
# Everything below the first two rows speaks of an installation that has settings and a manifest.
_ROWS: Final[tuple[tuple[str, str, Test], ...]] = (
    #    code                     level        holds when
    ("config_not_proxy",          "attention", lambda f, _: pointing(f) is not Pointing.PROXIED),
    ("proxy_stopped",             "risk",      lambda f, _: proxy(f) is Proxy.DOWN),
    ("chatgpt_auth_preserved",    "risk",      _passes_chatgpt_on),
    ("upstream_auth_missing",     "risk",      lambda f, s: not key_available(f, s)),
    ("upstream_auth_not_persistent", "attention", lambda f, s: not key_persistent(f, s)),
    ("settings_pending_restart",  "attention", lambda f, _: settings_pending(f)),
    ("proxy_unhealthy",           "risk",      _answers_wrongly),
    ("runtime_stale",             "attention", lambda f, _: proxy(f) is Proxy.STALE),
    ("startup_hook_not_ready",    "attention", lambda f, _: hook(f) is not Hook.TRUSTED),
    ("fast_policy_unknown",       "attention", _unknown_fast),
)
# fmt: on


def diagnose(facts: Facts) -> Diagnosis:
    """Return the first diagnosis that holds; `ready` where none does."""
    if not facts.home_exists:
        told = "home_missing" if running(facts) is None else "home_deleted"
        return Diagnosis(code="not_enabled", level="attention", told=told)
    if facts.interrupted:
        return Diagnosis(code="interrupted", level="risk")
    if facts.config.is_unparseable:
        return Diagnosis(code="config_unparseable", level="risk")
    if plan_recovery(facts) is not None:
        return Diagnosis(code="unrecorded", level="risk")
    if lost(facts) is not None:
        return Diagnosis(code="unrecorded", level="risk", told="unrecorded_and_lost")
    settings = facts.settings
    if settings is None or not (facts.is_installed or pointing(facts) is Pointing.PROXIED):
        unfinished = state_of(facts) is State.RESTORED_DEFERRED
        return Diagnosis(code="not_enabled", level="attention", told="uninstall_unfinished" if unfinished else "")
    for code, level, holds in _ROWS:
        if holds(facts, settings):
            return Diagnosis(code=code, level=level, told=f"{code}_cut" if cuts(facts, code) else "")
    return Diagnosis(code="ready", level="ok")
