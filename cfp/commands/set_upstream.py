"""Change the provider's URL, key or policy while the proxy is enabled; verified first, without cutting a session."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cfp.commands.command import Command, always
from cfp.commands.route_flags import RouteArgs, add_clear_argument, add_rate_limit_argument, add_route_arguments
from cfp.commands.settle import settle, switch_for
from cfp.commands.verification import remember, skipped_verification, tier_warnings, verify_candidate
from cfp.core.facts import Facts
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.set_upstream import UpstreamPlan, plan_set_upstream
from cfp.core.plan.worker import WorkerAction
from cfp.core.provider import is_same_url
from cfp.core.route_report import RouteWarning, route_and_auth, route_warnings, warning_fields
from cfp.core.state import state_of, uses_proxy
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.host.survey import RequestedAddress
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.machine import Table
from cfp.lifecycle.session import locked, transact
from cfp.lifecycle.tables import INSTALL_HANDOVER, INSTALL_OVER, SAVE
from cfp.messages.results import EFFECTS, RESULTS
from cfp.result import Result

EXAMPLES = (
    ("--upstream-base https://relay.example/v1", "another URL of the provider"),
    ("--service-tier-policy preserve", "inject no tier"),
    ("--use-provider-auth-file", "send the key that the proxy keeps, whatever Codex sends"),
    ("--clear-upstream-auth", "send what Codex sends again"),
    ("--service-tier-policy auto --restart", "apply at once; turns in progress finish on the old route"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args(RouteArgs):
    restart: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_route_arguments(parser)
    add_clear_argument(parser)
    add_rate_limit_argument(parser)
    parser.add_argument("--no-verify", action="store_true", help="do not try the provider with a request first")
    parser.add_argument(
        "--restart", action="store_true", help="apply at once; turns in progress finish on the old route"
    )
    parser.add_argument("--verbose-proxy", action="store_true", help="the proxy logs more to stderr")


_TABLES: dict[WorkerAction, Table[Switch]] = {
    WorkerAction.HAND_OVER: INSTALL_HANDOVER,
    WorkerAction.REPLACE: INSTALL_OVER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChange:
    """A change of the route, for a command that makes one.

    argv     the command's words, as the journal's history has them
    request  returns the route for the facts; asked again under the lock
    """

    argv: tuple[str, ...]
    request: Callable[[Facts], RouteRequest]
    upstream_base: str | None
    no_verify: bool
    verify_timeout: float
    restart: bool
    verbose_proxy: bool


def run(args: Args, host: Host) -> Result:
    """Verify, then save; raises CfpError with everything as it was."""
    change = RouteChange(
        argv=("set-upstream",),
        request=lambda _: args.request(),
        upstream_base=args.upstream_base,
        no_verify=args.no_verify,
        verify_timeout=args.verify_timeout,
        restart=args.restart,
        verbose_proxy=args.verbose_proxy,
    )
    recovered = settle(host, "set-upstream")
    return Result(status="upstream_updated", fields={**change_route(host, change), **recovered})


def change_route(host: Host, change: RouteChange) -> dict[str, Any]:
    """Verify a route, then save it, in a home that is settled; return the result's fields.

    Raises CfpError with everything as it was.
    """
    command, address = change.argv[0], RequestedAddress(upstream_base=change.upstream_base)
    facts = host.survey(address, settled=True)
    plan = plan_set_upstream(facts, change.request(facts), restart=change.restart)
    verification = (
        skipped_verification(host, facts, plan.settings)
        if change.no_verify
        else verify_candidate(host, facts, plan.settings, change.verify_timeout)
    )
    with locked(host.journal, command, LOCK_TIMEOUT_S, host.waiting) as (lease, _):
        facts = host.survey(address, settled=True)
        plan = plan_set_upstream(facts, change.request(facts), restart=change.restart)
        switch = switch_for(host, lease, facts, plan.settings, verbose=change.verbose_proxy, prune=plan.prune)
        transact(
            switch,
            _TABLES.get(plan.worker, SAVE),
            command=command,
            argv=change.argv,
            states=(plan.from_state, plan.to_state),
            changes=plan.changes,
        )
    remember(host, facts, verification)
    after = host.survey(settled=True)
    return {**_fields(facts, plan, switch, after, tier_warnings(verification)), "verification": verification}


def _fields(
    facts: Facts, plan: UpstreamPlan, switch: Switch, after: Facts, of_tier: tuple[RouteWarning, ...]
) -> dict[str, Any]:
    before = facts.running_worker
    outcome = _start_status(plan, running_before=before is not None)
    done = {"deferred": RESULTS["upstream_deferred"], "not_running": RESULTS["upstream_saved"]}.get(
        outcome, RESULTS["upstream_updated"]
    )
    health = switch.health or (before.health if before else None)
    return {
        **route_and_auth(after, plan.settings, pending=plan.restart_required),
        "state": state_of(after),
        **warning_fields((*route_warnings(after, plan.settings), *of_tier)),
        "previous_upstream_base": plan.previous.upstream_base,
        "config_matches": uses_proxy(after),
        "restart_required": plan.restart_required,
        "start_result": {
            "status": outcome,
            "pid": None if health is None else health.pid,
            "cut_streams": switch.cut_streams,
        },
        "startup_hook": {"status": "unchanged", "path": str(facts.layout.hooks)},
        "message": f"{done.sentence} {_key_follows(plan)}".strip(),
        "next_user_action": done.action,
        "current_session_effect": EFFECTS["interrupted" if switch.cut_streams else "none"].sentence,
    }


def _key_follows(plan: UpstreamPlan) -> str:
    """Return the sentence on a saved key that --upstream-base alone sends to another URL; "" for none."""
    settings, previous = plan.settings, plan.previous
    key = (settings.upstream_api_key_file, settings.upstream_api_key_env)
    is_same_key = key == (previous.upstream_api_key_file, previous.upstream_api_key_env)
    if not (settings.overrides_auth and is_same_key) or is_same_url(settings.upstream_base, previous.upstream_base):
        return ""
    urls = {"upstream_base": settings.upstream_base, "previous": previous.upstream_base}
    return RESULTS["saved_key_follows"].filled(urls).sentence


def _start_status(plan: UpstreamPlan, *, running_before: bool) -> str:
    if plan.worker.refreshes:
        return "restarted"
    if plan.restart_required:
        return "deferred"
    return "already_running" if running_before else "not_running"


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=always,
)
