"""Stop the proxy; refused while the Codex config points at it, unless --force."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cfp.commands.settle import settle
from cfp.core.plan.start import plan_stop
from cfp.core.plan.worker import running
from cfp.host.machine import LOCK_TIMEOUT_S, Host
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.machine import Run
from cfp.lifecycle.session import locked
from cfp.lifecycle.tables import STOP
from cfp.messages import message
from cfp.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    force: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--force", action="store_true", help="stop it even where that cuts Codex off")


def run(args: Args, host: Host) -> Result:
    """Stop the worker of this home."""
    plan_stop(host.survey(), force=args.force)
    recovered = settle(host, "stop")
    if not host.layout.state.is_dir():
        return Result(status="not_running", fields={"pid": None, "cut_streams": 0, **recovered})
    with locked(host.journal, "stop", LOCK_TIMEOUT_S) as (lease, _):
        facts = host.survey()
        stops = plan_stop(facts, force=args.force)
        previous = running(facts) if stops else None
        switch = Switch(lease=lease, layout=host.layout, workers=host.workers, previous=previous)
        Run(STOP, switch).finish()
    pid = (previous.health or {}).get("pid") if previous is not None else None
    done = message("done.stopped")
    effect = message("effect.interrupted" if switch.cut_streams else "effect.none")
    return Result(
        status="stopped" if switch.stopped else "not_running",
        fields={
            "pid": pid,
            "cut_streams": switch.cut_streams,
            "message": done.sentence,
            "next_user_action": done.action,
            "current_session_effect": effect.sentence,
            **recovered,
        },
    )
