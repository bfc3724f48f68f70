"""Checks of the SessionStart hook, which starts a missing worker."""

from __future__ import annotations

from cfp.codex.hooks_feature import hook_flags
from cfp.core.checks.check import CheckResult, DoctorFacts, advice, failure, success
from cfp.core.facts import Facts
from cfp.core.plan.hook import hook_command
from cfp.core.state import hooks_isolated, uses_proxy
from cfp.core.verdict.hook_run import feature_obstacle, hook_obstacle, temporary_python
from cfp.messages.diagnoses import DIAGNOSES
from cfp.messages.doctor import FINDINGS, PASSES


def hooks_enabled_check(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Check that no file keeps hooks from running."""
    flags = hook_flags(facts.config.root)
    obstacle = feature_obstacle(facts)
    if obstacle is None:
        return success(PASSES["hooks_enabled"], **flags)
    if obstacle.code == "hooks_disabled_by_policy":
        return advice("hooks_disabled_by_policy", obstacle.message, **flags)
    return failure("hooks_disabled", obstacle.message, **flags)


def startup_hook(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that Codex runs the hook, and that it starts this installation."""
    if facts.settings is None or not uses_proxy(facts):
        return success(PASSES["hook_not_needed"])
    entries = [entry.to_json() for entry in facts.hook_entries]
    ours = {entry.position.command for entry in facts.hook_entries}
    listed = facts.codex.hooks if facts.codex is not None else ()
    codex_says = next((entry.trust_status for entry in listed if entry.command in ours), None)
    if (obstacle := hook_obstacle(facts)) is not None:
        if obstacle.code == "hooks_disabled_by_policy":
            return advice("hooks_disabled_by_policy", obstacle.message, hooks=entries)
        code: str = obstacle.code
        if code == "startup_hook_not_ready":
            code = "startup_hook_untrusted" if entries else "startup_hook_missing"
        return failure(code, obstacle.message, hooks=entries, codex_says=codex_says)
    if not hooks_isolated(facts):
        return advice("startup_hook_not_isolated", DIAGNOSES["startup_hook_not_isolated"], hooks=entries)
    if facts.hook_entries[0].position.command != hook_command(facts):
        return advice("startup_hook_elsewhere", FINDINGS["startup_hook_elsewhere"])
    if facts.runtime.temporary:
        return advice("startup_hook_python_temporary", temporary_python(facts), folder=facts.runtime.temporary)
    if surroundings.versioned_python:
        paths = {"python": facts.runtime.python, "versioned": surroundings.versioned_python}
        return advice(
            "startup_hook_python_versioned", FINDINGS["startup_hook_python_versioned"].filled(paths), **paths
        )
    return success(PASSES["hook_trusted"], hooks=entries, codex_says=codex_says)
