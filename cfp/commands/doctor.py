"""Check the installation and its surroundings: each check with its evidence and its remedy."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

from cfp.commands.command import Command
from cfp.commands.probing import sent_turn
from cfp.commands.rehearsal import check_machine, rehearse
from cfp.commands.verification import DEFAULT_TIMEOUT_S, verify_candidate
from cfp.core.checks.check import CheckResult, DoctorFacts
from cfp.core.checks.table import run_checks
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts
from cfp.core.plan.candidate import RouteRequest
from cfp.core.state import is_enabled, state_of, uses_proxy
from cfp.errors import CfpError
from cfp.host.doctor_facts import read_doctor_facts
from cfp.host.home import Host
from cfp.host.survey import RequestedAddress
from cfp.messages import message
from cfp.result import Result

EXAMPLES = (
    ("", "all checks; exit code 2 where one that matters fails"),
    ("--online", "the same, and one small turn to the provider, as `install` sends it"),
    ("--probe", "the same, and one turn of the real Codex to a provider of ours, compared with what we predict"),
    ("--format json", "all checks, for a program, also on a terminal"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    provider: str | None
    port: int | None
    online: bool
    probe: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--provider", metavar="NAME", help="the provider to check (default: the active one)")
    parser.add_argument(
        "--port", type=int, metavar="NUMBER", help="the port that an install would take (default: as for install)"
    )
    parser.add_argument("--online", action="store_true", help="also try the provider with one small turn")
    parser.add_argument(
        "--probe", action="store_true", help="also have Codex send a turn to this program; no network, no quota"
    )


def run(args: Args, host: Host) -> Result:
    """Run all checks; `ok` is false where one that matters fails."""
    facts = host.survey(RequestedAddress(port=args.port), ask_codex=True)
    surroundings = _with_install(args, host, facts, read_doctor_facts(host, facts))
    if args.probe:
        surroundings = _with_turn(args, host, facts, surroundings)
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
            "running": None if facts.is_walled else health is not None,
            "pid": None if health is None else health.pid,
            "provider": facts.settings.provider if facts.settings else None,
            "health": None if health is None else dict(health.raw),
            "state": None if facts.is_walled else state_of(facts),
            "diagnosis": diagnosis.to_json(),
            "next_user_action": next(iter(fixes), diagnosis.next_user_action),
        },
    )


def _with_install(args: Args, host: Host, facts: Facts, surroundings: DoctorFacts) -> DoctorFacts:
    """Return the facts with the error of an install, where the proxy is not enabled yet, and with the online request.

    An interrupted home is not judged: the recovery comes first.
    """
    surroundings = replace(surroundings, provider=args.provider)
    settings = facts.settings
    if facts.is_walled:
        return surroundings
    if not is_enabled(facts) and not facts.interrupted:
        try:
            check_machine(host)
            request = RouteRequest(provider=args.provider, port=args.port)
            settings = rehearse(host, facts, request, verified=True).plan.settings
        except CfpError as error:
            return replace(surroundings, install_error=error)
    if not args.online or settings is None or facts.interrupted:
        return surroundings
    try:
        return replace(surroundings, online=verify_candidate(host, facts, settings, DEFAULT_TIMEOUT_S))
    except CfpError as error:
        return replace(surroundings, online_error=error)


def _with_turn(args: Args, host: Host, facts: Facts, surroundings: DoctorFacts) -> DoctorFacts:
    """Return the facts with the turn that Codex sends, or with the reason why it sends none."""
    try:
        return replace(surroundings, turn=sent_turn(host, facts, args.provider))
    except CfpError as error:
        return replace(surroundings, turn_error=error)


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
    needs_sockets=False,
)
