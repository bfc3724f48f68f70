"""What has happened: one redacted line a transaction, for people and for `status`. Nothing is decided from it."""

from __future__ import annotations

import json
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
    """Every readable line, oldest first; a torn one is skipped."""
    lines: list[bytes] = []
    with storage(root / NAME), suppress(FileNotFoundError):
        lines = fs.read(root / NAME).split(b"\n")
    return tuple(entry for entry in map(_entry, lines) if entry is not None)


def add_to_history(fs: Fs, root: Path, entry: Json, now: datetime) -> None:
    """Append one line, unless its transaction has one already; drop what is too old or too much."""
    entries = read_history(fs, root)
    if any(entry["id"] == old["id"] for old in entries):
        return
    kept = [old for old in entries if now - _when(old) <= OLDEST][1 - MOST_LINES :]
    kept.append(entry)
    while len(kept) > 1 and len(_lines(kept)) > MOST_BYTES:
        kept.pop(0)
    path = root / NAME
    with storage(path):
        if len(kept) == len(entries) + 1 and entries:
            _append(fs, path, _lines([entry]))
        else:
            _replace(fs, path, _lines(kept))


def _append(fs: Fs, path: Path, line: bytes) -> None:
    present = fs.read(path)
    separator = b"" if present.endswith(b"\n") else b"\n"
    fd = fs.open(path)
    try:
        write_all(fs, fd, separator + line, len(present))
    finally:
        fs.close(fd)


def _replace(fs: Fs, path: Path, data: bytes) -> None:
    new = path.with_suffix(NEW)
    fd = create_fresh(fs, new)
    try:
        write_all(fs, fd, data)
        fs.fsync(fd)
    finally:
        fs.close(fd)
    fs.move(new, path)


def _lines(entries: list[Json]) -> bytes:
    return b"".join(json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)


def _entry(line: bytes) -> Json | None:
    try:
        entry = json.loads(line)
        _when(entry)
        entry["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return entry


def _when(entry: Json) -> datetime:
    return datetime.fromisoformat(entry["at"])
