"""What a transaction makes besides files, and how everything of it goes away again."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from journal.fs import Fs, storage
from journal.log import IMAGES, NEW, OPEN, open_transactions
from journal.staging import PART

OCCUPIED = {errno.ENOTEMPTY, errno.EEXIST}


def make_folders(fs: Fs, folders: Sequence[Path]) -> None:
    """Make private folders, outermost first, each durable before its content."""
    for folder in folders:
        with storage(folder):
            with suppress(FileExistsError):
                fs.make_folder(folder, 0o700)
            fs.fsync_folder(folder.parent)


def remove_folders(fs: Fs, folders: Sequence[Path]) -> None:
    """Remove folders that are empty, innermost first; others stay.

    Parents are fsynced in any case: one that is gone may have been removed by a recovery that died before its fsync.
    """
    for folder in reversed(folders):
        with storage(folder):
            remove_if_empty(fs, folder)
            with suppress(FileNotFoundError):
                fs.fsync_folder(folder.parent)


def remove_if_empty(fs: Fs, folder: Path) -> bool:
    """Say whether the folder went; a missing one is no error."""
    try:
        fs.remove_folder(folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in OCCUPIED:
            return False
        raise
    return True


def remove_all(fs: Fs, paths: Sequence[Path]) -> None:
    """Remove files, links and empty folders, and make that durable. What is missing is done already."""
    for path in paths:
        with storage(path):
            try:
                folder = fs.lstat(path).kind.value == "folder"
            except (FileNotFoundError, NotADirectoryError):
                continue
            if folder:
                remove_if_empty(fs, path)
            else:
                with suppress(FileNotFoundError):
                    fs.unlink(path)
    for parent in dict.fromkeys(path.parent for path in paths):
        with storage(parent), suppress(FileNotFoundError, NotADirectoryError):
            fs.fsync_folder(parent)


def remove_journal_of(fs: Fs, root: Path, txid: str) -> None:
    """Remove images and log of a transaction that is decided, the log last."""
    with storage(root):
        for name in sorted(fs.names(root)):
            if name.startswith((txid + IMAGES, txid + NEW)):
                fs.unlink(root / name)
        with suppress(FileNotFoundError):
            fs.unlink(root / (txid + OPEN))
        fs.fsync_folder(root)


def sweep_orphans(fs: Fs, root: Path) -> None:
    """Remove images and unfinished files that no open log accounts for: a transaction that died before it began."""
    with storage(root):
        live = open_transactions(fs, root)
        for name in fs.names(root):
            txid, image, _ = name.partition(IMAGES)
            if name.endswith((NEW, PART)) or (image and txid not in live):
                fs.unlink(root / name)
