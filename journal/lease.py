"""What may be done while the lock is held."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from journal.cleanup import remove_all, remove_if_empty
from journal.context import Context, Lock
from journal.errors import Interrupted
from journal.fs import storage
from journal.log import HOLDER, LOCK, PARKED, VERSION, open_transactions
from journal.recovery import Recovery, recover_all
from journal.redact import shown_argv
from journal.signals import Hold
from journal.transaction import Transaction
from journal.values import FileChange


class Lease:
    """The exclusive lock of one journal, held until `with` ends."""

    def __init__(self, ports: Context, lock: Lock) -> None:
        self._ports = ports
        self._lock = lock
        self._hold = Hold()
        self._dismantled = False
        self._transactions: list[Transaction] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._dismantled:  # by now another command's word may stand there
                with suppress(OSError):
                    self._ports.fs.unlink(self._ports.root / HOLDER)
                with suppress(OSError):
                    self._leave_no_trace()
        finally:
            self._lock.release()
            self._hold.release()

    def _leave_no_trace(self) -> None:
        """Remove a folder that holds nothing but the lock: no transaction has ever begun, or none was recorded.

        As in `dismantle`, who waits for this lock starts over. Nothing has to be durable.
        """
        fs, root = self._ports.fs, self._ports.root
        if fs.names(root) == [LOCK]:
            fs.unlink(root / LOCK)
            remove_if_empty(fs, root)

    @property
    def has_committed(self) -> bool:
        """Whether a transaction of this lease was committed, and not taken back."""
        return any(transaction.has("commit") for transaction in self._transactions)

    def recover(self) -> Recovery:
        """Decide every open transaction: with a commit it is finished, without one every file goes back.

        Idempotent, and safe to interrupt. Raises Damaged, Unsupported (a newer log) or StorageFailed.
        """
        return recover_all(self._ports, self._hold)

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
        """Draw up a transaction; nothing is on disk yet.

        The order of `changes` is the order of swapping, and the reverse of it the order of giving back. `folders` are
        made (0700) where they are missing, and removed by a roll back where they are empty then; parents of files
        need not be named. Raises Interrupted where an open transaction stands in the way.
        """
        ports = self._ports
        if interrupted := open_transactions(ports.fs, ports.root):
            raise Interrupted(interrupted)
        now = ports.clock()
        begin = {
            "t": "begin",
            "v": VERSION,
            "at": now.isoformat(timespec="seconds"),
            "command": command,
            "argv": shown_argv(argv),
            "tool": ports.tool,
            "boot_id": ports.boot_id(),
            "from": from_state,
            "to": to_state,
            "key": ports.token(16),
        }
        txid = f"{now:%Y%m%dT%H%M%SZ}-{ports.token(4)}"
        latest = Transaction(ports, txid, begin, hold=self._hold, changes=tuple(changes), folders=tuple(folders))
        self._transactions.append(latest)
        return latest

    def remove(self, paths: Sequence[Path]) -> None:
        """Delete files, then empty folders, for good: forward only, and safe to repeat. What is missing is done.

        Raises StorageFailed; a folder that is not empty stays.
        """
        remove_all(self._ports.fs, paths)

    def dismantle(self) -> None:
        """Remove the journal itself: the last act of an uninstall. Parked bytes stay, and the folder with them.

        The lock file goes last. Who has waited for it gets a lock that no longer stands under its name, sees that,
        and starts over in a new folder; so nothing may follow but the removal of the folder, if it is still empty.
        Raises Interrupted where a transaction is open.
        """
        fs, root = self._ports.fs, self._ports.root
        if interrupted := open_transactions(fs, root):
            raise Interrupted(interrupted)
        with storage(root):
            names = [name for name in fs.names(root) if name != LOCK and PARKED not in name]
            for name in sorted(names):
                fs.unlink(root / name)
            self._dismantled = True
            fs.unlink(root / LOCK)
            if remove_if_empty(fs, root):
                fs.fsync_folder(root.parent)
