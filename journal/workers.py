"""The worker processes of one transaction, as its log names them, and their roll back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from journal.log import Log
from journal.values import Json, Processes, WorkerRecord

INTENDED = "proc_intent"
STARTED = "proc_started"
STOPPING = "proc_stopping"
UNDONE = "proc_undone"  # it keeps a repeated roll back from relaunching a worker twice


class NoProcesses:
    """The processes of a copied log: none, since all that it names belong to the original."""

    def retract(self, _worker: WorkerRecord) -> Literal["gone"]:
        return "gone"

    def relaunch(self, _spec: Json) -> bool:
        return False


NO_PROCESSES: Final = NoProcesses()


class NoRelaunch:
    """The processes of a log whose folder was renamed: a relaunch would use the former name."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def retract(self, worker: WorkerRecord) -> Literal["stopped", "gone", "deferred", "draining"]:
        return self._processes.retract(worker)

    def relaunch(self, _spec: Json) -> bool:
        return False


def started_workers(log: Log) -> Iterator[WorkerRecord]:
    """Return every worker that was started or may have been, newest first."""
    workers: dict[str, WorkerRecord] = {}
    for record in log.records:
        if record["t"] in {INTENDED, STARTED}:
            workers[record["nonce"]] = _worker(record, workers.get(record["nonce"]))
    return reversed(workers.values())


def stopped_workers(log: Log) -> Iterator[tuple[WorkerRecord, Json | None]]:
    """Yield every earlier worker that was stopped or may have been, with its `relaunch` value."""
    for record in log.records:
        if record["t"] == STOPPING:
            yield _worker(record, None), record["relaunch"]


def retract(log: Log, processes: Processes) -> tuple[Json, ...]:
    """End the started workers, then relaunch the stopped ones; a repeated call leaves out what is done."""
    done = {(record["nonce"], record["was"]) for record in log.records if record["t"] == UNDONE}
    outcomes: list[Json] = []
    for worker in started_workers(log):
        if (worker.nonce, STARTED) not in done:
            outcome = processes.retract(worker)
            outcomes.append(_outcome(worker, outcome))
            log.append({"t": UNDONE, "nonce": worker.nonce, "was": STARTED, "outcome": outcome}, durable=False)
    for worker, spec in stopped_workers(log):
        if spec is not None and (worker.nonce, STOPPING) not in done:
            result = "relaunched" if processes.relaunch(spec) else "not_relaunched"
            outcomes.append(_outcome(worker, result))
            log.append({"t": UNDONE, "nonce": worker.nonce, "was": STOPPING, "outcome": result}, durable=False)
    return tuple(outcomes)


def retire(log: Log, processes: Processes) -> tuple[Json, ...]:
    """End the earlier workers that a committed transaction meant to stop."""
    return tuple(_outcome(worker, processes.retract(worker)) for worker, _ in stopped_workers(log))


def _worker(record: Json, earlier: WorkerRecord | None) -> WorkerRecord:
    return WorkerRecord(
        nonce=record["nonce"],
        port=record["port"] if earlier is None else earlier.port,
        pid=record.get("pid"),
        started=record.get("started"),
        boot_id=record.get("boot_id"),
    )


def _outcome(worker: WorkerRecord, outcome: str) -> Json:
    return {"nonce": worker.nonce, "port": worker.port, "pid": worker.pid, "outcome": outcome}
