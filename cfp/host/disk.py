"""Read access to the file system, and the clock.

Nothing is written here: writes go through the journal. A survey reads through `Disk`, so that tests can bring a
home in memory.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from cfp.core.ownership import Ownership
from cfp.host.system.files.file_use import IN_USE, read_bytes
from cfp.host.system.ownership import read_ownership
from journal.fs import FileInUse

PATIENCE_S: Final = 2.0
_PAUSE_S: Final = 0.05


class Disk(Protocol):
    """Reads files and folders; no method raises for one that is missing or unreadable."""

    def try_to_read(self, path: Path) -> tuple[bytes | None, str]:
        """Return the file's bytes, or None and the reason; the reason is "" for a missing file.

        It is `IN_USE` for a file that another program keeps to itself, and that was waited for in vain (Windows).
        """

    def read(self, path: Path) -> bytes | None:
        """Return the file's bytes; None where it cannot be read."""

    def try_to_list(self, folder: Path) -> tuple[list[str], str]:
        """Return the names in a folder, or none and the reason; the reason is "" for a missing folder."""

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder; none where it cannot be listed."""

    def why_unlisted(self, folder: Path) -> str:
        """Return the reason for which an existing folder cannot be listed; "" where it can be, or is missing."""

    def is_folder(self, path: Path) -> bool: ...

    def is_locked(self, path: Path) -> bool:
        """Whether a process holds the kernel's lock on a file, as far as this system shows it."""

    def ownership(self, folder: Path, files: Iterable[Path] = ()) -> Ownership:
        """Return the user of this process, and the owners of a folder and of the files in it."""

    def now(self) -> datetime: ...


class MachineDisk:
    """The disk and clock of this machine.

    patience  seconds that all reads together wait for files that other programs keep to themselves
    """

    def __init__(
        self,
        patience: float = PATIENCE_S,
        sleep: Callable[[float], object] = time.sleep,
        read: Callable[[Path], bytes] = read_bytes,
    ) -> None:
        self._patience = patience
        self._sleep = sleep
        self._read = read

    def try_to_read(self, path: Path) -> tuple[bytes | None, str]:
        try:
            return self._read_patiently(path), ""
        except FileNotFoundError:
            return None, ""
        except FileInUse:
            return None, IN_USE
        except OSError as error:
            return None, error.strerror or type(error).__name__

    def _read_patiently(self, path: Path) -> bytes:
        while True:
            try:
                return self._read(path)
            except FileInUse:
                if self._patience <= 0:
                    raise
            self._sleep(_PAUSE_S)
            self._patience -= _PAUSE_S

    def read(self, path: Path) -> bytes | None:
        return self.try_to_read(path)[0]

    def try_to_list(self, folder: Path) -> tuple[list[str], str]:
        try:
            return os.listdir(folder), ""
        except (FileNotFoundError, NotADirectoryError):
            return [], ""
        except OSError as error:
            return [], error.strerror or type(error).__name__

    def names(self, folder: Path) -> list[str]:
        return self.try_to_list(folder)[0]

    def why_unlisted(self, folder: Path) -> str:
        if why := self.try_to_list(folder)[1]:
            return why
        closed = self.is_folder(folder) and not os.access(folder, os.X_OK)
        return os.strerror(errno.EACCES) if closed else ""

    def is_folder(self, path: Path) -> bool:
        try:
            return path.is_dir()
        except OSError:  # a folder above it cannot be searched
            return False

    if sys.platform == "win32":

        def is_locked(self, path: Path) -> bool:  # noqa: ARG002  a lock there is on bytes, and asking would change them
            return False

    else:

        def is_locked(self, path: Path) -> bool:
            import fcntl  # noqa: PLC0415  POSIX only

            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                return False
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # released with the descriptor
            except OSError as error:
                return error.errno in {errno.EAGAIN, errno.EACCES}
            finally:
                os.close(descriptor)
            return False

    def ownership(self, folder: Path, files: Iterable[Path] = ()) -> Ownership:
        return read_ownership(folder, files)

    def now(self) -> datetime:
        return datetime.now(UTC)


DISK = MachineDisk()


def read_or_none(path: Path) -> bytes | None:
    """Return the bytes of a file on this machine; None where it cannot be read."""
    return DISK.read(path)
