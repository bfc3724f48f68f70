"""A lock by flock(2): the kernel releases it when its process ends."""

from __future__ import annotations

import sys

assert sys.platform != "win32"  # noqa: S101 - mypy leaves the rest out elsewhere

import os
from pathlib import Path

from filelock import BaseFileLock, Timeout, UnixFileLock


def _native(path: Path) -> BaseFileLock:
    """Return flock(2) by name, without filelock's soft lock as a fallback: a soft lock survives its process."""
    return UnixFileLock(path, mode=0o600, fallback_to_soft=False, thread_local=False)


class PosixLock:
    """An acquired lock."""

    def __init__(self, lock: BaseFileLock) -> None:
        self._lock = lock

    def release(self) -> None:
        self._lock.release()

    def release_file(self) -> None:
        """Do nothing: an open file can be removed, and a process that waits for the lock notices."""


class PosixLocks:
    """The locks of POSIX systems."""

    def acquire(self, path: Path, timeout: float) -> PosixLock:
        """Lock the file at `path`, creating it.

        `timeout` is in seconds. Raises TimeoutError, and FileNotFoundError where the folder is missing or the path is
        another file by now: a finished uninstall has removed the locked one, and the caller starts over.
        """
        lock = _native(path)
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            raise TimeoutError from None
        return _verified(lock, path)


def _verified(lock: BaseFileLock, path: Path) -> PosixLock:
    native = PosixLock(lock)
    if not _is_same_file(lock, path):
        native.release()
        raise FileNotFoundError(path)
    return native


def _is_same_file(lock: BaseFileLock, path: Path) -> bool:
    descriptor = lock._context.lock_file_fd  # noqa: SLF001 - filelock has no public name for its descriptor
    if descriptor is None:
        return False
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
