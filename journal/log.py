"""The write-ahead log of one open transaction, and the files of the journal's folder.

    <txid>.open    the log; it appears under this name only when its records up to `prepared` are durable
    <txid>.new     an incomplete log, removed wherever it is found
    <txid>.b*      before-images, durable before the intent that names them
    <txid>.x*      parked content: displaced from a target, and foreign
    lock           locked by the process that may write here; holder.json names it

So a log that is unreadable before `prepared` was readable once: it is damaged, and no interrupted start.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from journal import codec
from journal.errors import Damaged, NewerLog
from journal.fs import Fs, create_fresh, storage_errors, write_all
from journal.intents import ImageLocation
from journal.values import Json

VERSION = 1
RESERVED = 16 * 1024  # room for the records after `prepared` on a full disk
OPEN = ".open"
NEW = ".new"
IMAGES = ".b"
PARKED = ".x"
LOCK = "lock"
HOLDER = "holder.json"


class Log:
    """An append-only list of records. No descriptor stays open between calls.

    `torn_bytes` is the number of bytes that a power cut left after the valid prefix. A new record of the same length
    as a lost one would make old records after it valid again, even a commit: so `append` zeroes those bytes first.
    """

    def __init__(self, fs: Fs, path: Path, records: Sequence[Json], length: int, torn_bytes: int = 0) -> None:
        self._fs = fs
        self.path = path
        self.records = list(records)
        self._length = length
        self._torn_bytes = torn_bytes

    def append(self, record: Json, *, durable: bool) -> None:
        """Append a record. After a failed fsync it may or may not be durable; the caller rolls back then."""
        data = codec.frame(len(self.records), record)
        with storage_errors(self.path):
            fd = self._fs.open(self.path)
            try:
                if self._torn_bytes:
                    write_all(self._fs, fd, bytes(self._torn_bytes), self._length)
                    self._fs.fsync(fd)
                    self._torn_bytes = 0
                write_all(self._fs, fd, data, self._length)
                if durable:
                    self._fs.fsync(fd)
            finally:
                self._fs.close(fd)
        self._length += len(data)
        self.records.append(record)

    def rewrite(self, records: Sequence[Json]) -> None:
        """Replace the whole log atomically by a new file.

        This revokes a commit whose fsync failed, and makes one durable that may be in the page cache only: a second
        fsync of the same file can report success for data that the first one has dropped.
        """
        data = codec.frames(records)
        write_new(self._fs, self.path.with_suffix(NEW), data, self.path)
        with storage_errors(self.path):
            self._fs.fsync_folder(self.path.parent)
        self._length = len(data)
        self._torn_bytes = 0
        self.records = list(records)


def write_new(fs: Fs, new: Path, data: bytes, path: Path) -> None:
    """Write a file durably as `new`, with reserved space, then rename it to `path`."""
    with storage_errors(path):
        fd = create_fresh(fs, new)
        try:
            fs.reserve(fd, len(data) + RESERVED)
            write_all(fs, fd, data)
            fs.fsync(fd)
        finally:
            fs.close(fd)
        fs.move(new, path)


def create_log(fs: Fs, root: Path, txid: str, records: Sequence[Json]) -> Log:
    """Write the log of a prepared transaction: `records`, which start with `begin`, and `prepared`."""
    records = [*records, _prepared(records)]
    path = root / (txid + OPEN)
    data = codec.frames(records)
    write_new(fs, root / (txid + NEW), data, path)
    with storage_errors(path):
        fs.fsync_folder(root)
    return Log(fs, path, records, len(data))


def load_log(fs: Fs, root: Path, txid: str) -> Log:
    """Read an open log. Raises Damaged, or NewerLog."""
    path = root / (txid + OPEN)
    with storage_errors(path):
        data = fs.read(path)
    parsed = codec.parse(data)
    records = parsed.records
    if not records or records[0].get("t") != "begin":
        raise Damaged(txid)
    if records[0].get("v") != VERSION:
        raise NewerLog(path, "written by another version")
    intents = [record for record in records if record.get("t") == "intent"]
    at = 1 + len(intents)
    if len(records) <= at or records[at] != _prepared(records[:at]):
        raise Damaged(txid)
    return Log(fs, path, records, parsed.length, torn_bytes=len(data.rstrip(b"\0")) - parsed.length)


def open_transactions(fs: Fs, root: Path) -> tuple[str, ...]:
    """Return the ids of the open logs, oldest first; () where the folder is missing. Costs one listing."""
    names: list[str] = []
    with storage_errors(root), suppress(FileNotFoundError):
        names = fs.names(root)
    return tuple(sorted(name.removesuffix(OPEN) for name in names if name.endswith(OPEN)))


def write_images(fs: Fs, root: Path, name: str, images: Sequence[bytes]) -> list[ImageLocation]:
    """Write before-images durably into one file, with one fsync for all of them."""
    locations = []
    offset = 0
    path = root / name
    with storage_errors(path):
        fd = create_fresh(fs, path)
        try:
            for image in images:
                write_all(fs, fd, image, offset)
                locations.append(ImageLocation(name=name, offset=offset, size=len(image)))
                offset += len(image)
            fs.fsync(fd)
        finally:
            fs.close(fd)
    return locations


def _prepared(records: Sequence[Json]) -> Json:
    """Return the record that follows the intents: their number, and a checksum of them and `begin`."""
    return {"t": "prepared", "n": len(records) - 1, "crc": zlib.crc32(codec.frames(records))}
