"""The open log of one transaction on the disk.

    <txid>.open    the log; it appears under this name only when its records up to `prepared` are durable
    <txid>.new     a log that is being written; worth nothing, swept on sight
    <txid>.b*      before-images, durable before the intent that names them
    <txid>.x*      parked bytes: displaced from a target, and none of ours
    lock           held by whoever may write here; holder.json says who that is

So a log whose prefix up to `prepared` is unreadable was readable once: that is damage, never an interrupted start.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from journal import codec
from journal.errors import Damaged, Unsupported
from journal.fs import Fs, create_fresh, storage, write_all
from journal.intents import Slice
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
    """An append-only list of records. Nothing is kept open between calls.

    `torn` counts the bytes that a power cut left behind the valid prefix. A record put before them could lead to an
    old one among them again, even a commit, if it is just as long as the one that is lost: so they are blotted first.
    """

    def __init__(self, fs: Fs, path: Path, records: Sequence[Json], length: int, torn: int = 0) -> None:
        self._fs = fs
        self.path = path
        self.records = list(records)
        self._length = length
        self._torn = torn

    def append(self, record: Json, *, durable: bool) -> None:
        """Add a record. After a failed fsync it may or may not be there; the caller turns back then."""
        data = codec.frame(len(self.records), record)
        with storage(self.path):
            fd = self._fs.open(self.path)
            try:
                if self._torn:
                    write_all(self._fs, fd, bytes(self._torn), self._length)
                    self._fs.fsync(fd)
                    self._torn = 0
                write_all(self._fs, fd, data, self._length)
                if durable:
                    self._fs.fsync(fd)
            finally:
                self._fs.close(fd)
        self._length += len(data)
        self.records.append(record)

    def rewrite(self, records: Sequence[Json]) -> None:
        """Replace the whole log in one step by a new file.

        This takes back a commit whose fsync failed, and makes sure of one that was only seen in memory: a second
        fsync of the same file could report success for data that the first one has dropped.
        """
        data = codec.frames(records)
        write_new(self._fs, self.path.with_suffix(NEW), data, self.path)
        with storage(self.path):
            self._fs.fsync_folder(self.path.parent)
        self._length = len(data)
        self._torn = 0
        self.records = list(records)


def write_new(fs: Fs, new: Path, data: bytes, path: Path) -> None:
    """Write a file durably under another name, with room to grow, then move it into place."""
    with storage(path):
        fd = create_fresh(fs, new)
        try:
            fs.reserve(fd, len(data) + RESERVED)
            write_all(fs, fd, data)
            fs.fsync(fd)
        finally:
            fs.close(fd)
        fs.move(new, path)


def create_log(fs: Fs, root: Path, txid: str, records: Sequence[Json]) -> Log:
    """Make the log of a prepared transaction: `records` begin with `begin`, and `prepared` is added."""
    records = [*records, _prepared(records)]
    path = root / (txid + OPEN)
    data = codec.frames(records)
    write_new(fs, root / (txid + NEW), data, path)
    with storage(path):
        fs.fsync_folder(root)
    return Log(fs, path, records, len(data))


def load_log(fs: Fs, root: Path, txid: str) -> Log:
    """Read an open log. Raises Damaged, or Unsupported for a log of a newer version."""
    path = root / (txid + OPEN)
    with storage(path):
        data = fs.read(path)
    parsed = codec.parse(data)
    records = parsed.records
    if not records or records[0].get("t") != "begin":
        raise Damaged(txid)
    if records[0].get("v") != VERSION:
        raise Unsupported(path, "written by another version")
    planned = [record for record in records if record.get("t") == "intent"]
    at = 1 + len(planned)
    if len(records) <= at or records[at] != _prepared(records[:at]):
        raise Damaged(txid)
    return Log(fs, path, records, parsed.length, torn=len(data.rstrip(b"\0")) - parsed.length)


def open_transactions(fs: Fs, root: Path) -> tuple[str, ...]:
    """The ids of the open logs, oldest first; one listing, () where there is no folder."""
    names: list[str] = []
    with storage(root), suppress(FileNotFoundError):
        names = fs.names(root)
    return tuple(sorted(name.removesuffix(OPEN) for name in names if name.endswith(OPEN)))


def write_images(fs: Fs, root: Path, name: str, images: Sequence[bytes]) -> list[Slice]:
    """Write before-images durably into one file, so that they cost one fsync together."""
    slices = []
    offset = 0
    path = root / name
    with storage(path):
        fd = create_fresh(fs, path)
        try:
            for image in images:
                write_all(fs, fd, image, offset)
                slices.append(Slice(name=name, offset=offset, size=len(image)))
                offset += len(image)
            fs.fsync(fd)
        finally:
            fs.close(fd)
    return slices


def _prepared(records: Sequence[Json]) -> Json:
    """The record that closes the intents: how many they are, and a checksum over them and `begin`."""
    return {"t": "prepared", "n": len(records) - 1, "crc": zlib.crc32(codec.frames(records))}
