"""What has happened: one redacted line a transaction, for people and for `status`. Nothing is decided from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from journal.fs import Fs, create_fresh, storage, write_all
from journal.log import NEW
from journal.values import Json

NAME = "history.jsonl"
MOST_LINES = 50
MOST_BYTES = 256 * 1024
OLDEST = timedelta(days=90)


def read_history(fs: Fs, root: Path) -> tuple[Json, ...]:
    """The readable lines, oldest first, as many as are kept; a torn one is skipped."""
    return tuple(_entries(_read(fs, root)))[-MOST_LINES:]


def add_to_history(fs: Fs, root: Path, entry: Json, now: datetime) -> None:
    """Append one line, unless its transaction has one already; drop what is too old or too much now and then."""
    path = root / NAME
    present = _read(fs, root)
    if f'"id":"{entry["id"]}"'.encode() in present:
        return
    line = _line(entry)
    if not _is_overdue(present, now):
        separator = b"" if present.endswith(b"\n") else b"\n"
        with storage(path):
            _append(fs, path, separator + line, len(present))
        return
    kept = [old for old in _entries(present) if now - _when(old) <= OLDEST][1 - MOST_LINES :]
    with storage(path):
        _replace(fs, path, b"".join([*map(_line, kept), line]))


def _is_overdue(present: bytes, now: datetime) -> bool:
    """Whether it is time to write the history anew; that costs more than a line, so it waits for twice the lines."""
    if len(present) > MOST_BYTES or present.count(b"\n") >= 2 * MOST_LINES:
        return True
    oldest = next(_entries(present[: present.find(b"\n") + 1]), None)
    return oldest is None or now - _when(oldest) > OLDEST


def _read(fs: Fs, root: Path) -> bytes:
    with storage(root / NAME), suppress(FileNotFoundError):
        return fs.read(root / NAME)
    return b""


def _append(fs: Fs, path: Path, data: bytes, offset: int) -> None:
    fd = fs.open(path)
    try:
        write_all(fs, fd, data, offset)
    finally:
        fs.close(fd)


def _replace(fs: Fs, path: Path, data: bytes) -> None:
    new = path.with_suffix(NEW)
    try:
        fd = create_fresh(fs, new)
        try:
            write_all(fs, fd, data)
            fs.fsync(fd)
        finally:
            fs.close(fd)
        fs.move(new, path)
    except OSError:
        with suppress(OSError):  # on a full disk, say: nothing of it may stay
            fs.unlink(new)
        raise


def _line(entry: Json) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _entries(data: bytes) -> Iterator[Json]:
    for line in data.split(b"\n"):
        try:
            entry = json.loads(line)
            _when(entry)
            entry["id"]
        except (ValueError, KeyError, TypeError):
            continue
        yield entry


def _when(entry: Json) -> datetime:
    return datetime.fromisoformat(entry["at"])
