"""Restore the files, then stop the proxy and remove its state; in two runs with --defer-stop."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from typing import Any, Final

from cfp.commands.command import Command, always
from cfp.commands.own_session import needs_running_proxy
from cfp.commands.settle import mend, recovered_field
from cfp.core.facts import Facts
from cfp.core.identities import Identity
from cfp.core.plan.repair import plan_repair
from cfp.core.plan.uninstall import (
    ConfigRestore,
    HookRemoval,
    Retirement,
    UninstallPlan,
    UninstallRequest,
    plan_uninstall,
)
from cfp.core.state import State, state_of
from cfp.errors import CutShort, Failed, Refused
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.machine import Run
from cfp.lifecycle.session import locked, transact
from cfp.lifecycle.tables import GIVE_BACK, RETIRE
from cfp.messages import Message, message
from cfp.messages.identities import IDENTITIES
from cfp.messages.results import EFFECTS, RESULTS, ResultCode
from cfp.result import Result
from cfp.signals import exit_code
from journal import Lease, StorageFailed

CONFIRMATION_CODE = "chatgpt_auth_direct_upstream_uninstall_requires_confirmation"


EXAMPLES = (
    ("", "restore the files and stop the proxy"),
    ("--defer-stop", "restore the files; the proxy stays for running sessions, until you run `uninstall` again"),
    ("--confirm-chatgpt-direct-uninstall", "go on although a ChatGPT login will reach the provider directly"),
    ("--force", "restore our keys even where another program changed them"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    defer_stop: bool
    confirm_chatgpt_direct_uninstall: bool
    force: bool
    keep_state: bool

    def request(self) -> UninstallRequest:
        return UninstallRequest(
            defer_stop=self.defer_stop,
            force=self.force,
            keep_state=self.keep_state,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--defer-stop", action="store_true", help="leave the proxy running for current sessions")
    parser.add_argument(
        "--confirm-chatgpt-direct-uninstall",
        action="store_true",
        help="go on although a ChatGPT login would go straight to the provider",
    )
    parser.add_argument(
        "--force", action="store_true", help="restore our keys even where another program changed them"
    )
    parser.add_argument("--keep-state", action="store_true", help="keep the settings and the saved key")


def run(args: Args, host: Host) -> Result:
    """Uninstall, or say what needs a yes first; a Codex session that uses the proxy keeps it until its restart."""
    facts = host.survey()
    alone = facts.running_worker
    # `stop` can do without a home, and so without a lock.
    if not facts.home_exists and alone is not None and not facts.unreadable:
        raise Refused("codex_home_deleted", path=str(facts.layout.home), pid=alone.pid)
    request = args.request()
    cuts_itself = not request.defer_stop and needs_running_proxy(host, facts)
    request = replace(request, defer_stop=request.defer_stop or cuts_itself)
    if not facts.interrupted:
        plan = plan_uninstall(facts, request)
        if plan.exposed is not None and not args.confirm_chatgpt_direct_uninstall:
            return _confirmation(facts, plan)
        if plan_repair(facts) is None and nothing_there(host, facts, plan):
            answer = _result(facts, replace(plan, retirement=Retirement.NOW), None, {}, state_of(facts))
            return _with_sentence(answer, "uninstall_not_needed")
    with locked(host.journal, "uninstall", LOCK_TIMEOUT_S, host.waiting) as (lease, recovery):
        recovered = recovered_field(recovery)
        facts = host.survey(settled=True)
        plan = plan_uninstall(facts, request)
        if plan.exposed is not None and not args.confirm_chatgpt_direct_uninstall:
            return _confirmation(facts, plan)
        repair = plan_repair(facts)
        if repair is not None:  # after all that may refuse: it changes config.toml
            mend(host, lease, facts, repair, command="uninstall")
            facts, exposed = host.survey(settled=True), plan.exposed
            plan = replace(
                plan_uninstall(facts, request),
                config_restore=ConfigRestore.RESTORED_BASE_URL,
                exposed=exposed,
            )
            recovered = {"recovered": {"kind": "repaired", "base_url": repair.url, "source": repair.source}}
        switch = _transact(host, lease, facts, plan)
    answer = _result(facts, plan, switch, recovered, state_of(host.survey(settled=True)))
    return _with_sentence(answer, "uninstall_own_session") if cuts_itself and not plan.conflicts else answer


def _with_sentence(answer: Result, code: ResultCode) -> Result:
    return replace(answer, fields={**answer.fields, "message": RESULTS[code].sentence})


def nothing_there(host: Host, facts: Facts, plan: UninstallPlan) -> bool:
    """True where there is nothing of ours to give back, stop or remove."""
    left = any(host.disk.is_folder(folder) for folder in (facts.layout.state, facts.layout.journal))
    return not plan.changes and not left and facts.running_worker is None


_GIVEN_BACK = "config and hooks are restored"


def _transact(host: Host, lease: Lease, facts: Facts, plan: UninstallPlan) -> Switch:
    switch = Switch(
        lease=lease,
        layout=host.layout,
        workers=host.workers,
        previous=facts.running_worker,
        draining=facts.draining,
        remove=plan.remove,
    )
    if plan.changes:
        transact(
            switch,
            GIVE_BACK,
            command="uninstall",
            argv=("uninstall",),
            states=(plan.from_state, State.RESTORED_DEFERRED),
            changes=plan.changes,
        )
    if plan.retirement is Retirement.NOW:
        try:
            Run(RETIRE, switch).finish()
        except KeyboardInterrupt as interrupt:  # nothing to undo: every row goes forward only
            raise CutShort(
                "uninstall_interrupted", exit_code=exit_code(interrupt), changed=_GIVEN_BACK
            ) from interrupt
        except StorageFailed as error:
            reason = os.strerror(error.errno or 0)
            raise CutShort(
                "uninstall_incomplete", exit_code=2, changed=_GIVEN_BACK, path=str(error.path), reason=reason
            ) from error
        except Failed as error:  # a worker that does not end
            raise CutShort(error.code, exit_code=2, changed=_GIVEN_BACK, **error.details) from error
    return switch


def _confirmation(facts: Facts, plan: UninstallPlan) -> Result:
    upstream = plan.settings.upstream_base if plan.settings else ""
    text = message("confirmation_required", {"upstream_base": upstream, "login": _login(plan)})
    return Result(
        status="confirmation_required",
        exit_code=4,
        fields={
            "code": CONFIRMATION_CODE,
            "message": text.sentence,
            "direct_upstream_auth_warning": _warning(facts, plan),
            "config_changed": False,
            "changed": False,
            "config_restore": ConfigRestore.NOT_ATTEMPTED,
            "startup_hook": {"status": HookRemoval.UNCHANGED, "path": str(facts.layout.hooks)},
            "stop_result": {"status": "not_attempted"},
            "files": "kept",
            "next_user_action": text.action,
        },
    )


def _login(plan: UninstallPlan) -> str:
    return IDENTITIES[plan.exposed or Identity.UNKNOWN]


def _warning(facts: Facts, plan: UninstallPlan) -> dict[str, Any] | None:
    if plan.exposed is None or plan.settings is None:
        return None
    details = {"upstream_base": plan.settings.upstream_base, "login": _login(plan)}
    text = message("chatgpt_auth_direct_upstream", details)
    return {
        "code": "chatgpt_auth_direct_upstream",
        "severity": "warning",
        "message": text.sentence,
        "next_user_action": text.action,
        "login_mode": facts.login,
        "upstream_base": plan.settings.upstream_base,
    }


_DONE: Final[dict[Retirement, Message]] = {
    Retirement.NOW: RESULTS["uninstalled"],
    Retirement.DEFERRED: RESULTS["uninstall_deferred"],
    Retirement.NEVER: RESULTS["uninstall_skipped"],
}


def _done(facts: Facts, plan: UninstallPlan) -> Message:
    if facts.newer_version and plan.retirement is Retirement.NOW:
        record, manifest = facts.layout.record_of_newer(facts.now), facts.layout.manifest
        details = {"version": facts.newer_version, "record": str(record), "manifest": str(manifest)}
        return RESULTS["uninstalled_url_alone"].filled(details)
    return _DONE[plan.retirement]


def _result(
    facts: Facts, plan: UninstallPlan, switch: Switch | None, recovered: dict[str, Any], after: State
) -> Result:
    warning = _warning(facts, plan)
    done = _done(facts, plan)
    cut = switch.cut_streams if switch else 0
    return Result(
        status="uninstalled",
        exit_code=3 if plan.conflicts else 0,
        fields={
            "provider": plan.settings.provider if plan.settings else None,
            "upstream_base": plan.settings.upstream_base if plan.settings else None,
            "config_restore": plan.config_restore,
            "conflicts": [".".join(path) for path in plan.conflicts],
            "stop_result": {"status": _stop_status(plan, switch), "cut_streams": cut},
            "cut_streams": cut,
            "startup_hook": {"status": plan.hook_removal, "path": str(facts.layout.hooks)},
            "backup_path": plan.backup_path,
            "files": "removed" if plan.retirement is Retirement.NOW and not plan.keep_state else "kept",
            "direct_upstream_auth_warning": warning,
            "message": done.sentence,
            "next_user_action": f"{warning['next_user_action']} {done.action}".strip() if warning else done.action,
            "current_session_effect": EFFECTS["interrupted" if cut else "new_processes"].sentence,
            "state": after,
            **recovered,
        },
    )


def _stop_status(plan: UninstallPlan, switch: Switch | None) -> str:
    if plan.retirement is Retirement.DEFERRED:
        return "deferred"
    if plan.retirement is Retirement.NEVER:
        return "not_attempted"
    return "stopped" if switch is not None and switch.stopped else "not_running"


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=always,
    uses_reserve=True,
)
