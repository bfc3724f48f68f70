"""Rules about Fast, by the kind of a request and its model, and a budget of it a day: list, add, remove or try them.

The first rule that matches a request decides; where none does, the policy decides.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cfp.commands.command import Command
from cfp.commands.settle import settle, switch_for
from cfp.core.facts import Facts
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.set_upstream import UpstreamPlan, plan_set_upstream
from cfp.core.plan.worker import WorkerAction
from cfp.core.policy import EffectivePolicy
from cfp.core.route_report import policy_in_effect
from cfp.core.state import state_of
from cfp.core.tiers.rules import Action, TierRule, decide, parse_rules, with_rule
from cfp.core.traffic.kinds import Kind
from cfp.errors import Refused, UsageError
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.machine import Table
from cfp.lifecycle.session import locked, transact
from cfp.lifecycle.tables import INSTALL_HANDOVER, INSTALL_OVER, SAVE
from cfp.messages.results import RESULTS, ResultCode
from cfp.result import Result

EXAMPLES = (
    ("list", "the rules, in the order in which they are tried"),
    ("add --kind subagent --action remove", "no Fast for subagents, whatever they ask for"),
    (
        "add --model 'gpt-5*' --kind turn --action add --at 1 --restart",
        "Fast for your turns with these models, at once",
    ),
    ("remove 1", "without the first rule"),
    ("budget --requests 200", "Fast for the first 200 requests of a day (UTC), the others without"),
    ("test --kind review --model gpt-5.5", "which rule decides about such a request, and how"),
)

_NO_TIER: Final = "no tier"
_MOST_DIGITS: Final = 15
_WRITING: Final = frozenset({"add", "remove", "budget"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    operation: str
    number: int | None
    model: str | None
    kind: str | None
    action: str | None
    at: int | None
    tier: str | None
    requests: int | None
    tokens: int | None
    restart: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words and flags."""
    parser.add_argument("operation", choices=["list", "add", "remove", "test", "budget"], help="what to do")
    parser.add_argument("number", nargs="?", type=_place, help="of the rule to remove, as list shows it")
    parser.add_argument(
        "--model", metavar="GLOB", help="add: only models of this name, with * and ?; test: the request's model"
    )
    parser.add_argument(
        "--kind",
        choices=[str(kind) for kind in Kind],
        help="add: only such requests; test: the request's kind (default: turn)",
    )
    parser.add_argument(
        "--action",
        choices=[str(action) for action in Action],
        help="add: Fast where Codex names no tier; remove: no Fast; keep: as Codex sent it; default: the standard "
        "tier by its name, also where the provider makes Fast its default",
    )
    parser.add_argument(
        "--at", type=_place, metavar="NUMBER", help="add: the rule's place (default: behind all others)"
    )
    parser.add_argument("--tier", metavar="TIER", help="test: the tier that Codex sends (default: none)")
    for name in ("requests", "tokens"):
        parser.add_argument(
            f"--{name}",
            type=_limit,
            metavar="NUMBER",
            help=f"budget: {name} with Fast on a day, after which they go without; 0: no limit",
        )
    parser.add_argument(
        "--restart", action="store_true", help="apply at once; turns in progress finish under the old rules"
    )


def _place(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("it must be a number from 1 on")
    return int(text)


def _limit(text: str) -> int:
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise argparse.ArgumentTypeError("it must be a number from 0 on")
    return int(text)


_TABLES: Final[dict[WorkerAction, Table[Switch]]] = {
    WorkerAction.HAND_OVER: INSTALL_HANDOVER,
    WorkerAction.REPLACE: INSTALL_OVER,
}


def run(args: Args, host: Host) -> Result:
    """List or try the rules, or change them in one transaction; raises CfpError with everything as it was."""
    if args.operation == "add":
        return Result(status="added", fields=_change(args, host))
    if args.operation == "remove":
        return Result(status="removed", fields=_change(args, host))
    if args.operation == "budget":
        return Result(status="budget_set", fields=_change(args, host))
    facts = host.survey()
    rules = _rules(facts)
    if args.operation == "test":
        return _test(args, facts, rules)
    done = RESULTS["rules_listed" if rules else "rules_none"]
    return Result(status="listed", fields={"rules": _to_json(rules), **_budget(facts), "message": done.sentence})


def _test(args: Args, facts: Facts, rules: Sequence[TierRule]) -> Result:
    """Decide about a request that nobody sends, as the saved settings do."""
    settings = facts.recorded_settings
    if settings is None:
        raise Refused("not_enabled")
    kind = Kind(args.kind or Kind.TURN)
    adds = policy_in_effect(facts, settings) is EffectivePolicy.INJECT_MISSING
    rule, tier = decide(rules, kind, args.model, args.tier, fast=settings.service_tier, adds=adds)
    text = RESULTS["rule_decides"].filled({"rule": rule, "before": args.tier or _NO_TIER, "after": tier or _NO_TIER})
    fields = {
        "rule": rule,
        "request_kind": kind,
        "model": args.model,
        "service_tier_before": args.tier,
        "service_tier_after": tier,
        "message": text.sentence,
    }
    return Result(status="tested", fields=fields)


def _change(args: Args, host: Host) -> dict[str, Any]:
    """Save the changed rules, and return the fields of the result."""
    recovered = settle(host, "fast")
    with locked(host.journal, "fast", LOCK_TIMEOUT_S, host.waiting) as (lease, _):
        facts = host.survey(settled=True)
        plan = plan_set_upstream(facts, _request(args, facts), restart=args.restart)
        switch = switch_for(host, lease, facts, plan.settings, prune=plan.prune)
        transact(
            switch,
            _TABLES.get(plan.worker, SAVE),
            command="fast",
            argv=("fast", args.operation),
            states=(plan.from_state, plan.to_state),
            changes=plan.changes,
        )
    after = host.survey(settled=True)
    done = RESULTS[_outcome(plan, running=facts.running_worker is not None)]
    return {
        "rules": _to_json(_rules(after)),
        **_budget(after),
        "state": state_of(after),
        "restart_required": plan.restart_required,
        "message": done.sentence,
        "next_user_action": done.action,
        **recovered,
    }


def _rules(facts: Facts) -> tuple[TierRule, ...]:
    settings = facts.recorded_settings
    return () if settings is None else parse_rules(settings.service_tier_rules)


def _budget(facts: Facts) -> dict[str, Any]:
    """Return the limits of a day, and what the running worker has counted today."""
    settings, worker = facts.recorded_settings, facts.running_worker
    return {
        "fast_requests_a_day": None if settings is None else settings.fast_requests_a_day,
        "fast_tokens_a_day": None if settings is None else settings.fast_tokens_a_day,
        "fast_budget": None if worker is None or worker.health is None else worker.health.raw.get("fast_budget"),
    }


def _request(args: Args, facts: Facts) -> RouteRequest:
    """Return the change of the settings; raises UsageError."""
    if args.operation != "budget":
        return RouteRequest(service_tier_rules=tuple(rule.text for rule in _changed(args, _rules(facts))))
    if args.requests is None and args.tokens is None:
        raise UsageError("usage", reason="`fast budget` needs --requests or --tokens")
    return RouteRequest(fast_requests_a_day=args.requests, fast_tokens_a_day=args.tokens)


def _changed(args: Args, rules: Sequence[TierRule]) -> tuple[TierRule, ...]:
    """Return the rules as the command line wants them; raises UsageError."""
    if args.operation == "add":
        if args.action is None:
            raise UsageError("usage", reason="`fast add` needs --action")
        kind = None if args.kind is None else Kind(args.kind)
        return with_rule(rules, TierRule(action=Action(args.action), kind=kind, model=args.model), args.at)
    if args.number is None or args.number > len(rules):
        raise UsageError("usage", reason="`fast remove` needs the number of a rule, which `fast list` shows")
    return (*rules[: args.number - 1], *rules[args.number :])


def _outcome(plan: UpstreamPlan, *, running: bool) -> ResultCode:
    if plan.restart_required:
        return "rules_deferred"
    return "rules_updated" if running else "rules_saved"


def _to_json(rules: Sequence[TierRule]) -> list[dict[str, Any]]:
    return [
        {"number": number, "rule": rule.text, "action": rule.action, "kind": rule.kind, "model": rule.model}
        for number, rule in enumerate(rules, 1)
    ]


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=lambda args: args.operation in _WRITING,
)
