"""The journal's folder: its open transactions and its history, read without a lock, and the lock itself."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from journal.boot import boot_id
from journal.context import Context, Lock, Locks
from journal.errors import JournalError, LockBusy, StorageFailed
from journal.fs import Fs, create_fresh, storage_errors, write_all
from journal.history import NAME, read_history
from journal.log import HOLDER, LOCK, PARKED, open_transactions
from journal.values import FileChange, Format, Json, Processes

if TYPE_CHECKING:  # interrupted() must not import what only a command with the lock needs
    from journal.lease import Lease


def utcnow() -> datetime:
    return datetime.now(UTC)


class Journal:
    """One journal. Reading it takes no lock and changes nothing.

    See `Context` for the parameters; `locks` None stands for those of the operating system.
    """

    def __init__(  # noqa: PLR0913 - each is one collaborator, and all but four have a default
        self,
        root: Path,
        *,
        fs: Fs,
        formats: Mapping[str, Format],
        processes: Processes,
        clock: Callable[[], datetime] = utcnow,
        token: Callable[[int], str] = secrets.token_hex,
        tool: str = "",
        boot_id: Callable[[], str] = boot_id,
        locks: Locks | None = None,
    ) -> None:
        self.root = root
        self._fs = fs
        self._locks = locks
        self._leases: list[Lease] = []
        self._context = Context(
            root=root,
            fs=fs,
            formats=formats,
            processes=processes,
            clock=clock,
            token=token,
            boot_id=boot_id,
            tool=tool,
        )

    def interrupted(self) -> tuple[str, ...]:
        """Return the ids of the open transactions, oldest first; () where the folder is missing. Costs one listing.

        While no other process holds the lock, they are the interrupted ones.
        """
        return open_transactions(self._fs, self.root)

    def is_clean(self) -> bool:
        """Whether the folder holds no file of an interrupted transaction, prepared or not."""
        with storage_errors(self.root):
            try:
                names = self._fs.names(self.root)
            except FileNotFoundError:
                return True
        return all(name in {LOCK, NAME} or PARKED in name for name in names)

    def history(self) -> tuple[Json, ...]:
        """Return a redacted entry for each finished transaction, newest last."""
        return read_history(self._fs, self.root)

    def inspect(self, txid: str) -> Json:
        """Return a redacted view of an open transaction and the decision of `recover`; change nothing.

        Keys: id, state ("prepared", "committed", "damaged"), decision ("roll_back", "finish", "refuse"), command,
        argv, tool, from, to, at, workers, files (path, target, edits, now: "before", "after", "absent", "other",
        "unreadable"); after damage only the first three, workers and files. Raises NewerLog, and JournalError for an
        unknown id.
        """
        from journal.recovery import inspect  # noqa: PLC0415 - interrupted() must not import it

        if txid not in self.interrupted():
            raise JournalError(f"no open transaction {txid}")
        return inspect(self._context, txid)

    def check(self, changes: Sequence[FileChange]) -> None:
        """Raise the error with which a transaction of these changes would refuse before it writes; change nothing.

        Raises Drifted, Unsupported, InUse, or StorageFailed where a file or a folder may not be written.
        """
        from journal.intents import Digester  # noqa: PLC0415 - interrupted() must not import them
        from journal.preflight import enlist, require_free, require_writable_folder  # noqa: PLC0415

        participants = enlist(self._context, "", Digester(self._context.token(16)), changes)
        for path in (*(participant.intent.target for participant in participants), self.root / LOCK):
            require_writable_folder(self._fs, path)
        require_free(self._fs, participants)

    @property
    def has_committed(self) -> bool:
        """Whether a transaction was committed under a lease of this object, and its commit not revoked."""
        return any(lease.has_committed for lease in self._leases)

    def acquire(self, *, command: str, timeout: float) -> Lease:
        """Acquire the lock, making the folder (0700) where it is missing. `timeout` is in seconds.

        Raises LockBusy, or StorageFailed where the file system has no locks that are released with their process.
        """
        from journal.cleanup import sweep_orphans  # noqa: PLC0415 - interrupted() must not import it
        from journal.lease import Lease  # noqa: PLC0415

        lock = self._lock(timeout)
        lease = Lease(self._context, lock)
        self._leases.append(lease)
        try:
            sweep_orphans(self._fs, self.root)
            self._write_holder(command)
        except BaseException:
            lease.__exit__(None, None, None)
            raise
        return lease

    def _lock(self, timeout: float) -> Lock:
        locks = self._locks
        if locks is None:
            from journal.lock import NativeLocks  # noqa: PLC0415 - filelock costs more than a whole status call

            locks = NativeLocks()
        deadline = time.monotonic() + timeout
        while True:
            self._make_root()
            try:
                return locks.acquire(self.root / LOCK, max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                raise LockBusy(self.holder()) from None
            except (FileNotFoundError, FileExistsError) as error:
                # A completed uninstall removed the folder; meanwhile the lock's own mkdir can fail with EEXIST.
                if self.root.is_file():
                    raise StorageFailed(self.root / LOCK, error.errno) from error
                if time.monotonic() >= deadline:
                    raise LockBusy(self.holder()) from None
            except OSError as error:
                raise StorageFailed(self.root / LOCK, error.errno) from error

    def _make_root(self) -> None:
        with storage_errors(self.root):
            try:
                self._fs.make_folder(self.root, 0o700)
            except FileExistsError:
                return
            self._fs.fsync_folder(self.root.parent)

    def _write_holder(self, command: str) -> None:
        """Describe this process to users who find the journal locked; no decision depends on it."""
        holder = {
            "pid": os.getpid(),
            "command": command,
            "since": self._context.clock().isoformat(timespec="seconds"),
        }
        with suppress(OSError):
            fd = create_fresh(self._fs, self.root / HOLDER)
            try:
                write_all(self._fs, fd, json.dumps(holder).encode())
            finally:
                self._fs.close(fd)

    def holder(self) -> Json:
        """Return pid, command and since of the process that acquired the lock last; {} where it is unknown."""
        try:
            return json.loads(self._fs.read(self.root / HOLDER))
        except (OSError, ValueError):
            return {}
