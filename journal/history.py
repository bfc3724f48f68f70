"""The history: one redacted line for each transaction, for people and for `status`. No decision depends on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from journal.fs import Fs, create_fresh, storage_errors, write_all
from journal.log import NEW
from journal.values import Json

NAME = "history.jsonl"
MAX_LINES = 50
MAX_BYTES = 256 * 1024
MAX_AGE = timedelta(days=90)


def read_history(fs: Fs, root: Path) -> tuple[Json, ...]:
    """Return the newest MAX_LINES entries, oldest first; a torn line is skipped."""
    return tuple(_entries(_read(fs, root)))[-MAX_LINES:]


def add_to_history(fs: Fs, root: Path, entry: Json, now: datetime) -> None:
    """Append one line, unless its transaction has one already; now and then drop lines over age or number."""
    path = root / NAME
    data = _read(fs, root)
    if f'"id":"{entry["id"]}"'.encode() in data:
        return
    line = _line(entry)
    if not _is_overdue(data, now):
        separator = b"" if data.endswith(b"\n") else b"\n"
        with storage_errors(path):
            _append(fs, path, separator + line, len(data))
        return
    recent = [old for old in _entries(data) if now - _moment(old) <= MAX_AGE][1 - MAX_LINES :]
    with storage_errors(path):
        _replace(fs, path, b"".join([*map(_line, recent), line]))


def _is_overdue(data: bytes, now: datetime) -> bool:
    """Whether the history is to be rewritten; that costs more than an append, so it waits for twice the lines."""
    if len(data) > MAX_BYTES or data.count(b"\n") >= 2 * MAX_LINES:
        return True
    oldest = next(_entries(data[: data.find(b"\n") + 1]), None)
    return oldest is None or now - _moment(oldest) > MAX_AGE


def _read(fs: Fs, root: Path) -> bytes:
    with storage_errors(root / NAME), suppress(FileNotFoundError):
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
        with suppress(OSError):  # on a full disk, for example: no part of it may stay
            fs.unlink(new)
        raise


def _line(entry: Json) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _entries(data: bytes) -> Iterator[Json]:
    for line in data.split(b"\n"):
        try:
            entry = json.loads(line)
            _moment(entry)
            entry["id"]
        except (ValueError, KeyError, TypeError):
            continue
        yield entry


def _moment(entry: Json) -> datetime:
    return datetime.fromisoformat(entry["at"])
