"""What an interrupted transaction comes to: without a commit every file goes back, with one it is finished."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from journal.codec import parse
from journal.context import Context
from journal.errors import Damaged, Unsupported
from journal.fs import storage
from journal.intents import Digester, Intent, intent_from_record
from journal.log import OPEN, load_log, open_transactions
from journal.redact import shown_file
from journal.restore import want
from journal.signals import Hold
from journal.target import look
from journal.transaction import Stage, Transaction
from journal.values import Json, KeyPath

Kind: TypeAlias = Literal["clean", "rolled_back", "finished", "conflict"]
INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What `Lease.recover` did.

    kind          "conflict" where own keys or files were changed by others and stay as found, or bytes were parked
    transactions  one summary for each, as in the history
    """

    kind: Kind
    transactions: tuple[Json, ...] = ()
    conflicts: tuple[KeyPath, ...] = ()
    workers: tuple[Json, ...] = ()


def recover_all(ports: Context, hold: Hold) -> Recovery:
    """Decide every open transaction, oldest first. Raises Damaged before anything of that transaction is touched."""
    done = [recover_one(ports, txid, hold) for txid in open_transactions(ports.fs, ports.root)]
    summaries = tuple(summary for _, summary in done)
    conflicts = tuple(conflict for transaction, _ in done for conflict in transaction.conflicts)
    workers = tuple(worker for transaction, _ in done for worker in transaction.workers)
    kind: Kind = "clean"
    if conflicts or any(summary["parked"] for summary in summaries):
        kind = "conflict"
    elif any(summary["outcome"] == "rolled_back" for summary in summaries):
        kind = "rolled_back"
    elif summaries:
        kind = "finished"
    return Recovery(kind=kind, transactions=summaries, conflicts=conflicts, workers=workers)


def recover_one(ports: Context, txid: str, hold: Hold) -> tuple[Transaction, Json]:
    transaction = resume(ports, txid, hold)
    if transaction.stage is Stage.COMMITTED:
        transaction.seal()
        transaction.retire_workers()
        transaction.finish()
        return transaction, transaction.summary("committed", INTERRUPTED)
    if transaction.stage is not Stage.RESTORED:
        require_images(transaction)
        transaction.restore_files()
    transaction.retract_workers()
    transaction.close_rolled_back(INTERRUPTED)
    return transaction, transaction.summary("rolled_back", INTERRUPTED)


def resume(ports: Context, txid: str, hold: Hold) -> Transaction:
    """Read an open log. Raises Damaged with what its files hold, as far as the log can still be read."""
    try:
        return Transaction.resume(ports, txid, load_log(ports.fs, ports.root, txid), hold=hold)
    except Damaged as damaged:
        with storage(ports.root):
            records = parse(ports.fs.read(ports.root / (txid + OPEN))).records
        raise Damaged(txid, files_now(ports, records)) from damaged


def require_images(transaction: Transaction) -> None:
    """Raise Damaged where a before-image is needed and unreadable, while nothing is touched yet."""
    for share in transaction.shares:
        with suppress(Unsupported):
            want(share, share.place.observe(share.intents), torn=False)


def files_now(ports: Context, records: Sequence[Json]) -> list[Json]:
    """What the files of a log hold now: "before", "after", "absent", "other" or "unreadable"."""
    if not records or "key" not in records[0]:
        return []
    digest = Digester(records[0]["key"])
    intents = [intent_from_record(record) for record in records if record["t"] in {"intent", "reintent"}]
    return [shown_file(intent, ports.shown) | {"now": _now(ports, intent, digest)} for intent in intents]


def _now(ports: Context, intent: Intent, digest: Digester) -> str:
    try:
        held = look(ports.fs, intent.target, digest)
    except (OSError, Unsupported):
        return "unreadable"
    found = digest(None if held is None else held.content)
    if found == intent.before:
        return "before"
    if found == intent.after:
        return "after"
    return "absent" if held is None else "other"


def inspect(ports: Context, txid: str) -> Json:
    """A redacted view of an open transaction, and what recovery would do with it."""
    with storage(ports.root / (txid + OPEN)):
        records = parse(ports.fs.read(ports.root / (txid + OPEN))).records
    view: dict[str, Json] = {"id": txid, "files": files_now(ports, records), "workers": []}
    try:
        transaction = Transaction.resume(ports, txid, load_log(ports.fs, ports.root, txid), hold=Hold())
        if transaction.stage not in {Stage.COMMITTED, Stage.RESTORED}:
            require_images(transaction)
    except (Damaged, Unsupported):
        return view | {"state": "damaged", "decision": "refuse"}
    begin = records[0]
    committed = transaction.stage is Stage.COMMITTED
    return view | {
        "state": "committed" if committed else "prepared",
        "decision": "finish" if committed else "roll_back",
        "command": begin["command"],
        "argv": begin["argv"],
        "tool": begin["tool"],
        "from": begin["from"],
        "to": begin["to"],
        "at": begin["at"],
        "workers": [_worker(record) for record in records if record["t"].startswith("proc_")],
    }


def _worker(record: Json) -> Json:
    return {"event": record["t"]} | {key: record[key] for key in ("nonce", "port", "pid") if key in record}
