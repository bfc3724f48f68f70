"""The ledger's file: the sums, and up to where each file of the log is in them, replaced together."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Final

import msgspec

from cfp.proxy.telemetry.ledger.entry import read_entry
from cfp.proxy.telemetry.ledger.segments import fold
from cfp.proxy.telemetry.ledger.table import Key, Table
from cfp.proxy.telemetry.ledger.totals import Totals
from journal.private import append_to, read_from

VERSION: Final = 1
_MAX_GAPS: Final = 8
_MAX_BYTES: Final = 64 * 1024 * 1024
_STALE_SECONDS: Final = 3600.0  # age of a new file whose writer was killed


class Gap(msgspec.Struct):
    """Times of the requests beside a gap; requests between them may be missing."""

    after: str
    before: str


class _Document(msgspec.Struct, kw_only=True):
    """The file as JSON.

    newest  the time of the newest line that is in the sums
    """

    version: int
    offsets: dict[str, int] = {}
    newest: str = ""
    gaps: list[Gap] = []
    days: dict[str, list[tuple[Key, Totals]]] = {}


class LedgerInvalid(ValueError):
    """The file is none of ours, or one of a newer version."""


_decoder: Final = msgspec.json.Decoder(_Document)


class Ledger:
    """The sums of a home's model requests. Two workers may write it at once: each state of it is a true one."""

    def __init__(self) -> None:
        self.table = Table()
        self.gaps: list[Gap] = []
        self._offsets: dict[str, int] = {}
        self._newest = ""
        self._oldest_new = ""  # of the lines of this fold

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Return the ledger of a file, an empty one where there is none; raises OSError and LedgerInvalid."""
        ledger = cls()
        try:
            with read_from(path) as file:
                document = _decoder.decode(file.read(_MAX_BYTES))
        except FileNotFoundError:
            return ledger
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise LedgerInvalid from error
        if document.version != VERSION:
            raise LedgerInvalid
        ledger.table.days = {day: dict(rows) for day, rows in document.days.items()}
        ledger.gaps, ledger._offsets, ledger._newest = document.gaps, document.offsets, document.newest
        return ledger

    def fold(self, log: Path) -> None:
        """Add the lines of the log that are not in the sums; a second time changes nothing."""
        newest, self._oldest_new = self._newest, ""
        if fold(log, self._offsets, self._take):
            self.gaps = [*self.gaps, Gap(newest, self._oldest_new or newest)][-_MAX_GAPS:]
        self.table.merge_old()

    def write(self, path: Path) -> None:
        """Replace the file; raises OSError, and then the old one is still there."""
        document = _Document(
            version=VERSION,
            offsets=self._offsets,
            newest=self._newest,
            gaps=self.gaps,
            days={day: [*rows.items()] for day, rows in self.table.days.items()},
        )
        fresh = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
        _remove_stale(path)
        try:
            descriptor = append_to(fresh)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(document))
                file.flush()
                os.fsync(descriptor)
            fresh.replace(path)
        except OSError:
            with suppress(OSError):
                fresh.unlink()
            raise

    def _take(self, line: bytes) -> None:
        entry = read_entry(line)
        if entry is not None:
            self.table.add(entry)
            self._newest = max(self._newest, entry.ts)
            self._oldest_new = min(self._oldest_new or entry.ts, entry.ts)


def update(path: Path, log: Path) -> None:
    """Fold the log into the ledger's file; raises OSError and LedgerInvalid."""
    ledger = Ledger.read(path)
    ledger.fold(log)
    ledger.write(path)


def _remove_stale(path: Path) -> None:
    """Remove new files whose writers were killed."""
    for other in path.parent.glob(f"{path.name}.*"):
        with suppress(OSError):
            if time() - other.stat().st_mtime > _STALE_SECONDS:
                other.unlink()
