"""The processes of one transaction, as its log names them, and what becomes of them when it turns back."""

from __future__ import annotations

from collections.abc import Iterator

from journal.log import Log
from journal.values import Json, Processes, WorkerRecord

INTENDED = "proc_intent"
STARTED = "proc_started"
STOPPING = "proc_stopping"
UNDONE = "proc_undone"  # informative but for a relaunch, which must not happen twice


def started(log: Log) -> Iterator[WorkerRecord]:
    """Every worker that was started or may have been, newest first."""
    workers: dict[str, WorkerRecord] = {}
    for record in log.records:
        if record["t"] in {INTENDED, STARTED}:
            workers[record["nonce"]] = _worker(record, workers.get(record["nonce"]))
    return reversed(workers.values())


def stopped(log: Log) -> Iterator[tuple[WorkerRecord, Json | None]]:
    """Every earlier worker that was stopped or may have been, with what is needed to run it again."""
    for record in log.records:
        if record["t"] == STOPPING:
            yield _worker(record, None), record["relaunch"]


def retract(log: Log, processes: Processes) -> tuple[Json, ...]:
    """End what was started, then start again what was stopped; once, however often it is called."""
    done = {(record["nonce"], record["was"]) for record in log.records if record["t"] == UNDONE}
    outcomes: list[Json] = []
    for worker in started(log):
        if (worker.nonce, STARTED) not in done:
            outcome = processes.retract(worker)
            outcomes.append(_outcome(worker, outcome))
            log.append({"t": UNDONE, "nonce": worker.nonce, "was": STARTED, "outcome": outcome}, durable=False)
    for worker, spec in stopped(log):
        if spec is not None and (worker.nonce, STOPPING) not in done:
            runs = "relaunched" if processes.relaunch(spec) else "not_relaunched"
            outcomes.append(_outcome(worker, runs))
            log.append({"t": UNDONE, "nonce": worker.nonce, "was": STOPPING, "outcome": runs}, durable=False)
    return tuple(outcomes)


def retire(log: Log, processes: Processes) -> tuple[Json, ...]:
    """End the earlier workers of a transaction that is committed: they were meant to go."""
    return tuple(_outcome(worker, processes.retract(worker)) for worker, _ in stopped(log))


def _worker(record: Json, former: WorkerRecord | None) -> WorkerRecord:
    return WorkerRecord(
        nonce=record["nonce"],
        port=record["port"] if former is None else former.port,
        pid=record.get("pid"),
        started=record.get("started"),
        boot_id=record.get("boot_id"),
    )


def _outcome(worker: WorkerRecord, outcome: str) -> Json:
    return {"nonce": worker.nonce, "port": worker.port, "pid": worker.pid, "outcome": outcome}
