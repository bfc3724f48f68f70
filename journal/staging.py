"""Files of ours beside a target: written under a passing name, renamed when durable, swept when the work is over.

.<name>.<txid>-<index>.<version>             the after-image of an intent, or what its swap displaced
.<name>.<txid>-<index>.u<n>.<digest>         content that a roll back puts in place, or what that displaced
....part                                     being written; worth nothing, swept on sight
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from journal.errors import Unsupported
from journal.fs import FileType, Fs, Meta, create_fresh, storage, write_all
from journal.intents import Digester, Intent
from journal.reconciliation import Observation, StagedFile
from journal.target import FileContent, look

PART = ".part"
LABELS = ("security.", "trusted.")  # the kernel or root keeps these; a new file gets its own
INHERITED = "system.posix_acl_access"  # a folder's default ACL ends up here on every new file


class StagingArea:
    """One target, and the names of this transaction beside it."""

    def __init__(self, fs: Fs, target: Path, txid: str, index: int, digest: Digester) -> None:
        self._fs = fs
        self._digest = digest
        self.target = target
        self.folder = target.parent
        self.prefix = f".{target.name}.{txid}-{index}."

    def staged(self, version: int) -> Path:
        return self.folder / f"{self.prefix}{version}"

    def next_undo(self, digest: str) -> Path:
        """A name that no earlier attempt has used."""
        used = [name.removeprefix(self.prefix) for name in self.names()]
        number = 1 + max((int(name[1:].partition(".")[0]) for name in used if name.startswith("u")), default=-1)
        return self.folder / f"{self.prefix}u{number}.{digest}"

    def names(self) -> list[str]:
        """Every name of ours in the folder, found by listing it; [] where the folder is gone."""
        with storage(self.folder), suppress(FileNotFoundError):
            return sorted(name for name in self._fs.names(self.folder) if name.startswith(self.prefix))
        return []

    def observe(self, intents: Sequence[Intent], names: Collection[str] | None = None) -> Observation:
        """Read the target and what lies beside it. `names` saves the listing where they are known."""
        with storage(self.target):
            beside = self.beside(intents, self.names() if names is None else names)
            return Observation(current=look(self._fs, self.target, self._digest), beside=beside)

    def beside(self, intents: Sequence[Intent], names: Collection[str]) -> tuple[StagedFile, ...]:
        found = [self._beside(name, intents) for name in sorted(names) if not name.endswith(PART)]
        return tuple(sorted((one for one in found if one is not None), key=lambda one: not one.first))

    def _beside(self, name: str, intents: Sequence[Intent]) -> StagedFile | None:
        path = self.folder / name
        strange = None
        try:
            holds = look(self._fs, path, self._digest)
        except Unsupported:
            holds, strange = self._strange(path)
        if holds is None:
            return None
        suffix = name.removeprefix(self.prefix)
        if suffix.startswith("u"):
            staged = suffix.partition(".")[2]
        else:
            staged = next((intent.after for intent in intents if str(intent.version) == suffix), holds.digest)
        return StagedFile(path=path, staged=staged, holds=holds, first=suffix == "0", strange=strange)

    def _strange(self, path: Path) -> tuple[FileContent, FileType]:
        """A link or a folder that took the target's name an instant before our swap displaced it."""
        stat = self._fs.lstat(path)
        content = self._fs.readlink(path).encode() if stat.kind is FileType.LINK else b""
        meta = Meta(mode=stat.mode, uid=stat.uid, gid=stat.gid)
        digest = f"{stat.kind.value}:{content.hex()}"
        return FileContent(content=content, digest=digest, meta=meta, mtime_ns=stat.mtime_ns), stat.kind


def stage(fs: Fs, path: Path, content: bytes, meta: Meta | None, *, mode: int, mtime_ns: int | None = None) -> None:
    """Write a file beside its target, complete and durable before it appears as `path`.

    `meta` is what it takes over from the file it will replace; None for a new file, which gets `mode`.
    Raises Unsupported where owner or attributes cannot be kept.
    """
    part = path.with_name(path.name + PART)
    with storage(path):
        fd = create_fresh(fs, part)
        try:
            write_all(fs, fd, content)
            apply_meta(fs, fd, part, meta or Meta(mode=mode, uid=-1, gid=-1))
            if mtime_ns is not None:
                fs.set_mtime(fd, mtime_ns)
            fs.fsync(fd)
        finally:
            fs.close(fd)
        fs.move(part, path)


def apply_meta(fs: Fs, fd: int, path: Path, meta: Meta) -> None:
    """Give an open file its owner (-1 keeps it), attributes and mode; the mode last, since the others touch it."""
    stat = fs.lstat(path)
    uid, gid = (stat.uid if meta.uid == -1 else meta.uid), (stat.gid if meta.gid == -1 else meta.gid)
    if (uid, gid) != (stat.uid, stat.gid):
        try:
            fs.set_owner(fd, uid, gid)
        except PermissionError as error:
            raise Unsupported(path, "its owner cannot be kept") from error
    present = fs.xattrs(path)
    for name, value in meta.xattrs:
        if present.get(name) != value:
            try:
                fs.set_xattr(fd, name, value)
            except OSError as error:
                if not name.startswith(LABELS):
                    raise Unsupported(path, f"its attribute {name} cannot be kept") from error
    if INHERITED in present and INHERITED not in dict(meta.xattrs):
        fs.drop_xattr(fd, INHERITED)
    fs.set_mode(fd, meta.mode)


def park(fs: Fs, path: Path, content: bytes) -> None:
    """Keep displaced bytes durably in the journal's folder. Parking the same bytes twice is one file."""
    part = path.with_name(path.name + PART)
    with storage(path):
        fd = create_fresh(fs, part)
        try:
            write_all(fs, fd, content)
            fs.fsync(fd)
        finally:
            fs.close(fd)
        fs.move(part, path)
        fs.fsync_folder(path.parent)
