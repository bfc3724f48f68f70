"""What a command reads with: bytes of files, names in folders, the time.

Reading only; whatever is written goes through the journal's port. A survey reads through here, so that a home can
also be one that stands in memory.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """None of these raises for a file or folder that is missing or unreadable."""

    def try_to_read(self, path: Path) -> tuple[bytes | None, str]:
        """The file's bytes, or None and why; "" where there is no such file."""

    def read(self, path: Path) -> bytes | None:
        """The file's bytes, None where it cannot be read."""

    def names(self, folder: Path) -> list[str]:
        """What lies in a folder; nothing where it cannot be listed."""

    def is_folder(self, path: Path) -> bool: ...

    def is_locked(self, path: Path) -> bool:
        """Whether somebody holds the kernel's lock on a file, as far as this system tells."""

    def now(self) -> datetime: ...


class MachineDisk:
    """This machine's."""

    def try_to_read(self, path: Path) -> tuple[bytes | None, str]:
        try:
            if stat.S_ISFIFO(path.stat().st_mode):
                return None, "it is a pipe"  # reading would wait for a writer, for ever
            return path.read_bytes(), ""
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, error.strerror or type(error).__name__

    def read(self, path: Path) -> bytes | None:
        return self.try_to_read(path)[0]

    def names(self, folder: Path) -> list[str]:
        try:
            return os.listdir(folder)
        except OSError:
            return []

    def is_folder(self, path: Path) -> bool:
        return path.is_dir()

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
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go again with the descriptor
            except OSError as error:
                return error.errno in {errno.EAGAIN, errno.EACCES}
            finally:
                os.close(descriptor)
            return False

    def now(self) -> datetime:
        return datetime.now(UTC)


DISK = MachineDisk()


def read_or_none(path: Path) -> bytes | None:
    """The file's bytes on this machine, None where it cannot be read."""
    return DISK.read(path)
