"""Finish or undo an interrupted command, and repair a config that points at a proxy without a record."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cfp.commands.command import Command, always
from cfp.commands.settle import mend, recovery_fields
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts
from cfp.core.plan.repair import Repair, check_readable_for_repair, check_recorded, plan_recovery
from cfp.core.state import state_of
from cfp.errors import Busy
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.host.system.files.privacy import close_to_others
from cfp.lifecycle.session import locked, translated
from cfp.messages import Message, message
from cfp.messages.recovery import RECOVERY
from cfp.messages.results import RESULTS
from cfp.result import Result

EXAMPLES = (
    ("--dry-run", "show what would be done; writes nothing"),
    ("", "finish or undo it; needs no network, no Codex and no proxy"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    dry_run: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--dry-run", action="store_true", help="show what would be done; writes nothing")


def run(args: Args, host: Host) -> Result:
    """Recover, or show what recovery would do. It needs no network, no Codex and no worker."""
    with translated():
        interrupted, clean = host.journal.interrupted(), host.journal.is_clean()
    if args.dry_run:
        if interrupted and host.is_at_work:
            raise Busy("busy", holder=str(host.journal.holder().get("command") or "another command"))
        with translated():
            open_transactions = [host.journal.inspect(tx) for tx in interrupted]
        facts = host.survey()
        repair = None if interrupted else _repair(facts)
        would = _would(open_transactions, repair)
        fields = {"dry_run": True, "transactions": open_transactions, **_repair_fields(repair, done=False)}
        return _result(facts, "clean", fields, would=would)
    close_to_others(host.layout.own_folders)
    if clean:
        facts = host.survey(settled=True)
        if _repair(facts) is None:
            return _result(facts, "clean", {"transactions": []})
    with locked(host.journal, "recover", LOCK_TIMEOUT_S, host.waiting) as (lease, recovery):
        fields = recovery_fields(recovery)
        facts = host.survey(settled=True)
        if fields["kind"] == "clean":  # else the result must say what was settled
            check_readable_for_repair(facts)
        repair = plan_recovery(facts)
        if repair is not None:
            mend(host, lease, facts, repair, command="recover")
            facts = host.survey(settled=True)
    kind = "repaired" if repair is not None else str(fields["kind"])
    return _result(facts, kind, {**fields, **_repair_fields(repair, done=True)})


def _repair(facts: Facts) -> Repair | None:
    """Return the repair of the home; raises ConfigDrift(proxy_unrecorded) where too little is recorded for one."""
    check_readable_for_repair(facts)
    check_recorded(facts)
    return plan_recovery(facts)


_DONE: Final[dict[str, Message]] = {
    "clean": RESULTS["recover_clean"],
    "rolled_back": RESULTS["recover_rolled_back"],
    "finished": RESULTS["recover_finished"],
    "repaired": RESULTS["recover_repaired"],
}


def _would(transactions: Sequence[Mapping[str, Any]], repair: Repair | None) -> str:
    """Return the work of a recovery in sentences; "" for none."""
    work = [RECOVERY[tx["decision"]].filled({"command": "?", "at": "?", **tx}) for tx in transactions]
    if repair is not None:
        details = {"provider": repair.provider, "url": repair.url, "source": repair.source}
        work.append(RECOVERY["repair"].filled(details))
    return " ".join(step.sentence for step in work)


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


def _result(facts: Facts, kind: str, fields: dict[str, Any], *, would: str = "") -> Result:
    diagnosis = diagnose(facts)
    conflict = kind == "conflict"
    if conflict:
        text = message("recovery_conflict", {"conflicts": fields.get("conflicts", [])})
    elif would:
        damaged = [tx["id"] for tx in fields["transactions"] if tx["decision"] == "refuse"]
        records = [f"{facts.layout.journal / tx}.open" for tx in damaged]
        text = RESULTS["recover_would_refuse" if damaged else "recover_would_settle"].filled(
            {"work": would, "records": records}
        )
    else:
        text = _DONE[kind].filled(fields.get("repair") or {})
    return Result(
        status=kind,
        exit_code=3 if conflict else 0,
        fields={
            **fields,
            "state": state_of(facts),
            "diagnosis": diagnosis.to_json(),
            "message": text.sentence,
            "next_user_action": text.action or diagnosis.next_user_action,
        },
    )


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=always,
    uses_reserve=True,
)
