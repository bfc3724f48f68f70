"""The table of all checks, in the order of doctor's result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cfp.core.checks import codex, codex_turn, installation, provider, startup_hook, worker
from cfp.core.checks.check import Check, CheckResult, DoctorFacts, success
from cfp.core.facts import Facts
from cfp.core.state import is_enabled
from cfp.messages.doctor import PASSES

CHECKS: Final[dict[str, Check]] = {
    "python": installation.python,
    "module_names": installation.module_names,
    "skill_link": installation.skill_link,
    "home_place": installation.home_place,
    "home_owner": installation.home_owner,
    "private_files": installation.private_files,
    "codex_config": codex.codex_config,
    "active_provider": codex.active_provider_check,
    "provider_base_url": codex.provider_base_url,
    "runtime_source": installation.runtime_source,
    "login_mode": codex.login_mode,
    "install_possible": installation.install_possible,
    "proxy_settings": installation.proxy_settings,
    "config_points_to_proxy": installation.config_points_to_proxy,
    "upstream_saved": provider.upstream_saved,
    "upstream_encryption": provider.upstream_encryption,
    "service_tier_policy": provider.service_tier_policy,
    "tier_served": provider.tier_served,
    "upstream_auth": provider.upstream_auth,
    "key_format": provider.key_format,
    "app_environment": provider.app_environment,
    "model_catalog": provider.model_catalog,
    "provider_answers": provider.provider_answers,
    "proxy_port": worker.proxy_port,
    "proxy_health": worker.proxy_health,
    "last_requests": worker.last_requests,
    "proxy_pending_restart": worker.proxy_pending_restart,
    "proxy_runtime": worker.proxy_runtime,
    "hooks_enabled": startup_hook.hooks_enabled_check,
    "startup_hook": startup_hook.startup_hook,
    "codex_turn": codex_turn.codex_turn,
}


# The checks that rest on ports, workers and the network.
OF_SOCKETS: Final = frozenset(
    {
        "install_possible",
        "provider_answers",
        "proxy_port",
        "proxy_health",
        "last_requests",
        "proxy_pending_restart",
        "proxy_runtime",
    }
)


# The checks that read config.toml; `codex_config` names the one that does not parse.
OF_CONFIG: Final = frozenset(
    {
        *("active_provider", "provider_base_url", "install_possible", "service_tier_policy", "upstream_auth"),
        *("key_format", "app_environment", "model_catalog", "hooks_enabled", "startup_hook"),
    }
)


# The checks whose causes others name more closely, the closer ones first.
_BY_CLOSER_ONES: Final = ("upstream_auth", "install_possible")
# Codes of a cause that another check has a code of its own for: a variable that is unset since its name is a key.
_SAME_CAUSES: Final = {"upstream_key_malformed": "key_malformed", "codex_key_unset": "key_in_place_of_name"}


def run_checks(facts: Facts, surroundings: DoctorFacts) -> dict[str, CheckResult]:
    """Return the result of each check by its name."""
    results = {name: _check(name, facts)(facts, surroundings) for name in CHECKS}
    return results if is_enabled(facts) or facts.is_walled else _by_one_check_each(results)


def _by_one_check_each(results: Mapping[str, CheckResult]) -> dict[str, CheckResult]:
    """Return the results, in which a cause that several checks find fails one of them: the one that is closest to it.

    Before an install they overlap, since an install refuses for what the others look at.
    """
    finders: dict[str, str] = {}
    for name in sorted(results, key=lambda name: _BY_CLOSER_ONES.index(name) if name in _BY_CLOSER_ONES else -1):
        if not results[name].ok:
            finders.setdefault(_cause(results[name]), name)
    return {name: _named_once(name, result, finders) for name, result in results.items()}


def _named_once(name: str, result: CheckResult, finders: Mapping[str, str]) -> CheckResult:
    if result.ok or finders[_cause(result)] == name:
        return result
    return success(PASSES["named_elsewhere"].filled({"check": finders[_cause(result)]}), **result.evidence)


def _cause(result: CheckResult) -> str:
    return _SAME_CAUSES.get(result.code, result.code)


def _check(name: str, facts: Facts) -> Check:
    """Return the check, or what stands in for it where it could only guess."""
    if facts.is_walled and name in OF_SOCKETS:
        return worker.inside_sandbox
    if facts.config.is_unparseable and name in OF_CONFIG:
        return codex.config_first
    return CHECKS[name]
