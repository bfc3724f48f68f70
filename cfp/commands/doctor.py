"""Check the installation and its surroundings: each check with its evidence and its remedy."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

from cfp.commands.command import Command
from cfp.core.checks.check import CheckResult
from cfp.core.checks.table import run_checks
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts
from cfp.core.state import state_of, uses_proxy
from cfp.host.doctor_facts import read_doctor_facts
from cfp.host.home import Host
from cfp.messages import message
from cfp.result import Result

EXAMPLES = (
    ("", "all checks; exit code 2 where one that matters fails"),
    ("--format text", "all checks as a list for people"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    provider: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--provider", metavar="NAME", help="the provider to check (default: the active one)")


def run(args: Args, host: Host) -> Result:
    """Run all checks; `ok` is false where one that matters fails."""
    facts = host.survey(ask_codex=True)
    surroundings = replace(read_doctor_facts(host, facts), provider=args.provider)
    checks = {name: _recover_first(result, facts) for name, result in run_checks(facts, surroundings).items()}
    fixes = [result.fix for result in checks.values() if not result.ok]
    worker = facts.answering_worker
    health = None if worker is None else worker.health
    diagnosis = diagnose(facts)
    return Result(
        status="attention" if fixes else "ok",
        exit_code=2 if fixes else 0,
        fields={
            "ok": not fixes,
            "checks": [{"name": name, **result.to_json()} for name, result in checks.items()],
            "installed": facts.manifest is not None and uses_proxy(facts),
            "running": health is not None,
            "pid": None if health is None else health.pid,
            "provider": facts.settings.provider if facts.settings else None,
            "health": None if health is None else dict(health.raw),
            "state": state_of(facts),
            "diagnosis": diagnosis.to_json(),
            "next_user_action": next(iter(fixes), diagnosis.next_user_action),
        },
    )


def _recover_first(result: CheckResult, facts: Facts) -> CheckResult:
    """Make `recover` the remedy of an interrupted home, where every other failure may go with the recovery."""
    if result.ok or not facts.interrupted or result.code == facts.ownership.refusal:  # it refuses to run, too
        return result
    return replace(result, fix=message("interrupted").action)


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
)
