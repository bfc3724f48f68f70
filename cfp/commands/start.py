"""Start the proxy from the saved settings, or replace one that serves older settings or older code."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from cfp.commands.command import Command, always
from cfp.commands.settle import settle, switch_for
from cfp.core.diagnosis import Diagnosis, diagnose
from cfp.core.facts import Facts
from cfp.core.plan.start import StartPlan, plan_start
from cfp.core.plan.worker import WorkerAction
from cfp.core.route_report import route_and_auth
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.lifecycle.effects import START_TIMEOUT_S, Switch
from cfp.lifecycle.machine import Table
from cfp.lifecycle.session import locked, transact
from cfp.lifecycle.tables import HANDOVER, RESTART, START
from cfp.messages.results import RESULTS
from cfp.result import Result
from journal import Lease

EXAMPLES = (("", "start it, or replace one that serves older settings or older code"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    verbose_proxy: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--verbose-proxy", action="store_true", help="the proxy logs more to stderr")


def run(args: Args, host: Host) -> Result:
    """Start, refresh, or find it running."""
    recovered = settle(host, "start")
    plan_start(host.survey(settled=True))
    with locked(host.journal, "start", LOCK_TIMEOUT_S, host.waiting) as (lease, _):
        facts = host.survey(settled=True)
        plan = plan_start(facts)
        switch = begin_worker(host, lease, facts, plan, command="start", verbose=args.verbose_proxy)
    fields = {**worker_fields(plan, switch, facts), **_use(diagnose(host.survey(settled=True)))}
    return Result(status=fields.pop("status"), fields={**fields, **route_and_auth(facts, plan.settings), **recovered})


def _use(diagnosis: Diagnosis) -> dict[str, str]:
    """Return the message for a proxy that config.toml does not point at, or whose record is lost."""
    if diagnosis.code == "unrecorded":
        return {"next_user_action": diagnosis.next_user_action}
    if diagnosis.code in {"not_enabled", "config_not_proxy"}:
        return {"message": RESULTS["started_unused"].sentence, "next_user_action": diagnosis.next_user_action}
    return {}


def begin_worker(
    host: Host,
    lease: Lease,
    facts: Facts,
    plan: StartPlan,
    *,
    command: str,
    verbose: bool,
    patience: float = START_TIMEOUT_S,
) -> Switch:
    """Run the table that the plan asks for; no table for a worker that is right already.

    patience  seconds that a new worker has to become healthy
    """
    switch = switch_for(host, lease, facts, plan.settings, verbose=verbose)
    switch.patience = patience
    if plan.worker is not WorkerAction.KEEP:
        transact(
            switch,
            _TABLES[plan.worker],
            command=command,
            argv=(command,),
            states=(plan.from_state, plan.to_state),
            changes=(),
        )
    return switch


_TABLES: dict[WorkerAction, Table[Switch]] = {
    WorkerAction.START: START,
    WorkerAction.HAND_OVER: HANDOVER,
    WorkerAction.REPLACE: RESTART,
}
_STATUS = {
    WorkerAction.KEEP: "already_running",
    WorkerAction.START: "started",
    WorkerAction.HAND_OVER: "restarted",
    WorkerAction.REPLACE: "restarted",
}


def worker_fields(plan: StartPlan, switch: Switch, facts: Facts) -> dict[str, Any]:
    """Return the result's fields about the worker."""
    before = facts.running_worker
    old = before.health if before is not None else None
    health = switch.health or old
    done = RESULTS["started"]
    return {
        "status": _STATUS[plan.worker],
        "healthy": health is not None,
        "pid": None if health is None else health.pid,
        "old_pid": old.pid if old is not None and plan.worker.refreshes else None,
        "reason": plan.reason or None,
        "cut_streams": switch.cut_streams,
        "message": done.sentence,
        "next_user_action": done.action,
    }


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=always,
    uses_reserve=True,
)
