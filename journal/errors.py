"""Every way in which the journal can say no.

JournalError
├─ LockBusy        somebody else holds the lock
├─ Interrupted     an open transaction stands in the way: recover first
├─ Drifted         files are not what the plan saw
├─ Unsupported     a file that cannot be replaced safely; nothing was touched
├─ StorageFailed   the operating system refused an operation
└─ Damaged         a log that was durable once is unreadable: touch nothing

Fields carry the facts; the text never holds a file's content.
"""

from __future__ import annotations

import errno as codes
from collections.abc import Sequence
from pathlib import Path

from journal.values import Json


class JournalError(Exception):
    """The journal could not do what it was asked."""


class LockBusy(JournalError):
    """Somebody else holds the lock: `holder` says who, as far as is known (pid, command, since)."""

    def __init__(self, holder: Json) -> None:
        super().__init__("another command holds the journal's lock")
        self.holder = holder


class Interrupted(JournalError):
    """Open transactions stand in the way of a new one."""

    def __init__(self, transactions: Sequence[str]) -> None:
        super().__init__(f"open transactions: {', '.join(transactions)}")
        self.transactions = tuple(transactions)


class Drifted(JournalError):
    """These files are not what the plan saw, and could not be merged with what it wants."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__(f"changed by others: {', '.join(map(str, paths))}")
        self.paths = tuple(paths)


class Unsupported(JournalError):
    """This file cannot be replaced without losing something; nothing was touched."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class StorageFailed(JournalError):
    """The operating system refused an operation on `path`; `errno` says why."""

    def __init__(self, path: Path, errno: int | None) -> None:
        super().__init__(f"{path}: {codes.errorcode.get(errno or 0, 'unknown error')}")
        self.path = path
        self.errno = errno


class Damaged(JournalError):
    """The log or the before-images of a transaction are unreadable where they were durable once: touch nothing.

    `files` describes what is known of the files: path, and what it holds now ("before", "after", "other", "absent").
    """

    def __init__(self, txid: str, files: Sequence[Json] = ()) -> None:
        super().__init__(f"transaction {txid} is damaged")
        self.txid = txid
        self.files = tuple(files)
