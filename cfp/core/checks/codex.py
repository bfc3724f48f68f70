"""Checks of Codex itself: its files, its provider, its login."""

from __future__ import annotations

from cfp.codex.auth_json import Login
from cfp.core.checks.check import CheckResult, DoctorFacts, advice, failure, success
from cfp.core.facts import Facts
from cfp.core.identities import names_own_key
from cfp.core.plan.repair import plan_recovery, unrepairable
from cfp.core.policy import LoginMode
from cfp.core.provider import BUILT_IN, active_provider, choose_provider, provider_url, without_secrets
from cfp.core.state import uses_proxy
from cfp.core.verdict.loading import config_refusal, selection_details, undefined_selection
from cfp.core.verdict.route import check_override, leading_profiles, other_provider, override, route_in_force
from cfp.errors import Refused
from cfp.messages import ErrorCode, message
from cfp.messages.diagnoses import DIAGNOSES
from cfp.messages.doctor import FINDINGS, LOGINS, PASSES


def codex_config(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Check that Codex loads its configuration, and that our changes of it are all recorded."""
    path, home = str(facts.layout.config), str(facts.layout.home)
    if facts.interrupted:
        return failure("interrupted", DIAGNOSES["interrupted"], transactions=list(facts.interrupted))
    if plan_recovery(facts) is not None:
        return failure("unrecorded", DIAGNOSES["unrecorded"])
    if unrepairable(facts) is not None:
        return failure("proxy_unrecorded", DIAGNOSES["unrecorded_and_lost"])
    if not facts.home_exists:
        worker = facts.running_worker
        code: ErrorCode = "codex_home_missing" if worker is None else "codex_home_deleted"
        return failure(code, message(code, {"path": home, "pid": worker.pid if worker else None}))
    if facts.config.is_unparseable:
        return _unparseable(facts)
    if reason := config_refusal(facts):
        return _refused(facts, reason)
    if facts.config.data is None:
        return success(PASSES["config_absent"].filled({"path": path}), codex_home=home)
    return success(PASSES["config_valid"].filled({"path": path}), codex_home=home)


def _unparseable(facts: Facts) -> CheckResult:
    if facts.config.is_unreadable:
        return success(PASSES["named_elsewhere"].filled({"check": "home_owner"}))
    details = {"path": str(facts.layout.config), "reason": facts.config.error}
    return failure("config_unparseable", message("config_unparseable", details))


def _refused(facts: Facts, reason: str) -> CheckResult:
    if (undefined := undefined_selection(facts)) is not None:
        text = DIAGNOSES["provider_undefined"].filled(selection_details(facts, undefined))
        return failure("provider_undefined", text)
    return failure("config_refused", DIAGNOSES["config_refused"].filled({"reason": reason}), reason=reason)


def config_first(_: Facts, __: DoctorFacts) -> CheckResult:
    """Return the result of each check that reads a config.toml which does not parse: one remedy, and no guess."""
    return success(PASSES["config_first"])


def active_provider_check(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that Codex uses the provider that the proxy stands in front of, or one that an install can switch."""
    undefined, settings = undefined_selection(facts), facts.settings
    if surroundings.provider is None and undefined is not None:
        return failure("provider_undefined", message("provider_undefined", selection_details(facts, undefined)))
    route = route_in_force(facts)
    evidence = {"route_in_force": None if route is None else route.to_json()}
    if settings is not None and uses_proxy(facts):
        if (obstacle := override(facts, settings)) is not None:
            text = DIAGNOSES["route_overridden"].filled(obstacle.details)
            return failure("route_overridden", text, **evidence)
        other = other_provider(facts, settings)
        if surroundings.provider is None and other is not None:
            details = {"provider": other, "proxied": settings.provider}
            text = DIAGNOSES["provider_not_active"].filled(details)
            return advice("provider_not_active", text, provider=other, proxied=settings.provider, **evidence)
        if files := leading_profiles(facts, settings):
            text = FINDINGS["profile_may_bypass"].filled({"files": files})
            return advice("profile_may_bypass", text, **evidence)
        return success(
            PASSES["provider"].filled({"provider": settings.provider}), provider=settings.provider, **evidence
        )
    try:
        target = choose_provider(facts.codex_config, surroundings.provider)
        check_override(facts, target.provider)
    except Refused as error:
        return failure(error.code, message(error.code, error.details))
    return success(PASSES["provider"].filled({"provider": target.provider}), provider=target.provider, **evidence)


def provider_base_url(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that the provider has a URL."""
    doc = facts.codex_config
    proxied = facts.settings.provider if facts.settings is not None and uses_proxy(facts) else None
    provider = surroundings.provider or proxied or active_provider(doc) or ""
    url = provider_url(doc, provider)
    if not provider:
        return success(PASSES["named_elsewhere"].filled({"check": "active_provider"}))
    if provider == undefined_selection(facts):
        return failure("provider_undefined", message("provider_undefined", selection_details(facts, provider)))
    if url is None and provider != BUILT_IN:
        return failure("upstream_unknown", message("upstream_unknown", {"provider": provider}))
    url = None if url is None else without_secrets(url)
    return success(PASSES["url" if url else "url_built_in"].filled({"url": url}), url=url)


# Accounts of ChatGPT by which Codex is signed in without a ChatGPT login.
_ACCOUNTS = frozenset({Login.PERSONAL_ACCESS_TOKEN, Login.AGENT_IDENTITY})


def login_mode(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that the login is known, by which the policy auto decides."""
    if facts.codex_login is Login.UNREADABLE:
        text = message("auth_json_broken", {"auth_json": str(facts.layout.auth), "reason": facts.auth_flaw})
        return advice("auth_json_broken", text, login_mode=facts.login)
    if facts.codex_login in _ACCOUNTS:
        text = PASSES["login"].filled({"login": LOGINS[facts.codex_login]})
        return success(text, login_mode=facts.login)
    if facts.login is not LoginMode.UNKNOWN:
        return success(PASSES["login"].filled({"login": LOGINS[facts.login]}), login_mode=facts.login)
    if surroundings.cli_login not in {None, Login.NONE, Login.UNREADABLE, Login.UNKNOWN}:
        text = FINDINGS["login_in_keyring"].filled({"login": LOGINS[surroundings.cli_login]})
        return advice("login_in_keyring", text, login_mode=facts.login, codex_says=surroundings.cli_login)
    provider = surroundings.provider or active_provider(facts.codex_config) or BUILT_IN
    if facts.codex_login is Login.NONE and names_own_key(facts.codex_config, provider):
        return success(PASSES["login_not_needed"].filled({"provider": provider}), login_mode=facts.login)
    text = FINDINGS["login_unreadable" if surroundings.keyring else "login_unknown"]
    return advice("login_unknown", text, login_mode=facts.login)
