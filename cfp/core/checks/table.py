"""The table of all checks, in the order of doctor's result."""

from __future__ import annotations

from typing import Final

from cfp.core.checks import codex, codex_turn, installation, provider, startup_hook, worker
from cfp.core.checks.check import Check, CheckResult, DoctorFacts
from cfp.core.facts import Facts

CHECKS: Final[dict[str, Check]] = {
    "python": installation.python,
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


def run_checks(facts: Facts, surroundings: DoctorFacts) -> dict[str, CheckResult]:
    """Return the result of each check by its name."""
    return {name: _check(name, facts)(facts, surroundings) for name in CHECKS}


def _check(name: str, facts: Facts) -> Check:
    """Return the check, or what stands in for it where it could only guess."""
    if facts.is_walled and name in OF_SOCKETS:
        return worker.inside_sandbox
    if facts.config.is_unparseable and name in OF_CONFIG:
        return codex.config_first
    return CHECKS[name]
