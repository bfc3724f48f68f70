"""The plan of our SessionStart hook: its command line, its position in hooks.json, its trust."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from cfp.codex import hook_trust, hooks_document, hooks_json
from cfp.codex.hook_command import posix_line, windows_line
from cfp.core.facts import Facts, TextFact
from cfp.core.plan.baseline import Baseline
from cfp.core.program import READ_DESPITE_I, program_words
from cfp.errors import Refused
from journal.values import KeyEdit

HOOK_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPlan:
    """Our hook after the install; `status` is installed, updated or already_installed."""

    status: str
    command: str
    key: str
    trusted_hash: str


def hook_command(facts: Facts, *, windows: bool = sys.platform == "win32") -> str:
    """Return the command line of our SessionStart hook.

    `env` unsets the variables that Python reads despite -I; on Windows only a line that needs PowerShell can.
    """
    program = program_words(facts.runtime.python, facts.runtime.user_base)
    words = (*program, "autostart", "--codex-home", str(facts.layout.home), "--quiet")
    if windows:
        return windows_line(words, facts.runtime.powershell, unset=READ_DESPITE_I)
    unset = [word for name in READ_DESPITE_I for word in ("-u", name)]
    return posix_line(("/usr/bin/env", *unset, *words))


def plan_hook(facts: Facts, baseline: Baseline) -> tuple[bytes, HookPlan]:
    """Return the bytes of hooks.json and our hook in it; a hook with the right command keeps its position."""
    command = hook_command(facts)
    present = hooks_document.find_ours(facts.hooks.doc) if facts.hooks.doc is not None else ()
    right = [
        entry
        for entry in present
        if entry.command == command and entry.timeout == HOOK_TIMEOUT_S and entry.matcher is None
    ]
    if right and facts.hooks.data is not None and len(present) == 1:
        after, status = facts.hooks.data, "already_installed"
    else:
        group = hooks_document.group(command, HOOK_TIMEOUT_S)
        edit = hooks_json.edit_for(baseline.hooks.content, group)
        after = hooks_json.HOOKS_JSON.apply(baseline.hooks.content, (edit,))
        status = "updated" if present else "installed"
    position = hooks_json.position_after(after)
    if position is None:
        raise Refused("file_not_editable", reason="the edited file does not have the hook at its place")
    handler = hooks_document.parse(after)["hooks"]["SessionStart"][position[0]]["hooks"][position[1]]
    return after, HookPlan(
        status=status,
        command=command,
        key=hook_trust.trust_key(str(facts.layout.hooks), *position),
        trusted_hash=hook_trust.trusted_hash(handler, None),
    )


def current_edits(edits: tuple[KeyEdit, ...], hooks: TextFact) -> tuple[KeyEdit, ...]:
    """Return the edits relative to the file as it is now, which a rollback restores."""
    return tuple(hooks_json.edit_for(hooks.data, edit.after) for edit in edits)
