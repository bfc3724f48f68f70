"""The obstacle for which Codex does not run our hook, or for which the hook starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cfp.codex.hooks_feature import hook_flags, hooks_enabled
from cfp.core.facts import Facts
from cfp.core.state import HookState, hook_state
from cfp.core.verdict.loading import config_refusal, hooks_refusal
from cfp.messages.diagnoses import DIAGNOSES, DiagnosisCode
from cfp.messages.doctor import FINDINGS
from cfp.messages.message import Message

_RUNNING: Final = frozenset({"trusted", "managed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HookObstacle:
    """One obstacle; `details` are the values of its sentence's placeholders."""

    code: DiagnosisCode
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def message(self) -> Message:
        return DIAGNOSES[self.code].filled(self.details)


def hook_runs(facts: Facts) -> bool:
    """Whether Codex starts a session with our hook, and the hook can start."""
    return not facts.config.is_unparseable and not config_refusal(facts) and hook_obstacle(facts) is None


def hook_obstacle(facts: Facts) -> HookObstacle | None:
    """Return the first obstacle, of a home whose config Codex takes; None where the hook runs."""
    if reason := hooks_refusal(facts):
        return HookObstacle(code="hooks_file_refused", details={"path": str(facts.layout.hooks), "reason": reason})
    if not facts.hook_entries:
        return HookObstacle(code="startup_hook_not_ready")
    if (feature := feature_obstacle(facts)) is not None:
        return feature
    if (broken := facts.broken_hook) is not None:
        details = {"program": broken.path, "reason": broken.reason}
        return HookObstacle(code="startup_hook_program_broken", details=details)
    return None if _is_trusted(facts) else HookObstacle(code="startup_hook_not_ready")


def temporary_python(facts: Facts) -> Message:
    """Return the finding about a hook whose Python lies in a cache or a temporary folder."""
    paths = {"python": facts.runtime.python, "folder": facts.runtime.temporary}
    return FINDINGS["startup_hook_python_temporary"].filled(paths)


def feature_obstacle(facts: Facts) -> HookObstacle | None:
    """Return the file that keeps every hook of the user from running; None for none."""
    if file := _bar(facts):
        return HookObstacle(code="hooks_disabled_by_policy", details={"file": file})
    if file := _switch(facts):
        return HookObstacle(code="hooks_disabled", details={"file": file})
    return None


def _bar(facts: Facts) -> str:
    """Return the administrator's file that keeps users' hooks from running; "" for none."""
    system = facts.system
    if facts.codex is not None and not facts.codex.refusal:
        feature = facts.codex.hooks_feature
        if facts.codex.barred_hooks:
            return f"{system.layout.requirements} ({facts.codex.barred_hooks})"
        return feature.origin if feature is not None and feature.value is False and feature.is_managed else ""
    if system.requirements.get("allow_managed_hooks_only") is True or not hooks_enabled(system.requirements):
        return str(system.layout.requirements)
    return "" if hooks_enabled(system.managed) else str(system.layout.managed)


def _switch(facts: Facts) -> str:
    """Return the file that switches hooks off; "" for none."""
    if facts.codex is not None and not facts.codex.refusal:
        feature = facts.codex.hooks_feature
        return feature.origin if feature is not None and feature.value is False else ""
    doc, below = facts.config.root, facts.system.config
    if hook_flags(doc):
        return "" if hooks_enabled(doc) else str(facts.layout.config)
    return "" if hooks_enabled(below) else str(facts.system.layout.config)


def _is_trusted(facts: Facts) -> bool:
    """Whether Codex runs one of our entries: by its own list where it was asked."""
    if facts.codex is None or facts.codex.refusal:
        return hook_state(facts) is HookState.TRUSTED
    ours = {entry.position.command for entry in facts.hook_entries}
    return any(
        entry.enabled and entry.trust_status in _RUNNING for entry in facts.codex.hooks if entry.command in ours
    )
