"""A write-ahead journal for a handful of files that other programs own: all of them change, or none does.

Glossary
    journal      a private folder beside the files; it holds the lock, the log of the open transaction, the history
    transaction  an ordered set of file changes that becomes true as a whole
    image        the whole content of a file: the before-image is what the plan saw, the after-image what it wants
    intent       the durable word on one file: where it really lies, how it looked, hashes of both images
    own key      a place inside a shared file that we set; the rest of that file is never ours
    prepared     the durable record behind the intents; no file is touched before it
    commit       the one durable record that decides: without it a transaction rolls back, with it it is finished
    swap         exchanging the staged after-image with the file, so that what was there stays in our hands
    displaced    what a swap took away; if it is not the before-image, somebody wrote in between
    drift        a file that is no longer what the plan saw
    re-intent    a second intent for a drifted file: own keys applied to what others wrote meanwhile
    park         to keep displaced bytes that fit nowhere, in the journal's folder, and say so
    hot          a journal with an open log and nobody who holds the lock: a command died here
    recover      to decide each open transaction from its log: finish forward, or give every file back

Nothing here knows what the files mean, and importing this package imports none of its parts: `Journal.hot` has to be
cheap enough for a hook that runs at every start of a session.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from journal.errors import Damaged as Damaged
    from journal.errors import Drifted as Drifted
    from journal.errors import Interrupted as Interrupted
    from journal.errors import JournalError as JournalError
    from journal.errors import LockBusy as LockBusy
    from journal.errors import StorageFailed as StorageFailed
    from journal.errors import Unsupported as Unsupported
    from journal.folder import Journal as Journal
    from journal.fs import Fs as Fs
    from journal.lease import Lease as Lease
    from journal.real_fs import RealFs as RealFs
    from journal.recovery import Recovery as Recovery
    from journal.transaction import Transaction as Transaction
    from journal.values import ABSENT as ABSENT
    from journal.values import FileChange as FileChange
    from journal.values import Format as Format
    from journal.values import KeyEdit as KeyEdit
    from journal.values import Merged as Merged
    from journal.values import Processes as Processes
    from journal.values import Unmergeable as Unmergeable
    from journal.values import WorkerRecord as WorkerRecord

_HOME = {
    "ABSENT": "values",
    "Damaged": "errors",
    "Drifted": "errors",
    "FileChange": "values",
    "Format": "values",
    "Fs": "fs",
    "Interrupted": "errors",
    "Journal": "folder",
    "JournalError": "errors",
    "KeyEdit": "values",
    "Lease": "lease",
    "LockBusy": "errors",
    "Merged": "values",
    "Processes": "values",
    "RealFs": "real_fs",
    "Recovery": "recovery",
    "StorageFailed": "errors",
    "Transaction": "transaction",
    "Unmergeable": "values",
    "Unsupported": "errors",
    "WorkerRecord": "values",
}


def __getattr__(name: str) -> Any:
    """Import the module of a public name when it is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
