"""One transaction, step by step: prepare, workers, swap, commit, finish; or a roll back from any of these steps."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from journal import workers
from journal.cleanup import make_folders, remove_folders, remove_transaction_files
from journal.context import Context
from journal.errors import Drifted, JournalError, StorageFailed
from journal.fs import storage_errors
from journal.history import add_to_history
from journal.intents import Digester, Intent, intent_from_record
from journal.log import IMAGES, Log, create_log, write_images
from journal.participant import Participant
from journal.preflight import enlist, folders_to_make, require_free
from journal.redact import redacted_file
from journal.relocation import Relocation, relocation_of
from journal.rollback import roll_back, staging_areas
from journal.signals import SignalMask
from journal.swap import advance, observe
from journal.values import FileChange, Json, KeyPath, WorkerRecord
from journal.workers import NO_PROCESSES, NoRelaunch

MAX_ROUNDS = 8  # two without foreign writes; each re-intent takes two more, and three of them are enough


class Stage(enum.Enum):
    """The progress of a transaction. SWAPPING and COMMITTING begin with the first act of their step."""

    NEW = "new"
    PREPARED = "prepared"
    SWAPPING = "swapping"
    COMMITTING = "committing"
    COMMITTED = "committed"
    RESTORED = "restored"
    CLOSED = "closed"


class Transaction:
    """One transaction; its methods are called in the order in which they stand here. See `Lease.begin`.

    Until `finish` begins, `restore_files`, `retract_workers` and `close_rolled_back` roll it back from any stage,
    also after a call that failed half-way. A roll back that fails is left to `Lease.recover`.
    """

    def __init__(
        self,
        context: Context,
        txid: str,
        begin: Json,
        *,
        signal_mask: SignalMask,
        changes: Sequence[FileChange] = (),
        folders: Sequence[Path] = (),
    ) -> None:
        self.id = txid
        self.conflicts: tuple[KeyPath, ...] = ()
        self.workers: tuple[Json, ...] = ()
        self._context = context
        self._begin = begin
        self._signal_mask = signal_mask
        self._changes = changes
        self._folders = folders
        self._digest = Digester(begin["key"])
        self._stage = Stage.NEW
        self._participants: list[Participant] = []
        self._log: Log | None = None
        self._rebooted = False
        self._resumed = False
        self._relocation = Relocation()

    @classmethod
    def resume(cls, context: Context, txid: str, log: Log, *, signal_mask: SignalMask) -> Transaction:
        """Build an interrupted transaction from its log; it can be finished or rolled back, not continued."""
        relocation = relocation_of(context.fs, context.root, txid, log.records)
        if relocation.is_copy:
            context = replace(context, processes=NO_PROCESSES)
        elif relocation.former:
            context = replace(context, processes=NoRelaunch(context.processes))
        begin = log.records[0]
        self = cls(context, txid, begin, signal_mask=signal_mask)
        self._relocation = relocation
        self._log = log
        self._resumed = True
        self._rebooted = begin["boot_id"] != context.boot_id()
        for record in log.records:
            if record["t"] == "intent":
                intent = relocation.intent(intent_from_record(record))
                self._participants.append(Participant(context, txid, self._digest, intent))
            elif record["t"] == "reintent":
                intent = relocation.intent(intent_from_record(record))
                self._participants[record["i"]].intents.append(intent)
        for participant in self._participants:
            participant.areas = staging_areas(participant)
        self._stage = Stage.SWAPPING
        if self.has_record("commit"):
            self._stage = Stage.COMMITTED
        elif self.has_record("rolled"):
            self._stage = Stage.RESTORED
        return self

    def has_record(self, record_type: str) -> bool:
        """Whether the log holds a record of this type."""
        return self._log is not None and any(record["t"] == record_type for record in self._log.records)

    @property
    def participants(self) -> Sequence[Participant]:
        return self._participants

    @property
    def stage(self) -> Stage:
        return self._stage

    def prepare(self) -> None:
        """Log the intents with their before-images and stage every after-image. No target changes.

        A failure removes all of it again. Raises Drifted, Unsupported or StorageFailed.
        """
        self._expect(Stage.NEW)
        fs, root = self._context.fs, self._context.root
        self._participants = enlist(self._context, self.id, self._digest, self._changes)
        missing = folders_to_make(fs, self._participants, self._folders)
        self._begin["folders"] = [str(folder) for folder in missing]
        try:
            self._write_images()
            records = [self._begin, *(participant.intent.to_record() for participant in self._participants)]
            self._log = create_log(fs, root, self.id, records)
            self._stage = Stage.PREPARED
            make_folders(fs, missing)
            for participant in self._participants:
                participant.stage_after_image()
        except BaseException:
            self._discard()
            raise

    def log_worker_intent(self, *, nonce: str, port: int, executable: str, settings_hash: str) -> None:
        """Log durably that a worker is about to be spawned."""
        record = {"t": workers.INTENDED, "nonce": nonce, "port": port, "exe": executable, "settings": settings_hash}
        self._append(record, durable=True)

    def log_worker_started(self, *, nonce: str, pid: int, started: str, boot_id: str) -> None:
        """Log that a worker runs, before it may act. Not durable: a power cut that loses it ends the worker too."""
        record = {"t": workers.STARTED, "nonce": nonce, "pid": pid, "started": started, "boot_id": boot_id}
        self._append(record, durable=False)

    def log_worker_stopping(self, *, record: WorkerRecord, relaunch: Json | None) -> None:
        """Log durably that a worker is about to be stopped. A roll back passes `relaunch` to `Processes.relaunch`."""
        self._append(
            {
                "t": workers.STOPPING,
                "nonce": record.nonce,
                "port": record.port,
                "pid": record.pid,
                "started": record.started,
                "boot_id": record.boot_id,
                "relaunch": relaunch,
            },
            durable=True,
        )

    def swap(self) -> None:
        """Swap every after-image in, in order, make that durable, and observe the targets again.

        From here until the decision SIGINT, SIGTERM and SIGHUP are blocked. Raises Drifted where a foreign write
        cannot be merged, Unsupported or StorageFailed.
        """
        self._expect(Stage.PREPARED)
        self._stage = Stage.SWAPPING
        self._signal_mask.block()
        require_free(self._context.fs, self._participants)
        unsettled: list[Participant] = []
        for _ in range(MAX_ROUNDS):
            # Every observation precedes the first swap: only swaps separate the first one from the last.
            observations = [observe(participant) for participant in self._participants]
            unsettled = [
                participant
                for participant, observation in zip(self._participants, observations, strict=True)
                if advance(participant, observation, self._log_reintent)
            ]
            if not unsettled:
                return
            self._fsync_targets()
        raise Drifted([participant.intent.path for participant in unsettled])

    def commit(self) -> None:
        """Append the commit record, durably: from then on recovery finishes the transaction."""
        if self._stage is Stage.PREPARED and not self._participants:
            self.swap()  # a transaction of workers alone has no file to swap
        self._expect(Stage.SWAPPING)
        self._stage = Stage.COMMITTING
        digests = [participant.intent.after_digest for participant in self._participants]
        self._append({"t": "commit", "files": digests}, durable=True)
        self._stage = Stage.COMMITTED

    def finish(self) -> None:
        """Remove staged files, images and log of a committed transaction, and add it to the history."""
        self._expect(Stage.COMMITTED)
        self._close("committed", "")
        self._signal_mask.restore()

    def restore_files(self) -> tuple[KeyPath, ...]:
        """Roll every file back, last swapped first. Returns own keys that others have changed: they stay unchanged.

        Also revokes a commit, as long as `finish` has not begun. Raises Damaged or StorageFailed; may be repeated.
        """
        if self._stage in {Stage.NEW, Stage.CLOSED}:
            return ()
        if self._stage in {Stage.COMMITTING, Stage.COMMITTED}:
            self._revoke_commit()
        conflicts: list[KeyPath] = []
        for participant in reversed(self._participants):
            conflicts += roll_back(participant, rebooted=self._rebooted)
        self._fsync_targets()
        self.conflicts = tuple(dict.fromkeys(conflicts))
        self._stage = Stage.RESTORED
        self._signal_mask.restore()
        return self.conflicts

    def retract_workers(self) -> None:
        """End the workers that this transaction started and relaunch those that it stopped; may be repeated.

        A commit that may be durable is revoked first: recovery would finish it, and end the relaunched worker.
        """
        if self._stage in {Stage.COMMITTING, Stage.COMMITTED}:
            self.restore_files()
        if self._log is not None and self._stage is not Stage.CLOSED:
            self.workers += workers.retract(self._log, self._context.processes)

    def retire_workers(self) -> None:
        """End the workers that a committed transaction meant to stop; recovery calls it."""
        self.workers += workers.retire(self._open_log, self._context.processes)

    def close_rolled_back(self, reason: str) -> None:
        """Remove staged files, images and log after `restore_files`; may be repeated."""
        if self._stage in {Stage.NEW, Stage.CLOSED}:
            self._stage = Stage.CLOSED
            return
        self._expect(Stage.PREPARED, Stage.RESTORED)
        self._close("rolled_back", reason)

    def rewrite_log(self) -> None:
        """Write a commit that recovery has read to a new file: it may not be durable, and fsync is not repeated."""
        self._open_log.rewrite(self._open_log.records)

    def summary(self, outcome: str, reason: str = "") -> Json:
        """Return the redacted history entry of the transaction."""
        return {
            "id": self.id,
            "at": self._context.clock().isoformat(timespec="seconds"),
            "command": self._begin["command"],
            "argv": self._begin["argv"],
            "tool": self._begin["tool"],
            "from": self._begin["from"],
            "to": self._begin["to"],
            "outcome": outcome,
            "reason": reason,
            "files": [redacted_file(participant.intent) for participant in self._participants],
            "conflicts": [list(conflict) for conflict in self.conflicts],
            "parked": [name for participant in self._participants for name in participant.parked_names],
            "workers": list(self.workers),
        }

    def _expect(self, *stages: Stage) -> None:
        if self._stage not in stages:
            raise JournalError(f"not possible while {self._stage.value}")

    @property
    def _open_log(self) -> Log:
        if self._log is None:
            raise JournalError(f"not possible while {self._stage.value}")
        return self._log

    def _append(self, record: Json, *, durable: bool) -> None:
        self._open_log.append(record, durable=durable)

    def _log_reintent(self, intent: Intent) -> None:
        self._append(intent.to_record(), durable=True)

    def _revoke_commit(self) -> None:
        """Replace the log by one without the commit, since the old file's commit may or may not be durable."""
        records = [record for record in self._open_log.records if record["t"] != "commit"]
        self._open_log.rewrite([*records, {"t": "abort"}])

    def _write_images(self) -> None:
        """Make all before-images durable in one file, and set their locations in the intents."""
        before = {change.path: change.before for change in self._changes}
        pairs = [
            (participant, image)
            for participant in self._participants
            if (image := before[participant.intent.path]) is not None
        ]
        if pairs:
            images = [image for _, image in pairs]
            locations = write_images(self._context.fs, self._context.root, self.id + IMAGES, images)
            for (participant, _), location in zip(pairs, locations, strict=True):
                participant.intents[0] = replace(participant.intent, before_image=location)

    def _fsync_targets(self) -> None:
        self._fsync({area.folder: None for participant in self._participants for area in participant.areas})

    def _fsync(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            with storage_errors(folder), suppress(FileNotFoundError):
                self._context.fs.fsync_folder(folder)

    def _discard(self) -> None:
        """Remove all of a transaction that could not be prepared; recovery removes what cannot go now."""
        with suppress(JournalError):
            self._sweep()
            self._remove_files(folders=True)
            self._stage = Stage.CLOSED

    def _close(self, outcome: str, reason: str) -> None:
        rolled_back = outcome == "rolled_back"
        if rolled_back and not self.has_record("rolled"):
            self._append({"t": "rolled"}, durable=False)
        self._sweep()
        with suppress(StorageFailed):  # no decision depends on the history
            fs, root = self._context.fs, self._context.root
            add_to_history(fs, root, self.summary(outcome, reason), self._context.clock())
        self._remove_files(folders=rolled_back)
        self._stage = Stage.CLOSED

    def _sweep(self) -> None:
        # A crash may have come between an unlink and its fsync, so recovery fsyncs folders that look clean too.
        areas = [
            area
            for participant in self._participants
            for area in participant.areas
            if participant.sweep(area) or self._resumed
        ]
        self._fsync({area.folder: None for area in areas})

    def _remove_files(self, *, folders: bool) -> None:
        if folders:
            folders_made = [self._relocation.path(Path(folder)) for folder in self._begin["folders"]]
            remove_folders(self._context.fs, folders_made)
        remove_transaction_files(self._context.fs, self._context.root, self.id)
