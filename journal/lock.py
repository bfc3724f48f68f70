"""One exclusive lock per journal, kept by the kernel for a process: it dies with its holder, so none is stale."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import BaseFileLock, Timeout

# flock(2) is asked for by name where it exists, so that no soft lock steps in: that one survives its holder.
if os.name == "posix":
    from filelock import UnixFileLock

    def _native(path: Path) -> BaseFileLock:
        return UnixFileLock(path, mode=0o600, fallback_to_soft=False, thread_local=False)
else:  # pragma: no cover - untested: only Linux is run
    from filelock import WindowsFileLock

    def _native(path: Path) -> BaseFileLock:
        return WindowsFileLock(path, mode=0o600, thread_local=False)


class NativeLock:
    """A lock that is held."""

    def __init__(self, lock: BaseFileLock) -> None:
        self._lock = lock

    def release(self) -> None:
        self._lock.release()


class NativeLocks:
    """The operating system's locks."""

    def acquire(self, path: Path, timeout: float) -> NativeLock:
        """Lock the file at `path`, creating it.

        Raises TimeoutError, and FileNotFoundError where the folder is gone or another lock file stands under the
        name: a finished uninstall has removed the one that was waited for, and the caller starts over.
        """
        lock = _native(path)
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            raise TimeoutError from None
        return _confirmed(lock, path)


def _confirmed(lock: BaseFileLock, path: Path) -> NativeLock:
    held = NativeLock(lock)
    if not _is_same_file(lock, path):
        held.release()
        raise FileNotFoundError(path)
    return held


def _is_same_file(lock: BaseFileLock, path: Path) -> bool:
    descriptor = lock._context.lock_file_fd  # noqa: SLF001 - filelock has no public name for the descriptor it holds
    if descriptor is None:
        return False
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
