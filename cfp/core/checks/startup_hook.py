"""Checks of the SessionStart hook, which starts a missing worker."""

from __future__ import annotations

from cfp.codex.hooks_feature import hook_flags, hooks_enabled
from cfp.core.checks.check import CheckResult, DoctorFacts, advice, failure, success
from cfp.core.facts import Facts
from cfp.core.plan.hook import hook_command
from cfp.core.state import HookState, hook_state, hooks_isolated, uses_proxy
from cfp.messages.diagnoses import DIAGNOSES
from cfp.messages.doctor import FINDINGS, PASSES


def hooks_enabled_check(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that neither config.toml nor the administrator keeps hooks from running."""
    if surroundings.hooks_bar:
        return advice(
            "hooks_disabled_by_policy", FINDINGS["hooks_disabled_by_policy"].filled({"file": surroundings.hooks_bar})
        )
    flags = hook_flags(facts.config.root)
    if not hooks_enabled(facts.config.root):
        return failure("hooks_disabled", FINDINGS["hooks_disabled"], **flags)
    return success(PASSES["hooks_enabled"], **flags)


def startup_hook(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that the hook is there, that Codex trusts it, and that it starts this installation."""
    if facts.settings is None or not uses_proxy(facts):
        return success(PASSES["hook_not_needed"])
    entries = [entry.to_json() for entry in facts.hook_entries]
    not_ready = DIAGNOSES["startup_hook_not_ready"]
    match hook_state(facts):
        case HookState.ABSENT:
            return failure("startup_hook_missing", not_ready, hooks=entries)
        case HookState.UNTRUSTED:
            return failure("startup_hook_untrusted", not_ready, hooks=entries)
    if surroundings.read_back and surroundings.read_back != "trusted":
        return failure("startup_hook_untrusted", not_ready, codex_says=surroundings.read_back)
    if not hooks_isolated(facts):
        return advice("startup_hook_not_isolated", DIAGNOSES["startup_hook_not_isolated"], hooks=entries)
    if facts.hook_entries[0].position.command != hook_command(facts):
        return advice("startup_hook_elsewhere", FINDINGS["startup_hook_elsewhere"])
    if surroundings.versioned_python:
        paths = {"python": facts.runtime.python, "versioned": surroundings.versioned_python}
        return advice(
            "startup_hook_python_versioned", FINDINGS["startup_hook_python_versioned"].filled(paths), **paths
        )
    return success(PASSES["hook_trusted"], hooks=entries, codex_says=surroundings.read_back or None)
