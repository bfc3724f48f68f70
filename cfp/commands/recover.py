"""Settle an interrupted command: roll it back, or finish it where it was committed."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cfp.commands.settle import recovery_fields
from cfp.core.diagnosis import diagnose
from cfp.core.lifecycle import state_of
from cfp.host.machine import LOCK_TIMEOUT_S, Host
from cfp.lifecycle.session import locked, translated
from cfp.messages import message
from cfp.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    dry_run: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def run(args: Args, host: Host) -> Result:
    """Recover, or tell what recovery would do. Works offline, without Codex and without a worker."""
    hot = host.journal.hot()
    if not hot:
        return _result(host, "clean", {"transactions": []})
    if args.dry_run:
        with translated():
            return _result(host, "clean", {"dry_run": True, "transactions": [host.journal.inspect(tx) for tx in hot]})
    with locked(host.journal, "recover", LOCK_TIMEOUT_S) as (_, recovery):
        fields = recovery_fields(recovery)
    return _result(host, str(fields["kind"]), fields)


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
