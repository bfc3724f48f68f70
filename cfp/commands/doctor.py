"""Sixteen checks of the installation and its surroundings, each with its evidence and what mends it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

from cfp.core.checks import Check, run_checks
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts
from cfp.core.state import Pointing, answering, pointing, state_of
from cfp.host.doctor_facts import look_around
from cfp.host.home import Host
from cfp.messages import message
from cfp.result import Result

EXAMPLES = (
    ("", "all checks; exit code 2 where one that matters fails"),
    ("--format text", "the same as a list with ticks"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    provider: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--provider", metavar="NAME", help="the provider to check (default: the active one)")


def run(args: Args, host: Host) -> Result:
    """Ask all checks; `ok` is false where one that matters fails."""
    facts = host.survey(ask_codex=True)
    machine = look_around(host, facts)
    checks = [_recover_first(check, facts) for check in run_checks(facts, machine, args.provider)]
    ok = all(check.ok for check in checks)
    at = answering(facts)
    health = None if at is None else at.health
    diagnosis = diagnose(facts)
    return Result(
        status="ok" if ok else "attention",
        exit_code=0 if ok else 2,
        fields={
            "ok": ok,
            "checks": [check.to_json() for check in checks],
            "installed": facts.manifest is not None and pointing(facts) is Pointing.PROXIED,
            "running": health is not None,
            "pid": None if health is None else health.pid,
            "provider": facts.settings.provider if facts.settings else None,
            "health": None if health is None else dict(health.raw),
            "state": state_of(facts),
            "diagnosis": diagnosis.to_json(),
            "next_user_action": next((check.fix for check in checks if not check.ok), diagnosis.next_user_action),
        },
    )


def _recover_first(check: Check, facts: Facts) -> Check:
    """In an interrupted home whatever else is not well may be well after the recovery: there is one way on."""
    return check if check.ok or not facts.interrupted else replace(check, fix=message("interrupted").action)
