"""Recovery of interrupted transactions: one with a commit record is finished, any other is rolled back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from journal.codec import parse
from journal.context import Context
from journal.errors import Damaged, NewerLog, Unsupported
from journal.fs import storage_errors
from journal.intents import Digester, Intent, intent_from_record
from journal.log import OPEN, load_log, open_transactions
from journal.redact import redacted_file
from journal.relocation import relocation_of
from journal.rollback import decide
from journal.signals import SignalMask
from journal.target import read_file
from journal.transaction import Stage, Transaction
from journal.values import Json, KeyPath

Kind: TypeAlias = Literal["clean", "rolled_back", "finished", "conflict"]
INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The result of `Lease.recover`.

    kind          "conflict" where others changed own keys or files, which stay unchanged, or content was parked
    transactions  the history entry of each
    """

    kind: Kind
    transactions: tuple[Json, ...] = ()
    conflicts: tuple[KeyPath, ...] = ()
    workers: tuple[Json, ...] = ()


def recover_all(context: Context, signal_mask: SignalMask) -> Recovery:
    """Decide every open transaction, oldest first. Raises Damaged before any file of that transaction changes.

    Raises Misplaced likewise.
    """
    decided = [recover_one(context, txid, signal_mask) for txid in open_transactions(context.fs, context.root)]
    summaries = tuple(summary for _, summary in decided)
    conflicts = tuple(conflict for transaction, _ in decided for conflict in transaction.conflicts)
    workers = tuple(worker for transaction, _ in decided for worker in transaction.workers)
    kind: Kind = "clean"
    if conflicts or any(summary["parked"] for summary in summaries):
        kind = "conflict"
    elif any(summary["outcome"] == "rolled_back" for summary in summaries):
        kind = "rolled_back"
    elif summaries:
        kind = "finished"
    return Recovery(kind=kind, transactions=summaries, conflicts=conflicts, workers=workers)


def recover_one(context: Context, txid: str, signal_mask: SignalMask) -> tuple[Transaction, Json]:
    """Finish one open transaction or roll it back; return it with its history entry."""
    transaction = resume(context, txid, signal_mask)
    if transaction.stage is Stage.COMMITTED:
        transaction.rewrite_log()
        transaction.retire_workers()
        transaction.finish()
        return transaction, transaction.summary("committed", INTERRUPTED)
    if transaction.stage is not Stage.RESTORED:
        require_before_images(transaction)
        transaction.restore_files()
    transaction.retract_workers()
    transaction.close_rolled_back(INTERRUPTED)
    return transaction, transaction.summary("rolled_back", INTERRUPTED)


def resume(context: Context, txid: str, signal_mask: SignalMask) -> Transaction:
    """Read an open log. Raises Damaged with the state of the files that the readable part of the log names."""
    try:
        log = load_log(context.fs, context.root, txid)
        return Transaction.resume(context, txid, log, signal_mask=signal_mask)
    except Damaged as damaged:
        records = _readable_records(context, txid)
        raise Damaged(txid, current_files(context, txid, records)) from damaged


def require_before_images(transaction: Transaction) -> None:
    """Raise Damaged where a needed before-image is unreadable, before any file changes."""
    for participant in transaction.participants:
        with suppress(Unsupported):
            decide(participant, participant.area.observe(participant.intents), rebooted=False)


def current_files(context: Context, txid: str, records: Sequence[Json]) -> list[Json]:
    """Describe each file of a log; "now" is "before", "after", "absent", "other" or "unreadable".

    Raises Misplaced.
    """
    if not records or "key" not in records[0]:
        return []
    digest = Digester(records[0]["key"])
    relocation = relocation_of(context.fs, context.root, txid, records)
    intents = [
        relocation.intent(intent_from_record(record)) for record in records if record["t"] in {"intent", "reintent"}
    ]
    return [redacted_file(intent) | {"now": _current_state(context, intent, digest)} for intent in intents]


def _current_state(context: Context, intent: Intent, digest: Digester) -> str:
    try:
        content = read_file(context.fs, intent.target, digest)
    except (OSError, Unsupported):
        return "unreadable"
    current = digest(None if content is None else content.data)
    if current == intent.before_digest:
        return "before"
    if current == intent.after_digest:
        return "after"
    return "absent" if content is None else "other"


def inspect(context: Context, txid: str) -> Json:
    """Return a redacted view of an open transaction and the decision of recovery; see `Journal.inspect`.

    Raises Misplaced, NewerLog.
    """
    records = _readable_records(context, txid)
    view: dict[str, Json] = {"id": txid, "files": current_files(context, txid, records), "workers": []}
    try:
        log = load_log(context.fs, context.root, txid)
        transaction = Transaction.resume(context, txid, log, signal_mask=SignalMask())
        if transaction.stage not in {Stage.COMMITTED, Stage.RESTORED}:
            require_before_images(transaction)
    except NewerLog:
        raise
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


def _readable_records(context: Context, txid: str) -> tuple[Json, ...]:
    path = context.root / (txid + OPEN)
    with storage_errors(path):
        return parse(context.fs.read(path)).records


def _worker(record: Json) -> Json:
    return {"event": record["t"]} | {key: record[key] for key in ("nonce", "port", "pid") if key in record}
