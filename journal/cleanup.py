"""The folders that a transaction makes, and the removal of folders, images, logs and other files."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from journal.fs import FileType, Fs, storage_errors
from journal.log import IMAGES, NEW, OPEN, open_transactions
from journal.staging import PART

NOT_EMPTY = {errno.ENOTEMPTY, errno.EEXIST}


def make_folders(fs: Fs, folders: Sequence[Path]) -> None:
    """Make private folders, outermost first, each durable before its content."""
    for folder in folders:
        with storage_errors(folder):
            with suppress(FileExistsError):
                fs.make_folder(folder, 0o700)
            fs.fsync_folder(folder.parent)


def remove_folders(fs: Fs, folders: Sequence[Path]) -> None:
    """Remove empty folders, innermost first; others stay.

    Fsync every parent: a folder that is missing may have been removed by a recovery that died before its fsync.
    """
    for folder in reversed(folders):
        with storage_errors(folder):
            remove_if_empty(fs, folder)
            with suppress(FileNotFoundError):
                fs.fsync_folder(folder.parent)


def remove_if_empty(fs: Fs, folder: Path) -> bool:
    """Remove a folder if it is empty; return whether it was removed. A missing folder is no error."""
    try:
        fs.remove_folder(folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in NOT_EMPTY:
            return False
        raise
    return True


def remove_all(fs: Fs, paths: Sequence[Path]) -> None:
    """Remove files, links and empty folders, durably. A missing path is no error."""
    for path in paths:
        with storage_errors(path):
            try:
                file_type = fs.lstat(path).file_type
            except (FileNotFoundError, NotADirectoryError):
                continue
            if file_type is FileType.FOLDER:
                remove_if_empty(fs, path)
            else:
                with suppress(FileNotFoundError):
                    fs.unlink(path)
    for parent in dict.fromkeys(path.parent for path in paths):
        with storage_errors(parent), suppress(FileNotFoundError, NotADirectoryError):
            fs.fsync_folder(parent)


def remove_transaction_files(fs: Fs, root: Path, txid: str) -> None:
    """Remove images and log of a decided transaction, the log last."""
    with storage_errors(root):
        for name in sorted(fs.names(root)):
            if name.startswith((txid + IMAGES, txid + NEW)):
                fs.unlink(root / name)
        with suppress(FileNotFoundError):
            fs.unlink(root / (txid + OPEN))
        fs.fsync_folder(root)


def sweep_orphans(fs: Fs, root: Path) -> None:
    """Remove images and incomplete files without an open log: their transaction died before it was prepared."""
    with storage_errors(root):
        live = open_transactions(fs, root)
        for name in fs.names(root):
            txid, image, _ = name.partition(IMAGES)
            if name.endswith((NEW, PART)) or (image and txid not in live):
                fs.unlink(root / name)
