"""Stop the proxy; refused while the Codex config points at it, unless --force."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cfp.commands.command import Command, always
from cfp.commands.settle import recovered_field, settle
from cfp.core.facts import Facts, PortFact
from cfp.core.plan.start import plan_stop
from cfp.errors import CutShort
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.lifecycle.effects import STOP_GRACE_S, Switch
from cfp.lifecycle.machine import Run
from cfp.lifecycle.session import locked
from cfp.lifecycle.tables import STOP
from cfp.messages.results import EFFECTS, RESULTS
from cfp.result import Result
from cfp.signals import exit_code

EXAMPLES = (
    ("", "stop it; refused while the Codex config points at it"),
    ("--force", "stop it all the same; sessions that use it fail"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    force: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--force", action="store_true", help="stop it even while the Codex config points at it")


def run(args: Args, host: Host) -> Result:
    """Stop the worker of this home."""
    facts = host.survey()
    plan_stop(facts, force=args.force)
    if not host.disk.is_folder(host.layout.state) and facts.running_worker is None:
        # No lock is taken here, so nothing else settles a transaction or reports a journal that cannot be read.
        return Result(status="not_running", fields={"pid": None, "cut_streams": 0, **settle(host, "stop")})
    if not facts.home_exists:
        return _stop_without_home(host, facts)
    with locked(host.journal, "stop", LOCK_TIMEOUT_S, host.waiting) as (lease, recovery):
        facts = host.survey(settled=True)
        stops = plan_stop(facts, force=args.force)
        previous = facts.running_worker if stops else None
        draining = facts.draining if stops else ()
        switch = Switch(lease=lease, layout=host.layout, workers=host.workers, previous=previous, draining=draining)
        try:
            Run(STOP, switch).finish()
        except KeyboardInterrupt as interrupt:  # it drains by now, and nothing calls it back
            raise CutShort(
                "stop_interrupted", exit_code=exit_code(interrupt), changed="the proxy is stopping"
            ) from interrupt
    return _stopped((previous, *draining), switch.cut_streams, recovered_field(recovery))


def _stop_without_home(host: Host, facts: Facts) -> Result:
    """The home was deleted under its workers: there is no place for a lock, and nobody whom it would keep out."""
    first = worker = facts.running_worker
    cut = 0
    while worker is not None:
        cut += host.workers.stop((worker,), STOP_GRACE_S)
        worker = host.survey(settled=True).running_worker
    return _stopped((first,), cut, {})


def _stopped(workers: Sequence[PortFact | None], cut_streams: int, recovered: dict[str, Any]) -> Result:
    done = RESULTS["stopped"]
    ended = [worker for worker in workers if worker is not None]
    effect = EFFECTS["interrupted" if cut_streams else "none"]
    return Result(
        status="stopped" if ended else "not_running",
        fields={
            "pid": ended[0].pid if ended else None,
            "cut_streams": cut_streams,
            "message": done.sentence,
            "next_user_action": done.action,
            "current_session_effect": effect.sentence,
            **recovered,
        },
    )


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=always,
)
