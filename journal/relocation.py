"""The folder that a log belongs to, and the log's paths where that folder is elsewhere now.

A log names its files by absolute paths. The folder that holds the journal may have been renamed since, or reached
through another name: then the paths below it are read as paths below its present name. Or it is a copy, and the
original may still be in use: then the log is carried out on the copy alone, and one that leads out of it is refused.

A folder is the recorded one where its resolved path is the recorded one, or leads to the same place, or where device
and inode are the recorded ones, which a rename keeps and a copy does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from journal.errors import JournalError, Misplaced, Unsupported
from journal.fs import Fs, storage_errors
from journal.intents import Intent, intent_from_record
from journal.log import OPEN
from journal.target import resolve
from journal.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """The map from a log's paths to present ones.

    former   the recorded spellings of the folder; none where the log is in its own place
    folder   the same folder now, resolved
    is_copy  another folder may still belong to the log, and the workers that it names with it
    """

    former: tuple[Path, ...] = ()
    folder: Path = Path()
    is_copy: bool = False

    def path(self, path: Path) -> Path:
        """Return the present path of a recorded one; one outside of the folder stays as it is."""
        for former in self.former:
            if path.is_relative_to(former):
                return self.folder / path.relative_to(former)
        return path

    def intent(self, intent: Intent) -> Intent:
        """Return the intent for the present paths."""
        return (
            replace(intent, path=self.path(intent.path), target=self.path(intent.target)) if self.former else intent
        )


def origin_record(fs: Fs, root: Path) -> Json:
    """Return the log's record of the journal's folder: its spelling, its resolved path, its device and inode."""
    with storage_errors(root):
        stat = fs.lstat(resolve(fs, root).target)
    home = resolve(fs, root.parent).target
    return {"path": str(root), "home": str(home), "device": stat.device, "inode": stat.inode}


def relocation_of(fs: Fs, root: Path, txid: str, records: Sequence[Json]) -> Relocation:
    """Return the map for a log. Raises Misplaced where the log is a copy's and leads out of it."""
    origin = records[0].get("root")
    home = resolve(fs, root.parent).target
    if origin is None:  # written by 0.2.0, which recorded no folder: its paths were below its own
        outside = [path for path in _paths(records) if not _is_below(path, (root.parent, home))]
        if outside:
            raise Misplaced(root / (txid + OPEN), None, home, outside)
        return Relocation()
    recorded = Path(origin["home"])
    if recorded == home:
        return Relocation()
    relocation = Relocation(
        former=(recorded, Path(origin["path"]).parent),
        folder=home,
        is_copy=not _is_same_folder(fs, root, txid, origin),
    )
    if relocation.is_copy:
        outside = [path for path in _paths(records) if _leads_out(fs, relocation.path(path), home)]
        if outside:
            raise Misplaced(root / (txid + OPEN), recorded, home, outside)
    return relocation


def _is_same_folder(fs: Fs, root: Path, txid: str, origin: Json) -> bool:
    """Whether this is the recorded folder under another name, and no copy of it."""
    former = Path(origin["path"])
    with suppress(JournalError):
        if resolve(fs, former).target == resolve(fs, root).target:
            return True
    recorded = (origin["device"], origin["inode"])
    if not origin["inode"] or _identity(fs, resolve(fs, root).target) != recorded:
        return False
    # A clone of the disk has the same numbers as the original: where that is still there, it is another folder.
    return _identity(fs, former / (txid + OPEN)) is None or _identity(fs, former) == recorded


def _identity(fs: Fs, path: Path) -> tuple[int, int] | None:
    try:
        stat = fs.lstat(path)
    except OSError:
        return None
    return stat.device, stat.inode


def _paths(records: Sequence[Json]) -> Iterator[Path]:
    """Yield every path that recovery would act on."""
    yield from (Path(folder) for folder in records[0].get("folders", ()))
    for record in records:
        if record["t"] in {"intent", "reintent"}:
            intent = intent_from_record(record)
            yield intent.path
            if records[0].get("root") is not None:
                yield intent.target


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _leads_out(fs: Fs, path: Path, home: Path) -> bool:
    """Whether a path, with its links followed, is outside of the folder."""
    try:
        return not resolve(fs, path).target.is_relative_to(home)
    except Unsupported:  # links in a circle lead nowhere
        return True
