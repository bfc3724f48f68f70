"""Staged files in a target's folder: written under a temporary name, renamed when durable, removed at the end.

.<name>.<txid>-<index>.<version>             the after-image of an intent, or the content that its swap displaced
.<name>.<txid>-<index>.u<n>.<digest>         an image of a roll back, or the content that its swap displaced
....part                                     incomplete, and removed wherever it is found
....old                                      displaced by an exchange that was interrupted (Windows)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from journal.errors import Unsupported
from journal.fs import OLD, FileType, Fs, Metadata, create_fresh, storage_errors, write_all
from journal.intents import Digester, Intent
from journal.reconciliation import Observation, StagedFile
from journal.target import FileContent, read_file

PART = ".part"
SECURITY_LABELS = ("security.", "trusted.")  # the kernel or root sets these; a new file gets its own
ACCESS_ACL = "system.posix_acl_access"  # a folder's default ACL becomes this attribute of every new file


class StagingArea:
    """The names of one transaction in the folder of one target."""

    def __init__(self, fs: Fs, target: Path, txid: str, index: int, digest: Digester) -> None:
        self._fs = fs
        self._digest = digest
        self.target = target
        self.folder = target.parent
        self.prefix = f".{target.name}.{txid}-{index}."

    def staged_path(self, version: int) -> Path:
        """Return the path of the staged after-image of an intent's version."""
        return self.folder / f"{self.prefix}{version}"

    def next_undo_path(self, digest: str) -> Path:
        """Return a path for an image of a roll back that no earlier attempt has used."""
        used = [name.removeprefix(self.prefix) for name in self.names()]
        number = 1 + max((int(name[1:].partition(".")[0]) for name in used if name.startswith("u")), default=-1)
        return self.folder / f"{self.prefix}u{number}.{digest}"

    def names(self) -> list[str]:
        """List the names of this transaction in the folder; [] where the folder is missing."""
        with storage_errors(self.folder), suppress(FileNotFoundError):
            return sorted(name for name in self._fs.names(self.folder) if name.startswith(self.prefix))
        return []

    def mend(self) -> None:
        """Finish an exchange whose replacement is in place, and undo one whose target is missing yet.

        Where another program has made a target meanwhile, the displaced file keeps its name.
        """
        with storage_errors(self.folder):
            for name in self.names():
                if name.endswith(OLD):
                    staged = self.folder / name.removesuffix(OLD)
                    free = staged if self._is_free(staged) else self.target
                    with suppress(FileExistsError, FileNotFoundError):
                        self._fs.move_new(self.folder / name, free)

    def _is_free(self, path: Path) -> bool:
        try:
            self._fs.lstat(path)
        except FileNotFoundError:
            return True
        return False

    def observe(self, intents: Sequence[Intent], names: Collection[str] | None = None) -> Observation:
        """Read the target and its staged files. `names` saves the listing where the caller knows them."""
        with storage_errors(self.target):
            staged_files = self.staged_files(intents, self.names() if names is None else names)
            return Observation(current=read_file(self._fs, self.target, self._digest), staged_files=staged_files)

    def staged_files(self, intents: Sequence[Intent], names: Collection[str]) -> tuple[StagedFile, ...]:
        """Read the staged files of these names, in the order of `Observation`; incomplete ones are left out."""
        present = [self._staged_file(name, intents) for name in sorted(names) if not name.endswith(PART)]
        return tuple(sorted((staged for staged in present if staged is not None), key=lambda one: not one.is_first))

    def _staged_file(self, name: str, intents: Sequence[Intent]) -> StagedFile | None:
        path = self.folder / name
        irregular = None
        try:
            content = read_file(self._fs, path, self._digest)
        except Unsupported:
            content, irregular = self._irregular_content(path)
        if content is None:
            return None
        suffix = name.removeprefix(self.prefix).partition(OLD)[0]
        if suffix.startswith("u"):
            digest = suffix.partition(".")[2]
        else:
            versions = (intent.after_digest for intent in intents if str(intent.version) == suffix)
            digest = next(versions, content.digest)
        return StagedFile(
            path=path, staged_digest=digest, content=content, is_first=suffix == "0", irregular=irregular
        )

    def _irregular_content(self, path: Path) -> tuple[FileContent, FileType]:
        """Describe a link or a folder that replaced the target just before our swap displaced it."""
        stat = self._fs.lstat(path)
        data = self._fs.readlink(path).encode() if stat.file_type is FileType.LINK else b""
        metadata = Metadata(mode=stat.mode, uid=stat.uid, gid=stat.gid)
        digest = f"{stat.file_type.value}:{data.hex()}"
        return FileContent(data=data, digest=digest, metadata=metadata, mtime_ns=stat.mtime_ns), stat.file_type


def stage(
    fs: Fs, path: Path, data: bytes, metadata: Metadata | None, *, mode: int, mtime_ns: int | None = None
) -> None:
    """Write a staged file, complete and durable before it appears as `path`.

    `metadata` is that of the file which it will replace; None for a new file, which gets `mode`.
    Raises Unsupported where the owner or an attribute cannot be kept.
    """
    part = path.with_name(path.name + PART)
    with storage_errors(path):
        fd = create_fresh(fs, part)
        try:
            write_all(fs, fd, data)
            apply_metadata(fs, fd, part, metadata or Metadata(mode=mode, uid=-1, gid=-1))
            if mtime_ns is not None:
                fs.set_mtime(fd, mtime_ns)
            fs.fsync(fd)
        finally:
            fs.close(fd)
        fs.move(part, path)


def apply_metadata(fs: Fs, fd: int, path: Path, metadata: Metadata) -> None:
    """Set owner (-1 keeps it), attributes and mode of an open file; the mode last, since the others change it."""
    stat = fs.lstat(path)
    uid = stat.uid if metadata.uid == -1 else metadata.uid
    gid = stat.gid if metadata.gid == -1 else metadata.gid
    if (uid, gid) != (stat.uid, stat.gid):
        try:
            fs.set_owner(fd, uid, gid)
        except PermissionError as error:
            raise Unsupported(path, "its owner cannot be kept") from error
    present = fs.xattrs(path)
    for name, value in metadata.xattrs:
        if present.get(name) != value:
            try:
                fs.set_xattr(fd, name, value)
            except OSError as error:
                if not name.startswith(SECURITY_LABELS):
                    raise Unsupported(path, f"its attribute {name} cannot be kept") from error
    if ACCESS_ACL in present and ACCESS_ACL not in dict(metadata.xattrs):
        fs.drop_xattr(fd, ACCESS_ACL)
    fs.set_mode(fd, metadata.mode)


def park(fs: Fs, path: Path, data: bytes) -> None:
    """Keep displaced content durably in the journal's folder. Parking the same content twice leaves one file."""
    part = path.with_name(path.name + PART)
    with storage_errors(path):
        fd = create_fresh(fs, part)
        try:
            write_all(fs, fd, data)
            fs.fsync(fd)
        finally:
            fs.close(fd)
        fs.move(part, path)
        fs.fsync_folder(path.parent)
