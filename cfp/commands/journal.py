"""List the transactions of this home, or show one; redacted, read-only."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cfp.commands.command import Command
from cfp.errors import UsageError
from cfp.host.home import Host
from cfp.lifecycle.session import translated
from cfp.messages import message
from cfp.messages.results import RESULTS
from cfp.result import Result

EXAMPLES = (
    ("list", "open and finished transactions"),
    ("show TRANSACTION", "one of them, redacted"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    action: str
    transaction: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words."""
    parser.add_argument("action", choices=["list", "show"], help="list all, or show one")
    parser.add_argument("transaction", nargs="?", help="the id of an open or finished transaction")


def run(args: Args, host: Host) -> Result:
    """Read the journal without taking its lock."""
    with translated():
        open_ids = host.journal.interrupted()
        finished = host.journal.history()
    if args.action == "list":
        listed = {"open": list(open_ids), "transactions": list(finished)}
        return Result(status="listed", fields={**listed, **(_way_out(host) if open_ids else _FINISHED)})
    if args.transaction is None:
        raise UsageError("usage", reason="`journal show` needs an id, which `journal list` shows")
    if args.transaction in open_ids:
        with translated():
            return _shown(host.journal.inspect(args.transaction), _way_out(host))
    for entry in finished:
        if entry.get("id") == args.transaction:
            return _shown(entry)
    raise UsageError("usage", reason="no transaction has that id; `journal list` shows the ids")


_FINISHED: Final[Mapping[str, Any]] = {"at_work": False, "next_user_action": ""}


def _shown(transaction: Mapping[str, Any], way_out: Mapping[str, Any] = _FINISHED) -> Result:
    return Result(status="shown", fields={"transaction": transaction, **way_out})


def _way_out(host: Host) -> Mapping[str, Any]:
    """Return the next action for an open transaction: its command still runs, or was interrupted."""
    at_work = host.is_at_work
    return {
        "at_work": at_work,
        "next_user_action": (RESULTS["journal_at_work"] if at_work else message("interrupted")).action,
    }


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    needs_sockets=False,
)
