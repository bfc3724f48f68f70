"""A write-ahead journal for a few files that other programs own: all of them change, or none does.

Glossary
    journal      a private folder; it holds the lock, the log of the open transaction, its images, and the history
    transaction  an ordered set of file changes that takes effect as a whole
    participant  one file that takes part in a transaction
    log          the write-ahead log of one transaction: checksummed records, each written before the act it announces
    image        the whole content of a file: before-image as the plan read it, after-image as the plan wants it
    intent       the log record of one file: its path, target and metadata, and the digests of both images
    own key      a key inside a shared file that our program sets; it leaves the rest of that file to others
    prepared     the durable log record that follows the intents; no target changes before it
    staging      writing an after-image under a temporary name in the target's folder, durable before the swap
    swap         the exchange of a staged file and its target, which keeps the previous content
    mend         complete or undo an exchange of Windows, where it is not atomic
    displaced    removed from the target's name by a swap; foreign where it is not the before-image
    drift        a target that no longer holds what the plan read
    re-intent    a second intent for a drifted file: own keys merged into the foreign content
    commit       the durable log record that decides: recovery finishes a transaction that has it, else rolls it back
    roll back    restore every target's before-image; where others wrote meanwhile, restore the own keys only
    park         keep displaced foreign content that no target contains in the journal's folder, and report it
    lease        the journal's exclusive lock, held by one process; the kernel releases it when the process ends
    interrupted  a transaction whose log is open while nobody holds the lease: its process died
    misplaced    copied with its folder, and leading out of the copy: such a log is not recovered
    recover      decide each interrupted transaction by its log: finish it or roll it back

Promises, after a kill at any instant, and after a power cut where the medium keeps what it has confirmed
    Linux, macOS  each target is always the before- or the after-image, and after recovery all are the same one
    Windows       as above on NTFS, except that a target is missing between two renames of its swap, until recovery
    everywhere    bytes that a swap displaced are not destroyed before they are merged or parked; where the file
                  system cannot exchange (some network and FUSE file systems of POSIX), a gap of two calls remains
The calls behind each are in `_linux`, `_macos` and `_windows`, and in the table of docs/architecture.md.

The package does not interpret the files; a `Format` does. Importing the package imports none of its modules, because
the session hook calls `Journal.interrupted` at every start of a session.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from journal.errors import Damaged as Damaged
    from journal.errors import Drifted as Drifted
    from journal.errors import Interrupted as Interrupted
    from journal.errors import InUse as InUse
    from journal.errors import JournalError as JournalError
    from journal.errors import LockBusy as LockBusy
    from journal.errors import Misplaced as Misplaced
    from journal.errors import NewerLog as NewerLog
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

_MODULES = {
    "ABSENT": "values",
    "Damaged": "errors",
    "Drifted": "errors",
    "FileChange": "values",
    "Format": "values",
    "Fs": "fs",
    "InUse": "errors",
    "Interrupted": "errors",
    "Journal": "folder",
    "JournalError": "errors",
    "KeyEdit": "values",
    "Lease": "lease",
    "LockBusy": "errors",
    "Merged": "values",
    "Misplaced": "errors",
    "NewerLog": "errors",
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
    """Import the module of a public name at its first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
