"""Enable the proxy: verify the upstream, start the worker, then switch the Codex config; or undo all of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cfp.codex.app_server.answers import CodexAnswers
from cfp.commands.command import Command
from cfp.commands.rehearsal import check_machine, rehearse
from cfp.commands.route_flags import (
    add_catalogue_argument,
    add_clear_argument,
    add_codex_key_argument,
    add_rate_limit_argument,
    add_route_arguments,
)
from cfp.commands.settle import settle, switch_for
from cfp.commands.verification import remember, send, skipped_verification, tier_warnings
from cfp.core.facts import Facts
from cfp.core.fast.in_effect import fast_in_effect
from cfp.core.fast.verdicts import tier_verdicts
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import InstallPlan, plan_install
from cfp.core.plan.trust import plan_trust
from cfp.core.plan.worker import WorkerAction
from cfp.core.route_report import RouteWarning, route_and_auth, warning_fields
from cfp.core.settings import Policy
from cfp.core.state import state_of
from cfp.core.verdict.hook_run import hook_obstacle, hook_runs, temporary_python
from cfp.core.verdict.loading import config_refusal
from cfp.core.verdict.route import override
from cfp.errors import CfpError, UsageError
from cfp.host.codex_cli import HOOKS_LIST_SINCE
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.host.survey import RequestedAddress
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.machine import Table
from cfp.lifecycle.session import locked, transact
from cfp.lifecycle.tables import INSTALL, INSTALL_FILES, INSTALL_HANDOVER, INSTALL_OVER, SAVE
from cfp.messages.diagnoses import DIAGNOSES
from cfp.messages.results import EFFECTS, RESULTS
from cfp.result import Result
from journal import Lease

EXAMPLES = (
    ("--dry-run", "show what would change; writes nothing"),
    ("--start", "verify the provider, start the proxy, switch Codex"),
    ("--start --provider relay --activate-provider", "switch this provider and make it Codex's own choice"),
    ("--start --use-provider-auth-file", "send the key that prepare-chatgpt-login --apply keeps"),
    ("--start --codex-key-env RELAY_KEY", "have Codex send that variable's key, also signed in with ChatGPT"),
    ("--start --service-tier-policy inject_missing", "priority for every request that names no tier"),
    ("--prepare-only --upstream-base https://relay.example/v1", "save settings for later; Codex stays as it is"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    start: bool
    prepare_only: bool
    dry_run: bool
    provider: str | None
    activate_provider: bool
    host: str | None
    port: int | None
    proxy_base: str | None
    upstream_base: str | None
    service_tier: str | None
    service_tier_policy: str | None
    upstream_api_key_env: str | None
    use_provider_auth_file: bool
    clear_upstream_auth: bool
    codex_key_env: str | None
    pass_rate_limits: bool | None
    catalogue: bool | None
    no_verify: bool
    verify_timeout: float
    verbose_proxy: bool

    def request(self) -> RouteRequest:
        return RouteRequest(
            prepare_only=self.prepare_only,
            provider=self.provider,
            activate_provider=self.activate_provider,
            host=self.host,
            port=self.port,
            proxy_base=self.proxy_base,
            upstream_base=self.upstream_base,
            service_tier=self.service_tier,
            service_tier_policy=Policy(self.service_tier_policy) if self.service_tier_policy else None,
            upstream_api_key_env=self.upstream_api_key_env,
            use_provider_auth_file=self.use_provider_auth_file,
            clear_upstream_auth=self.clear_upstream_auth,
            codex_key_env=self.codex_key_env,
            pass_rate_limits=self.pass_rate_limits,
            catalogue=self.catalogue,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--start", action="store_true", help="start the proxy and switch the Codex config to it")
    mode.add_argument("--prepare-only", action="store_true", help="save the settings and leave Codex as it is")
    parser.add_argument("--dry-run", action="store_true", help="show what would change; writes nothing")
    parser.add_argument("--provider", metavar="NAME", help="the provider to switch (default: the active one)")
    parser.add_argument("--activate-provider", action="store_true", help="also make it Codex's model_provider")
    parser.add_argument("--host", metavar="ADDRESS", help="the loopback address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port",
        type=int,
        metavar="NUMBER",
        help="the port to listen on (default: 8787; for a home other than ~/.codex, a port of its own)",
    )
    parser.add_argument("--proxy-base", metavar="PATH", help="the path prefix of the proxy's URL (default: /v1)")
    parser.add_argument("--service-tier", metavar="TIER", help="the tier to inject (default: priority)")
    add_route_arguments(parser, default_url="its base_url in config.toml")
    add_clear_argument(parser)
    add_codex_key_argument(parser)
    add_rate_limit_argument(parser)
    add_catalogue_argument(parser)
    parser.add_argument("--no-verify", action="store_true", help="do not try the provider with a request first")
    parser.add_argument("--verbose-proxy", action="store_true", help="the proxy logs more to stderr")


_TABLES: dict[WorkerAction, Table[Switch]] = {
    WorkerAction.NONE: SAVE,
    WorkerAction.START: INSTALL,
    WorkerAction.HAND_OVER: INSTALL_HANDOVER,
    WorkerAction.REPLACE: INSTALL_OVER,
    WorkerAction.KEEP: INSTALL_FILES,
}


def run(args: Args, host: Host) -> Result:
    """Enable, prepare or plan; raises CfpError with everything as it was."""
    if not (args.start or args.prepare_only or args.dry_run):
        raise UsageError("start_required")
    check_machine(host)
    recovered = {} if args.dry_run else settle(host, "install")
    address = RequestedAddress(host=args.host, port=args.port, upstream_base=args.upstream_base)
    facts = host.survey(address, ask_codex=True, settled=not args.dry_run)
    rehearsal = rehearse(host, facts, args.request(), verified=not args.no_verify)
    if args.dry_run:
        return Result(status="planned", fields=_planned(rehearsal.plan))
    verification = (
        skipped_verification(host, facts, rehearsal.plan.settings)
        if rehearsal.request is None
        else send(host, rehearsal.plan.facts, rehearsal.request, args.verify_timeout)
    )
    with locked(host.journal, "install", LOCK_TIMEOUT_S, host.waiting) as (lease, _):
        facts = host.survey(address, ask_codex=True, settled=True)
        plan = plan_install(facts, args.request())
        switch = _transact(args, host, lease, facts, plan)
        remember(host, facts, verification)
        after, read_back = _look_back(host, lease, plan, facts.codex_version)
    if not args.prepare_only:
        host.reserve.keep(sum(len(data) for change in plan.changes for data in (change.before, change.after) if data))
    fields = {
        **_fields(after, plan, switch, verification),
        "verification": verification,
        **read_back,
        **recovered,
    }
    return Result(
        status="prepared" if args.prepare_only else "installed",
        exit_code=2 if _NOT_IN_FORCE & set(fields["warnings"]) else 0,
        fields=fields,
    )


# With one of these, config.toml points at the proxy, and yet no turn of Codex goes through it.
_NOT_IN_FORCE: Final = frozenset({"config_refused", "route_overridden"})


def _transact(args: Args, host: Host, lease: Lease, facts: Facts, plan: InstallPlan) -> Switch:
    switch = switch_for(host, lease, facts, plan.settings, verbose=args.verbose_proxy, prune=plan.prune)
    transact(
        switch,
        _TABLES[plan.worker],
        command="install",
        argv=("install", "--prepare-only" if args.prepare_only else "--start"),
        states=(plan.from_state, plan.to_state),
        changes=plan.changes,
    )
    return switch


def _look_back(
    host: Host, lease: Lease, plan: InstallPlan, version: tuple[int, ...] | None
) -> tuple[Facts, dict[str, Any]]:
    """Return the home as Codex has it now, and its word on our hook; the hook's key and hash are set right by it."""
    facts = host.survey(settled=True)
    if plan.hook is None:
        return facts, {}
    try:
        answers, failure = _answers(host, facts, version)
        verdict = "unavailable" if answers is None else _read_back(host, lease, plan, facts, answers)
        if verdict == "corrected":
            facts = host.survey(settled=True)
        return host.ask(facts), {"trust_read_back": verdict, **failure}
    except KeyboardInterrupt:  # the installation is committed by now, and the result must say so
        return facts, {"trust_read_back": "interrupted"}


def _answers(host: Host, facts: Facts, version: tuple[int, ...] | None) -> tuple[CodexAnswers | None, dict[str, str]]:
    """Return Codex's word on this home, or None and the reason, where there is one."""
    if (version or (0,)) < HOOKS_LIST_SINCE:
        return None, {}
    try:
        return host.answers(facts), {}
    except CfpError as error:
        return None, {"trust_read_back_error": error.code}


def _read_back(host: Host, lease: Lease, plan: InstallPlan, facts: Facts, answers: CodexAnswers) -> str:
    """Return whether Codex trusts our hook; its key and hash are recorded where ours differ."""
    ours = next((entry for entry in answers.hooks if plan.hook and entry.command == plan.hook.command), None)
    if ours is None:
        return "missing"
    if ours.trust_status == "trusted":
        return "trusted"
    changes = plan_trust(facts, ours.key, ours.current_hash)
    switch = Switch(lease=lease, layout=host.layout, workers=host.workers, settings=plan.settings)
    state = state_of(facts)
    transact(
        switch, INSTALL_FILES, command="install", argv=("install", "trust"), states=(state, state), changes=changes
    )
    return "corrected"


def _planned(plan: InstallPlan) -> dict[str, Any]:
    return {
        **route_and_auth(plan.facts, plan.settings),
        "from_state": plan.from_state,
        "to_state": plan.to_state,
        "worker": plan.worker,
        "files": [str(change.path) for change in plan.changes if change.before != change.after],
        "keys": [".".join(edit.path) for change in plan.changes for edit in change.edits],
        "verification_needed": plan.changed_route,
        **warning_fields(plan.route_warnings, plan.warnings),
        "changed": False,
    }


def _fields(facts: Facts, plan: InstallPlan, switch: Switch, verification: Mapping[str, Any]) -> dict[str, Any]:
    shortcomings = _shortcomings(facts, plan)
    done = RESULTS["prepared" if plan.hook is None else "installed"]
    done = next((warning.message for warning in shortcomings if warning.code in _NOT_IN_FORCE), done)
    started = plan.worker is WorkerAction.START or plan.worker.refreshes
    is_on = done == RESULTS["installed"]
    fast = fast_in_effect(facts, plan.settings) if is_on else None
    return {
        **route_and_auth(facts, plan.settings),
        "state": state_of(facts),
        "backup_path": str(plan.backup_path) if plan.backup_path else None,
        "started": started,
        "config_switched": plan.hook is not None,
        "startup_hook": _hook_fields(facts, plan),
        "switch_order": "proxy_started_before_config_switch" if plan.hook else None,
        "start_result": _start_result(plan, switch),
        **warning_fields((*plan.route_warnings, *shortcomings, *tier_warnings(verification)), plan.warnings),
        "hooks_opt_out_overridden": "hooks_opt_out_overridden" in plan.warnings,
        "fast": None if fast is None else fast.to_json(),
        "tier_verdicts": [one.to_json() for one in tier_verdicts(facts, plan.settings)],
        "message": done.sentence if fast is None else f"{done.sentence} {fast.message.sentence}",
        "next_user_action": done.action,
        "current_session_effect": EFFECTS["new_processes"].sentence,
    }


def _shortcomings(facts: Facts, plan: InstallPlan) -> tuple[RouteWarning, ...]:
    """Return what keeps the next sessions from the proxy, or the hook from starting it, although all is written."""
    if plan.hook is None:
        return ()
    warnings = []
    if refusal := config_refusal(facts):
        text = DIAGNOSES["config_refused"].filled({"reason": refusal})
        warnings.append(RouteWarning(code="config_refused", message=text))
    elif (leader := override(facts, plan.settings)) is not None:
        text = DIAGNOSES["route_overridden"].filled(leader.details)
        warnings.append(RouteWarning(code="route_overridden", message=text))
    elif (obstacle := hook_obstacle(facts)) is not None:
        warnings.append(RouteWarning(code=obstacle.code, message=obstacle.message))
    if facts.runtime.temporary:
        warnings.append(RouteWarning(code="startup_hook_python_temporary", message=temporary_python(facts)))
    return tuple(warnings)


def _hook_fields(facts: Facts, plan: InstallPlan) -> dict[str, Any] | None:
    if plan.hook is None:
        return None
    return {
        "status": plan.hook.status,
        "path": str(facts.layout.hooks),
        "command": plan.hook.command,
        "trusted": any(entry.runs for entry in facts.hook_entries),
        "runs": hook_runs(facts),
        "trust_states": [entry.to_json() for entry in facts.hook_entries],
    }


def _start_result(plan: InstallPlan, switch: Switch) -> dict[str, Any]:
    names = {
        WorkerAction.NONE: "not_attempted",
        WorkerAction.KEEP: "already_running",
        WorkerAction.START: "started",
        WorkerAction.HAND_OVER: "restarted",
        WorkerAction.REPLACE: "restarted",
    }
    health = switch.health or (switch.previous.health if switch.previous else None)
    old = switch.previous.pid if switch.previous else None
    return {
        "status": names[plan.worker],
        "pid": None if health is None else health.pid,
        "old_pid": old if plan.worker.refreshes else None,
        "healthy": health is not None,
        "cut_streams": switch.cut_streams,
    }


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=lambda args: not args.dry_run,
)
