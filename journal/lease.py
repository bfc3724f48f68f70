"""The journal's exclusive lock, and the operations that need it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from journal.cleanup import remove_all, remove_if_empty
from journal.context import Context, Lock
from journal.errors import Interrupted
from journal.fs import storage_errors
from journal.log import HOLDER, LOCK, PARKED, VERSION, open_transactions
from journal.recovery import Recovery, recover_all
from journal.redact import redacted_argv
from journal.relocation import origin_record
from journal.signals import SignalMask
from journal.transaction import Transaction
from journal.values import FileChange


class Lease:
    """The exclusive lock of one journal, released at the end of `with`."""

    def __init__(self, context: Context, lock: Lock) -> None:
        self._context = context
        self._lock = lock
        self._signal_mask = SignalMask()
        self._journal_removed = False
        self._transactions: list[Transaction] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._journal_removed:  # else the holder's file can be that of the next command
                with suppress(OSError):
                    self._context.fs.unlink(self._context.root / HOLDER)
                with suppress(OSError):
                    self._remove_unused_folder()
        finally:
            self._lock.release()
            self._signal_mask.restore()

    def _remove_unused_folder(self) -> None:
        """Remove a folder that holds nothing but the lock: no transaction has begun, or none is in the history.

        A process that waits for this lock starts over, as in `remove_journal`. Nothing has to be durable.
        """
        fs, root = self._context.fs, self._context.root
        if fs.names(root) == [LOCK]:
            self._lock.release_file()
            if fs.unlink_unused(root / LOCK):
                remove_if_empty(fs, root)

    @property
    def has_committed(self) -> bool:
        """Whether a transaction of this lease was committed, and its commit not revoked."""
        return any(transaction.has_record("commit") for transaction in self._transactions)

    def recover(self) -> Recovery:
        """Decide every open transaction: finish one with a commit record, and roll any other back.

        Idempotent, and safe to interrupt. Raises Damaged, Misplaced, NewerLog, Unsupported or
        StorageFailed.
        """
        return recover_all(self._context, self._signal_mask)

    def begin(
        self,
        *,
        command: str,
        argv: Sequence[str],
        from_state: str,
        to_state: str,
        changes: Sequence[FileChange],
        folders: Sequence[Path] = (),
    ) -> Transaction:
        """Return a new transaction; nothing is on disk yet.

        It swaps the files in the order of `changes`, and rolls them back in reverse. It makes missing `folders`
        (0700), and a roll back removes those of them that are empty. Parents of files need not be named.
        Raises Interrupted where a transaction is open.
        """
        context = self._context
        if interrupted := open_transactions(context.fs, context.root):
            raise Interrupted(interrupted)
        now = context.clock()
        begin = {
            "t": "begin",
            "v": VERSION,
            "at": now.isoformat(timespec="seconds"),
            "command": command,
            "argv": redacted_argv(argv),
            "tool": context.tool,
            "boot_id": context.boot_id(),
            "from": from_state,
            "to": to_state,
            "key": context.token(16),
            "root": origin_record(context.fs, context.root),
        }
        txid = f"{now:%Y%m%dT%H%M%SZ}-{context.token(4)}"
        transaction = Transaction(
            context, txid, begin, signal_mask=self._signal_mask, changes=tuple(changes), folders=tuple(folders)
        )
        self._transactions.append(transaction)
        return transaction

    def remove(self, paths: Sequence[Path]) -> None:
        """Delete files, then empty folders, without a transaction: forward only, and safe to repeat.

        A missing path is no error, and a folder that is not empty stays. Raises StorageFailed.
        """
        remove_all(self._context.fs, paths)

    def remove_journal(self) -> None:
        """Remove the journal itself: the last act of an uninstall. Parked content stays, and the folder with it.

        The lock file goes last. A process that waits for it acquires a lock whose path is gone, detects that, and
        starts over in a new folder; so only the removal of the folder may follow, if it is still empty.
        On Windows the lock ends before its file is removed. A process that waits for it keeps the file by its own
        handle, and the folder with it; one that comes later finds neither, and makes a new folder.
        Raises Interrupted where a transaction is open.
        """
        fs, root = self._context.fs, self._context.root
        if interrupted := open_transactions(fs, root):
            raise Interrupted(interrupted)
        with storage_errors(root):
            names = [name for name in fs.names(root) if name != LOCK and PARKED not in name]
            for name in sorted(names):
                fs.unlink(root / name)
            self._journal_removed = True
            self._lock.release_file()
            if fs.unlink_unused(root / LOCK) and remove_if_empty(fs, root):
                fs.fsync_folder(root.parent)
