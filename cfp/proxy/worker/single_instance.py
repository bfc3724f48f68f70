"""One worker per home: the lock that a worker holds while it runs, and its pid file."""

from __future__ import annotations

import os
from contextlib import suppress
from types import TracebackType
from typing import Self

from cfp.errors import Busy
from cfp.host.worker.control.channel import close_lock, take_lock
from cfp.layout import Layout
from journal.private import make_folder, make_private


def is_of_this_home(layout: Layout, lock: int) -> bool:
    """Whether an inherited descriptor is the lock of this home, whose file is still there."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(lock), layout.worker_lock.stat())
    return False


class SingleInstance:
    """A context manager that holds the lock. The kernel releases it when the process ends in any way.

    The lock's file stays: without it, two workers could hold locks on two files of one name.
    A lock that another worker has lent is the same lock: it is held until both workers have released it.
    """

    def __init__(self, layout: Layout, lent: int | None = None) -> None:
        """`lent` is a lock that another worker has lent."""
        self._layout = layout
        self._lock = lent

    def __enter__(self) -> Self:
        """Take the lock, making the folder where it is missing; raises Busy(worker_running)."""
        if self._lock is not None:
            return self
        for folder in (self._layout.state, self._layout.worker):
            with suppress(FileExistsError):
                make_folder(folder)
        try:
            self._lock = take_lock(self._layout.worker_lock)
        except OSError as error:
            raise Busy("worker_running") from error
        with suppress(OSError):
            make_private(self._layout.worker_lock)
        return self

    @property
    def lock(self) -> int | None:
        """The lock, to be lent to the next worker; None once it is released."""
        return self._lock

    def release(self) -> None:
        """Release the lock, which a worker that has it lent goes on to hold."""
        if self._lock is not None:
            close_lock(self._lock)
            self._lock = None

    def write_pid(self) -> None:
        """Write the pid file of a worker that serves; an error, as on a full disk, does not stop the worker."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        with suppress(OSError):
            descriptor = os.open(self._layout.pid_file, flags, 0o600)
            try:
                os.write(descriptor, b"%d\n" % os.getpid())
            finally:
                os.close(descriptor)
            make_private(self._layout.pid_file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):
            if self._layout.pid_file.read_bytes() == b"%d\n" % os.getpid():
                self._layout.pid_file.unlink()
        self.release()
