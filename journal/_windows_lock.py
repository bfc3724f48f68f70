"""A lock by LockFileEx: Windows releases it when its process ends."""

from __future__ import annotations

import sys

assert sys.platform == "win32"  # noqa: S101 - mypy leaves the rest out elsewhere

import time
from collections.abc import Callable
from pathlib import Path

from journal import _private_windows, _win32

_PAUSE = 0.02
_GRACE = 0.5  # for a file that is just being removed, which is denied to everybody
_ACCESS = _win32.READ | _win32.WRITE
_SHARED = _win32.SHARE_READ | _win32.SHARE_WRITE


class WindowsLock:
    """An acquired lock. Its handle does not share deletion: the file stays while anybody has or awaits the lock."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    def release(self) -> None:
        if self._handle is not None:
            handle, self._handle = self._handle, None
            _win32.unlock(handle)
            _win32.close_handle(handle)

    def release_file(self) -> None:
        self.release()


class WindowsLocks:
    """The locks of Windows."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep

    def acquire(self, path: Path, timeout: float) -> WindowsLock:
        """See `journal.context.Locks`."""
        started = self._clock()
        while True:
            waited = self._clock() - started
            try:
                handle = _win32.open_handle(
                    path, _ACCESS, _SHARED, _win32.OPEN_ALWAYS, security=_private_windows.attributes()
                )
            except OSError as error:
                if error.winerror == _win32.ACCESS_DENIED:
                    if waited >= _GRACE:
                        raise
                elif error.winerror != _win32.SHARING_VIOLATION:
                    raise
                elif waited >= timeout:
                    raise TimeoutError from None
            else:
                if _locked(handle, path):
                    return WindowsLock(handle)
                if waited >= timeout:
                    raise TimeoutError
            self._sleep(_PAUSE)


def _locked(handle: int, path: Path) -> bool:
    try:
        locked = _win32.lock(handle, path)
    except BaseException:
        _win32.close_handle(handle)
        raise
    if not locked:
        _win32.close_handle(handle)
    return locked
