"""One transaction, step by step: prepare, workers, swap, commit, finish; or back again."""

from __future__ import annotations

from journal.values import Json, KeyPath, WorkerRecord


class Transaction:
    """See the package's glossary; the order of calls is the order of the methods."""

    id: str

    def prepare(self) -> None:
        raise NotImplementedError

    def worker_intended(self, *, nonce: str, port: int, executable: str, settings_hash: str) -> None:
        raise NotImplementedError

    def worker_started(self, *, nonce: str, pid: int, started: str, boot_id: str) -> None:
        raise NotImplementedError

    def worker_stopping(self, *, record: WorkerRecord, relaunch: Json | None) -> None:
        raise NotImplementedError

    def swap(self) -> None:
        raise NotImplementedError

    def commit(self) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError

    def restore_files(self) -> tuple[KeyPath, ...]:
        raise NotImplementedError

    def retract_workers(self) -> None:
        raise NotImplementedError

    def close_rolled_back(self, reason: str) -> None:
        raise NotImplementedError
