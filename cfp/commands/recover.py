"""Settle an interrupted command, and mend a config that points at a proxy of which nothing is recorded."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cfp.commands.settle import mend, recovery_fields
from cfp.core.diagnosis import diagnose
from cfp.core.lifecycle import state_of
from cfp.core.plan.repair import Repair, plan_repair
from cfp.host.machine import LOCK_TIMEOUT_S, Host
from cfp.lifecycle.session import locked, translated
from cfp.messages import message
from cfp.result import Result

EXAMPLES = (
    ("--dry-run", "what would be done"),
    ("", "settle it; needs no network, no Codex and no proxy"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    dry_run: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def run(args: Args, host: Host) -> Result:
    """Recover, or tell what recovery would do. Works offline, without Codex and without a worker."""
    with translated():
        hot, tidy = host.journal.hot(), host.journal.is_tidy()
    if args.dry_run:
        with translated():
            open_transactions = [host.journal.inspect(tx) for tx in hot]
        repair = None if hot else plan_repair(host.survey())
        return _result(
            host, "clean", {"dry_run": True, "transactions": open_transactions, **_repair_fields(repair, done=False)}
        )
    if tidy and plan_repair(host.survey()) is None:
        return _result(host, "clean", {"transactions": []})
    with locked(host.journal, "recover", LOCK_TIMEOUT_S) as (lease, recovery):
        fields = recovery_fields(recovery)
        repair = mend(host, lease, "recover")
    kind = "repaired" if repair is not None else str(fields["kind"])
    return _result(host, kind, {**fields, **_repair_fields(repair, done=True)})


def _repair_fields(repair: Repair | None, *, done: bool) -> dict[str, object]:
    if repair is None:
        return {"repair": None}
    return {
        "repair": {
            "done": done,
            "provider": repair.provider,
            "base_url": repair.url,
            "source": repair.source,
            "files": [str(change.path) for change in repair.changes],
        }
    }


def _result(host: Host, kind: str, fields: dict[str, object]) -> Result:
    facts = host.survey()
    diagnosis = diagnose(facts)
    conflict = kind == "conflict"
    told = message("recovery_conflict", {"conflicts": fields.get("conflicts", [])}) if conflict else None
    return Result(
        status=kind,
        exit_code=3 if conflict else 0,
        fields={
            **fields,
            "state": state_of(facts),
            "diagnosis": diagnosis.to_json(),
            "message": told.sentence if told else None,
            "next_user_action": told.action if told else diagnosis.next_user_action,
        },
    )
