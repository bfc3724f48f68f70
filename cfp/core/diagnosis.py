"""The diagnosis of an installation: the first row of an ordered table that holds."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from cfp.core.facts import Facts, PortState
from cfp.core.fast.verdicts import refused_models
from cfp.core.identities import Identity, ProviderAuth, provider_auth
from cfp.core.plan.model_catalog import catalog_details, passed_by
from cfp.core.plan.repair import plan_recovery, unrepairable
from cfp.core.plan.session import sends_here
from cfp.core.plan.worker import port_details
from cfp.core.policy import FastBehavior, fast_behavior
from cfp.core.provider import active_provider, is_third_party, provider_url
from cfp.core.route_report import policy_login
from cfp.core.settings import Settings
from cfp.core.state import (
    State,
    WorkerState,
    hooks_isolated,
    is_enabled,
    settings_pending,
    state_of,
    uses_proxy,
    worker_state,
)
from cfp.core.traffic.trouble import Traffic
from cfp.core.verdict.hook_run import hook_obstacle
from cfp.core.verdict.loading import config_refusal, selection_details, undefined_selection
from cfp.core.verdict.route import other_provider, override
from cfp.core.wire.codex_key import kept_variable
from cfp.core.wire.identity import codex_identity, route_identity, stands_in_the_way
from cfp.core.wire.key import key_available, key_persistent, unsendable_key
from cfp.core.wire.steps import is_key_idle, key_details
from cfp.messages.diagnoses import DIAGNOSES, DiagnosisCode, TrafficCode
from cfp.messages.identities import IDENTITIES
from cfp.messages.message import Message

Test = Callable[[Facts, Settings], bool]


class Severity(enum.StrEnum):
    """The severity of a diagnosis, `level` of the results."""

    OK = "ok"
    ATTENTION = "attention"  # it works, and something is to be done
    RISK = "risk"  # requests fail, or may


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The first thing that is not as it should be.

    message_code  of the sentence, where it is not that of `code`
    details       the values of the sentence's placeholders
    last_success  when a request to a model last went through with the present settings, as in the request log; None
                  where none is remembered
    """

    code: DiagnosisCode
    level: Severity
    message_code: DiagnosisCode | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    last_success: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "code": self.code,
            "message": self.message.sentence,
            "last_success": self.last_success,
        }

    @property
    def next_user_action(self) -> str:
        return self.message.action

    @property
    def message(self) -> Message:
        return DIAGNOSES[self.message_code or self.code].filled(self.details)


def _passes_login_on(facts: Facts, settings: Settings) -> bool:
    return route_identity(facts, settings).login_reaches_provider


def _codex_refuses(facts: Facts, settings: Settings) -> bool:
    return route_identity(facts, settings).direct is Identity.CODEX_REFUSES


def _answers_wrongly(facts: Facts, _: Settings) -> bool:
    worker = facts.worker
    return worker is not None and worker.state is not PortState.FREE and worker_state(facts) is WorkerState.FOREIGN


def _hook_has(code: DiagnosisCode) -> Test:
    def holds(facts: Facts, _: Settings) -> bool:
        obstacle = hook_obstacle(facts)
        return obstacle is not None and obstacle.code == code

    return holds


def traffic(facts: Facts) -> Traffic:
    """Return the state of the route by the worker's newest requests; an empty one where no worker answers."""
    worker = facts.own_worker
    return Traffic() if worker is None or worker.health is None else worker.health.traffic


def _has_trouble(code: TrafficCode) -> Test:
    def holds(facts: Facts, _: Settings) -> bool:
        trouble = traffic(facts).trouble
        return trouble is not None and trouble.code == code

    return holds


def trouble_level(facts: Facts) -> Severity:
    """Return RISK where the next request would fail as the last one did, as far as can be told without one."""
    trouble = traffic(facts).trouble
    return Severity.RISK if trouble is not None and trouble.is_risk(facts.now) else Severity.ATTENTION


def _unknown_fast(facts: Facts, settings: Settings) -> bool:
    behavior = fast_behavior(settings.service_tier_policy, policy_login(facts, settings))
    return behavior is FastBehavior.UNKNOWN_CONSERVATIVE


# The diagnoses whose remedy replaces the worker, and their message where that cuts running streams.
_CUT: Final[dict[DiagnosisCode, DiagnosisCode]] = {
    "settings_pending_restart": "settings_pending_restart_cut",
    "runtime_stale": "runtime_stale_cut",
}


_REPORTED: Final = frozenset({"upstream_auth_missing", "upstream_key_unsendable", *get_args(TrafficCode)})

# The message of chatgpt_auth_preserved where the login is of another kind.
_PRESERVED: Final[dict[Identity, DiagnosisCode]] = {
    Identity.PERSONAL_ACCESS_TOKEN: "access_token_preserved",
    Identity.AGENT_IDENTITY: "agent_identity_preserved",
    Identity.UNKNOWN: "unknown_login_preserved",
}


def refusal_code(facts: Facts, provider: str) -> DiagnosisCode:
    """Return the code of the message for a provider with which Codex refuses to start a turn."""
    auth = provider_auth(facts.codex_config, provider, facts.environment | facts.user_environment)
    return "codex_key_missing" if auth is ProviderAuth.ENV_KEY_UNSET else "codex_refuses"


# The diagnoses that end where the proxy sends the key that is saved.
_MENDED_BY_SAVED_KEY: Final = frozenset(
    {"chatgpt_auth_preserved", "upstream_auth_missing", "upstream_auth_not_persistent"}
)


def message_code_for(facts: Facts, code: DiagnosisCode) -> DiagnosisCode:
    """Return the code of the message, which depends on the login, the keys, the home, or streams that are cut."""
    if code == "port_shared" and facts.is_default_home:
        return "port_shared_by_default"
    settings = facts.settings
    if settings is not None and code in _MENDED_BY_SAVED_KEY and is_key_idle(facts, settings):
        return "saved_key_unused"
    if settings is not None and code == "upstream_auth_missing" and settings.upstream_api_key_env is not None:
        return "upstream_variable_missing"
    if settings is not None and code == "chatgpt_auth_preserved":
        return _PRESERVED.get(route_identity(facts, settings).through_proxy, code)
    if settings is not None and code == "codex_refuses":
        refusal = refusal_code(facts, settings.provider)
        is_ours = kept_variable(facts, {}, settings.provider) is not None
        return "own_codex_key_missing" if refusal == "codex_key_missing" and is_ours else refusal
    cuts = facts.worker is not None and not facts.worker.hands_over
    return _CUT.get(code, code) if cuts else code


# fmt: off
# Settings are saved, and the manifest or config.toml says that the proxy is installed. No level: trouble_level.
_ROWS: Final[tuple[tuple[DiagnosisCode, Severity | None, Test], ...]] = (
    #    code                     level               holds when
    ("config_not_proxy",          Severity.ATTENTION, lambda f, _: not uses_proxy(f)),
    ("route_overridden",          Severity.RISK,      lambda f, s: override(f, s) is not None),
    ("provider_not_active",       Severity.ATTENTION, lambda f, s: other_provider(f, s) is not None),
    ("port_of_another_user",      Severity.RISK,      lambda f, _: f.worker is not None and f.worker.other_user),
    ("port_shared",               Severity.RISK,      lambda f, _: f.sharing_home != ""),
    ("catalog_receives_login",    Severity.RISK,      lambda f, s: passed_by(f.config.root, s) is not None),
    ("proxy_stopped",             Severity.RISK,      lambda f, _: worker_state(f) is WorkerState.DOWN),
    ("chatgpt_auth_preserved",    Severity.RISK,      _passes_login_on),
    ("codex_refuses",             Severity.RISK,      _codex_refuses),
    ("codex_sends_no_key",        Severity.ATTENTION, lambda f, s: stands_in_the_way(f, s) is not None),
    ("upstream_auth_missing",     Severity.RISK,      lambda f, s: not key_available(f, s)),
    ("upstream_key_unsendable",   Severity.RISK,      lambda f, s: unsendable_key(f, s) is not None),
    ("settings_pending_restart",  Severity.ATTENTION, lambda f, _: settings_pending(f)),
    ("proxy_unhealthy",           Severity.RISK,      _answers_wrongly),
    *((code,                      None,               _has_trouble(code)) for code in get_args(TrafficCode)),
    ("upstream_auth_not_persistent", Severity.ATTENTION, lambda f, s: not key_persistent(f, s)),
    ("runtime_stale",             Severity.ATTENTION, lambda f, _: worker_state(f) is WorkerState.STALE),
    ("hooks_file_refused",        Severity.ATTENTION, _hook_has("hooks_file_refused")),
    ("hooks_disabled_by_policy",  Severity.ATTENTION, _hook_has("hooks_disabled_by_policy")),
    ("hooks_disabled",            Severity.ATTENTION, _hook_has("hooks_disabled")),
    ("startup_hook_program_broken", Severity.ATTENTION, _hook_has("startup_hook_program_broken")),
    ("startup_hook_not_ready",    Severity.ATTENTION, _hook_has("startup_hook_not_ready")),
    ("startup_hook_not_isolated", Severity.ATTENTION, lambda f, _: not hooks_isolated(f)),
    ("tier_refused",              Severity.ATTENTION, lambda f, s: bool(refused_models(f, s))),
    ("fast_policy_unknown",       Severity.ATTENTION, _unknown_fast),
)
# fmt: on


def diagnose(facts: Facts) -> Diagnosis:
    """Return the first diagnosis that holds; `ready` where none does."""
    obstacle = _obstacle(facts)
    if obstacle is not None:
        return obstacle
    settings = facts.settings
    if settings is None or not is_enabled(facts):
        return _not_enabled(facts)
    for code, level, holds in _ROWS:
        if holds(facts, settings):
            text = message_code_for(facts, code)
            catalog = catalog_details(facts.config.root, settings.provider)
            details = {**port_details(facts), **catalog, **key_details(facts, settings)}
            if (leader := override(facts, settings)) is not None:
                details |= leader.details
            details |= {"provider": other_provider(facts, settings), "proxied": settings.provider}
            if (hook := hook_obstacle(facts)) is not None:
                details |= hook.details
            return Diagnosis(
                code=code,
                level=level or trouble_level(facts),
                message_code=text,
                details={**details, **_traffic_details(facts, settings)},
                last_success=traffic(facts).last_success,
            )
    last = traffic(facts).last_success
    return Diagnosis(
        code="ready",
        level=Severity.OK,
        message_code=None if last else "ready_untried",
        last_success=last,
    )


def session_warning(facts: Facts) -> Diagnosis | None:
    """Return the diagnosis that the user should read as a session starts; None where its turns may succeed.

    Only for what the worker itself reports: the hook's short way asks nobody else.
    """
    diagnosis = diagnose(facts)
    is_reported = diagnosis.code in _REPORTED and diagnosis.level is Severity.RISK
    return diagnosis if is_reported and sends_here(facts) else None


def _traffic_details(facts: Facts, settings: Settings) -> dict[str, Any]:
    trouble = traffic(facts).trouble
    of_tier = {"tier": settings.service_tier, "models": refused_models(facts, settings)}
    return of_tier if trouble is None else {**of_tier, **trouble.details(facts.now)}


def _not_enabled(facts: Facts) -> Diagnosis:
    """Return the diagnosis of a home without the proxy; where Codex sends its login there, with the way to a key."""
    provider = active_provider(facts.codex_config) if facts.settings is None else facts.settings.provider
    code: DiagnosisCode | None = None
    details: dict[str, Any] = {}
    if state_of(facts) is State.RESTORED_DEFERRED:
        code = "uninstall_unfinished"
    elif provider is not None and not (facts.settings is not None and facts.settings.overrides_auth):
        identity = codex_identity(facts, provider)
        third_party = is_third_party(provider, provider_url(facts.codex_config, provider))
        if third_party and identity.may_be_a_login and identity is not Identity.UNKNOWN:
            code = "not_enabled_key_saved" if provider in facts.provider_keys else "not_enabled_with_login"
            details = {"provider": provider, "login": IDENTITIES[identity]}
    return Diagnosis(code="not_enabled", level=Severity.ATTENTION, message_code=code, details=details)


def _obstacle(facts: Facts) -> Diagnosis | None:
    """Return the diagnosis of a home in which no installation can be judged; None for any other."""
    if facts.ownership.refusal is not None:
        return Diagnosis(code=facts.ownership.refusal, level=Severity.RISK)
    if facts.newer_version:
        return Diagnosis(code="record_of_newer_version", level=Severity.RISK)
    if facts.all_unreadable:
        return Diagnosis(code="record_unreadable", level=Severity.RISK)
    if not facts.home_exists:
        message_code: DiagnosisCode | None = "home_missing" if facts.running_worker is None else "home_deleted"
        return Diagnosis(code="not_enabled", level=Severity.ATTENTION, message_code=message_code)
    if facts.interrupted:
        return Diagnosis(code="interrupted", level=Severity.RISK)
    return _config_obstacle(facts)


def _config_obstacle(facts: Facts) -> Diagnosis | None:
    if facts.config.is_unparseable:
        return Diagnosis(code="config_unparseable", level=Severity.RISK)
    if facts.is_walled:
        return Diagnosis(code="inside_sandbox", level=Severity.ATTENTION)
    if plan_recovery(facts) is not None:
        return Diagnosis(code="unrecorded", level=Severity.RISK)
    if unrepairable(facts) is not None:
        return Diagnosis(code="unrecorded", level=Severity.RISK, message_code="unrecorded_and_lost")
    if reason := config_refusal(facts):
        undefined = undefined_selection(facts)
        if undefined is not None:
            details = selection_details(facts, undefined)
            return Diagnosis(
                code="config_refused", level=Severity.RISK, message_code="provider_undefined", details=details
            )
        return Diagnosis(code="config_refused", level=Severity.RISK, details={"reason": reason})
    return None
