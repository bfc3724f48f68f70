"""One transaction, step by step: prepare, workers, swap, commit, finish; or back again at any of them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from journal import workers
from journal.cleanup import make_folders, remove_folders, remove_journal_of
from journal.context import Context
from journal.errors import Drifted, JournalError, StorageFailed
from journal.fs import storage
from journal.history import add_to_history
from journal.intents import Digester, Intent, intent_from_record
from journal.log import IMAGES, Log, create_log, write_images
from journal.participant import Participant
from journal.preflight import missing_for, survey
from journal.redact import shown_file
from journal.restore import places, restore_one
from journal.signals import Hold
from journal.swap import observe, step
from journal.values import FileChange, Json, KeyPath, WorkerRecord

MOST_ROUNDS = 8  # two without others; each re-intent takes two more, and three are enough


class Stage(enum.Enum):
    """How far a transaction is; a stage that is named after a verb holds once the verb began."""

    NEW = "new"
    PREPARED = "prepared"
    SWAPPING = "swapping"
    COMMITTING = "committing"
    COMMITTED = "committed"
    RESTORED = "restored"
    CLOSED = "closed"


class Transaction:
    """The order of calls is the order of the methods; see `Lease.begin` and the package's glossary.

    Until `finish` began, `restore_files`, `retract_workers` and `close_rolled_back` turn it back from wherever it is,
    also after a call that failed half-way. What cannot be turned back now stays for `Lease.recover`.
    """

    def __init__(
        self,
        ports: Context,
        txid: str,
        begin: Json,
        *,
        hold: Hold,
        changes: Sequence[FileChange] = (),
        folders: Sequence[Path] = (),
    ) -> None:
        self.id = txid
        self.conflicts: tuple[KeyPath, ...] = ()
        self.workers: tuple[Json, ...] = ()
        self._ports = ports
        self._begin = begin
        self._hold = hold
        self._changes = changes
        self._folders = folders
        self._digest = Digester(begin["key"])
        self._stage = Stage.NEW
        self._shares: list[Participant] = []
        self._log: Log | None = None
        self._torn = False
        self._resumed = False

    @classmethod
    def resume(cls, ports: Context, txid: str, log: Log, *, hold: Hold) -> Transaction:
        """Take up an interrupted transaction; it can be decided, not continued."""
        begin = log.records[0]
        self = cls(ports, txid, begin, hold=hold)
        self._log = log
        self._resumed = True
        self._torn = begin["boot_id"] != ports.boot_id()
        for record in log.records:
            if record["t"] == "intent":
                self._shares.append(Participant(ports, txid, self._digest, intent_from_record(record)))
            elif record["t"] == "reintent":
                self._shares[record["i"]].intents.append(intent_from_record(record))
        for share in self._shares:
            share.places = places(share)
        self._stage = Stage.SWAPPING
        if self.has("commit"):
            self._stage = Stage.COMMITTED
        elif self.has("rolled"):
            self._stage = Stage.RESTORED
        return self

    def has(self, kind: str) -> bool:
        """Say whether the log holds a record of this type."""
        return self._log is not None and any(record["t"] == kind for record in self._log.records)

    @property
    def shares(self) -> Sequence[Participant]:
        return self._shares

    @property
    def stage(self) -> Stage:
        return self._stage

    def prepare(self) -> None:
        """Journal the images and stage everything. Nothing of the user's is touched, and a failure leaves nothing.

        Raises Drifted, Unsupported or StorageFailed.
        """
        self._expect(Stage.NEW)
        fs, root = self._ports.fs, self._ports.root
        self._shares = survey(self._ports, self.id, self._digest, self._changes)
        missing = missing_for(fs, self._shares, self._folders)
        self._begin["folders"] = [str(folder) for folder in missing]
        try:
            self._write_images()
            records = [self._begin, *(share.last.to_record() for share in self._shares)]
            self._log = create_log(fs, root, self.id, records)
            self._stage = Stage.PREPARED
            make_folders(fs, missing)
            for share in self._shares:
                share.stage_after()
        except BaseException:
            self._discard()
            raise

    def worker_intended(self, *, nonce: str, port: int, executable: str, settings_hash: str) -> None:
        """Durable before the worker is spawned."""
        record = {"t": workers.INTENDED, "nonce": nonce, "port": port, "exe": executable, "settings": settings_hash}
        self._append(record, durable=True)

    def worker_started(self, *, nonce: str, pid: int, started: str, boot_id: str) -> None:
        """Written when the worker runs, before it may do anything. If power takes this, it has taken the worker."""
        record = {"t": workers.STARTED, "nonce": nonce, "pid": pid, "started": started, "boot_id": boot_id}
        self._append(record, durable=False)

    def worker_stopping(self, *, record: WorkerRecord, relaunch: Json | None) -> None:
        """Durable before the worker is killed. `relaunch` is handed to `Processes.relaunch` on the way back."""
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
        """Put every after-image in place, in order, then make that durable and look again.

        From here until the decision SIGINT, SIGTERM and SIGHUP wait. Raises Drifted where others wrote what cannot be
        merged, Unsupported or StorageFailed.
        """
        self._expect(Stage.PREPARED)
        self._stage = Stage.SWAPPING
        self._hold.hold()
        restless: list[Participant] = []
        for _ in range(MOST_ROUNDS):
            # All looks come first: between the first swap and the last there are only swaps.
            sights = [observe(share) for share in self._shares]
            restless = [
                share for share, sight in zip(self._shares, sights, strict=True) if step(share, sight, self._reintend)
            ]
            if not restless:
                return
            self._fsync_targets()
        raise Drifted([share.last.given for share in restless])

    def commit(self) -> None:
        """Decide. After this the transaction is finished forward, whatever happens."""
        if self._stage is Stage.PREPARED and not self._shares:
            self.swap()  # a transaction of workers alone has no file to swap
        self._expect(Stage.SWAPPING)
        self._stage = Stage.COMMITTING
        self._append({"t": "commit", "files": [share.last.after for share in self._shares]}, durable=True)
        self._stage = Stage.COMMITTED

    def finish(self) -> None:
        """Remove what the transaction needed: staged files, images, log. The history gets its line."""
        self._expect(Stage.COMMITTED)
        self._close("committed", "")
        self._hold.release()

    def restore_files(self) -> tuple[KeyPath, ...]:
        """Give back every file, last swapped first. Returns own keys that others have changed: they stay as found.

        Also takes back a commit, as long as `finish` has not begun. Raises Damaged or StorageFailed; may be repeated.
        """
        if self._stage in {Stage.NEW, Stage.CLOSED}:
            return ()
        if self._stage in {Stage.COMMITTING, Stage.COMMITTED}:
            self._uncommit()
        conflicts: list[KeyPath] = []
        for share in reversed(self._shares):
            conflicts += restore_one(share, torn=self._torn)
        self._fsync_targets()
        self.conflicts = tuple(dict.fromkeys(conflicts))
        self._stage = Stage.RESTORED
        self._hold.release()
        return self.conflicts

    def retract_workers(self) -> None:
        """End the workers that this transaction started and run those again that it stopped; may be repeated.

        A commit that may have reached the medium is taken back first: recovery would finish it, and end the worker
        that runs again.
        """
        if self._stage in {Stage.COMMITTING, Stage.COMMITTED}:
            self.restore_files()
        if self._log is not None and self._stage is not Stage.CLOSED:
            self.workers += workers.retract(self._log, self._ports.processes)

    def retire_workers(self) -> None:
        """Make sure that workers are gone which a committed transaction meant to stop; recovery's part."""
        self.workers += workers.retire(self._opened, self._ports.processes)

    def close_rolled_back(self, reason: str) -> None:
        """Remove what the transaction needed, after `restore_files`; may be repeated."""
        if self._stage in {Stage.NEW, Stage.CLOSED}:
            self._stage = Stage.CLOSED
            return
        self._expect(Stage.PREPARED, Stage.RESTORED)
        self._close("rolled_back", reason)

    def seal(self) -> None:
        """Make a commit durable that was found in a log, without trusting an fsync of the same file again."""
        self._opened.rewrite(self._opened.records)

    def summary(self, outcome: str, reason: str = "") -> Json:
        """The transaction as the history shows it."""
        return {
            "id": self.id,
            "at": self._ports.clock().isoformat(timespec="seconds"),
            "command": self._begin["command"],
            "argv": self._begin["argv"],
            "tool": self._begin["tool"],
            "from": self._begin["from"],
            "to": self._begin["to"],
            "outcome": outcome,
            "reason": reason,
            "files": [shown_file(share.last, self._ports.shown) for share in self._shares],
            "conflicts": [list(conflict) for conflict in self.conflicts],
            "parked": [name for share in self._shares for name in share.parked],
            "workers": list(self.workers),
        }

    def _expect(self, *stages: Stage) -> None:
        if self._stage not in stages:
            raise JournalError(f"not possible while {self._stage.value}")

    @property
    def _opened(self) -> Log:
        if self._log is None:
            raise JournalError(f"not possible while {self._stage.value}")
        return self._log

    def _append(self, record: Json, *, durable: bool) -> None:
        self._opened.append(record, durable=durable)

    def _reintend(self, intent: Intent) -> None:
        self._append(intent.to_record(), durable=True)

    def _uncommit(self) -> None:
        """Put a new log in the old one's place that says nothing of the commit, wherever the old one got to."""
        kept = [record for record in self._opened.records if record["t"] != "commit"]
        self._opened.rewrite([*kept, {"t": "abort"}])

    def _write_images(self) -> None:
        """Make all before-images durable in one file, and point the intents at them."""
        befores = {change.path: change.before for change in self._changes}
        held = [(share, image) for share in self._shares if (image := befores[share.last.given]) is not None]
        if held:
            images = [image for _, image in held]
            slices = write_images(self._ports.fs, self._ports.root, self.id + IMAGES, images)
            for (share, _), where in zip(held, slices, strict=True):
                share.intents[0] = replace(share.last, image=where)

    def _fsync_targets(self) -> None:
        self._fsync({place.folder: None for share in self._shares for place in share.places})

    def _fsync(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            with storage(folder), suppress(FileNotFoundError):
                self._ports.fs.fsync_folder(folder)

    def _discard(self) -> None:
        """Leave nothing of a transaction that could not be prepared; what cannot go now is recovery's."""
        with suppress(JournalError):
            self._sweep()
            self._remove_traces(folders=True)
            self._stage = Stage.CLOSED

    def _close(self, outcome: str, reason: str) -> None:
        rolled_back = outcome == "rolled_back"
        if rolled_back and not self.has("rolled"):
            self._append({"t": "rolled"}, durable=False)
        self._sweep()
        with suppress(StorageFailed):  # nothing is decided from the history
            fs, root = self._ports.fs, self._ports.root
            add_to_history(fs, root, self.summary(outcome, reason), self._ports.clock())
        self._remove_traces(folders=rolled_back)
        self._stage = Stage.CLOSED

    def _sweep(self) -> None:
        # A crash may have come between an unlink and its fsync, so recovery makes sure of folders that look clean.
        spots = [place for share in self._shares for place in share.places if share.sweep(place) or self._resumed]
        self._fsync({place.folder: None for place in spots})

    def _remove_traces(self, *, folders: bool) -> None:
        if folders:
            remove_folders(self._ports.fs, [Path(folder) for folder in self._begin["folders"]])
        remove_journal_of(self._ports.fs, self._ports.root, self.id)
