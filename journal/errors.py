"""The errors of the journal.

JournalError
├─ LockBusy        another process holds the lock
├─ Interrupted     an interrupted transaction is open: recover first
├─ Drifted         files no longer hold what the plan read
├─ Unsupported     a file cannot be replaced safely; no file changed
│  └─ NewerLog     a log that a newer version wrote
├─ StorageFailed   the operating system refused an operation
│  └─ InUse        another program has a file open and does not share it (Windows)
├─ Misplaced       a log was copied with its folder, and leads to files outside of the copy; no file changed
└─ Damaged         a log that was durable once is unreadable; no file changed

Attributes hold the facts; the text never contains a file's content.
"""

from __future__ import annotations

import errno as codes
from collections.abc import Sequence
from pathlib import Path

from journal.values import Json


class JournalError(Exception):
    """The journal could not perform an operation."""


class LockBusy(JournalError):
    """Another process holds the lock; `holder` describes it as far as is known (pid, command, since)."""

    def __init__(self, holder: Json) -> None:
        super().__init__("another command holds the journal's lock")
        self.holder = holder


class Interrupted(JournalError):
    """Interrupted transactions are open, so no new one can begin."""

    def __init__(self, transactions: Sequence[str]) -> None:
        super().__init__(f"open transactions: {', '.join(transactions)}")
        self.transactions = tuple(transactions)


class Drifted(JournalError):
    """These files no longer hold what the plan read, and own keys could not be merged into them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__(f"changed by others: {', '.join(map(str, paths))}")
        self.paths = tuple(paths)


class Unsupported(JournalError):
    """This file cannot be replaced without loss; no file changed."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class NewerLog(Unsupported):
    """A newer version of the program wrote this log, and its records may mean other things."""


class StorageFailed(JournalError):
    """The operating system refused an operation on `path`, for the reason `errno`."""

    def __init__(self, path: Path, errno: int | None) -> None:
        super().__init__(f"{path}: {codes.errorcode.get(errno or 0, 'unknown error')}")
        self.path = path
        self.errno = errno


class InUse(StorageFailed):
    """Another program has the file `path` open and does not share it, and it was waited for in vain (Windows)."""


class Misplaced(JournalError):
    """The log belongs to another folder, of which this is a copy, and leads to `paths` outside of the copy.

    `log` is the log's file, `recorded` the folder that it belongs to, None where it is unknown, `folder` the copy.
    """

    def __init__(self, log: Path, recorded: Path | None, folder: Path, paths: Sequence[Path]) -> None:
        super().__init__(f"{log} belongs to {recorded or 'another folder'}")
        self.log = log
        self.recorded = recorded
        self.folder = folder
        self.paths = tuple(dict.fromkeys(paths))


class Damaged(JournalError):
    """The log or a before-image that was durable once is unreadable; no file changed.

    `files` describes each file as far as the log can be read; see `Journal.inspect`.
    """

    def __init__(self, txid: str, files: Sequence[Json] = ()) -> None:
        super().__init__(f"transaction {txid} is damaged")
        self.txid = txid
        self.files = tuple(files)
