"""Checks of the SessionStart hook, which starts a missing worker."""

from __future__ import annotations

from cfp.codex.hooks_feature import hook_flags, hooks_enabled
from cfp.core.checks.check import DoctorFacts, Verdict, advice, failure, success
from cfp.core.facts import Facts
from cfp.core.plan.hook import hook_command
from cfp.core.state import HookState, hook_state, uses_proxy
from cfp.messages import CLI, Message, message


def hooks_enabled_check(facts: Facts, machine: DoctorFacts) -> Verdict:
    """Check that neither config.toml nor the administrator keeps hooks from running."""
    if machine.hooks_bar:
        text = Message(
            f"The administrator's {machine.hooks_bar} keeps hooks of users from running.",
            f"Run `{CLI} start` yourself after a reboot.",
        )
        return advice("hooks_disabled_by_policy", text)
    flags = hook_flags(facts.config.root)
    if not hooks_enabled(facts.config.root):
        text = Message(
            "config.toml switches hooks off, so Codex will not start the proxy.",
            f"Run `{CLI} install --start`, or set features.hooks = true.",
        )
        return failure("hooks_disabled", text, **flags)
    return success("Codex runs hooks.", **flags)


def startup_hook(facts: Facts, machine: DoctorFacts) -> Verdict:
    """Check that the hook is there, that Codex trusts it, and that it starts this installation."""
    if facts.settings is None or not uses_proxy(facts):
        return success("None is needed.")
    entries = [entry.to_json() for entry in facts.hook_entries]
    not_ready = message("diagnosis.startup_hook_not_ready")
    match hook_state(facts):
        case HookState.ABSENT:
            return failure("startup_hook_missing", not_ready, hooks=entries)
        case HookState.UNTRUSTED:
            return failure("startup_hook_untrusted", not_ready, hooks=entries)
    if machine.read_back and machine.read_back != "trusted":
        return failure("startup_hook_untrusted", not_ready, codex_says=machine.read_back)
    if facts.hook_entries[0].position.command != hook_command(facts):
        text = Message(
            "The hook starts another installation of codex-fast-proxy than this one.",
            f"Run `{CLI} install --start` to use this one.",
        )
        return advice("startup_hook_elsewhere", text)
    return success("Codex will start a missing proxy.", hooks=entries, codex_says=machine.read_back or None)
