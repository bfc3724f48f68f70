"""List the transactions of this home, or show one; redacted, read-only."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cfp.errors import UsageError
from cfp.host.machine import Host
from cfp.lifecycle.session import translated
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
        open_ids = host.journal.hot()
        finished = host.journal.history()
    if args.action == "list":
        return Result(status="listed", fields={"open": list(open_ids), "transactions": list(finished)})
    if args.transaction is None:
        raise UsageError("usage", reason="`journal show` needs the id of a transaction")
    if args.transaction in open_ids:
        with translated():
            return Result(status="shown", fields={"transaction": host.journal.inspect(args.transaction)})
    for entry in finished:
        if entry.get("id") == args.transaction:
            return Result(status="shown", fields={"transaction": entry})
    raise UsageError("usage", reason="no transaction has that id")
