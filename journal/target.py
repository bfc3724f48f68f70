"""The file that a path resolves to: its content, its metadata, and whether it can be replaced without loss."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from journal.errors import Unsupported
from journal.fs import FileType, Fs, Metadata, storage_errors
from journal.intents import Digester

MAX_LINKS = 40  # as many as Linux follows


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPath:
    """The target of a path, and the symbolic links on the way as (link, its text)."""

    target: Path
    chain: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """The content of a regular file, with its digest and metadata."""

    data: bytes
    digest: str
    metadata: Metadata
    mtime_ns: int


def resolve(fs: Fs, path: Path) -> ResolvedPath:
    """Follow every symbolic link in an absolute path; the target need not exist.

    Raises Unsupported on a cycle, and StorageFailed.
    """
    with storage_errors(path):
        return _resolve(fs, path)


def _resolve(fs: Fs, path: Path) -> ResolvedPath:
    chain: list[tuple[str, str]] = []
    target = Path(path.anchor)
    pending = list(reversed(path.parts[1:]))
    while pending:
        part = pending.pop()
        if part == "..":
            target = target.parent
            continue
        target /= part
        try:
            if fs.lstat(target).file_type is not FileType.LINK:
                continue
        except FileNotFoundError:
            continue
        text = Path(fs.readlink(target))
        chain.append((str(target), str(text)))
        if len(chain) > MAX_LINKS:
            raise Unsupported(path, "symbolic links in a circle")
        target = Path(text.anchor) if text.anchor else target.parent
        pending.extend(reversed(text.parts[1 if text.anchor else 0 :]))
    return ResolvedPath(target=target, chain=tuple(chain))


def read_file(fs: Fs, path: Path, digest: Digester) -> FileContent | None:
    """Read a regular file whole; None where there is none. Raises Unsupported for any other type."""
    try:
        stat = fs.lstat(path)
        if stat.file_type is not FileType.FILE:
            raise Unsupported(path, f"not a regular file but a {stat.file_type.value}")
        data = fs.read(path)
        xattrs = tuple(sorted(fs.xattrs(path).items()))
    except FileNotFoundError:
        return None
    metadata = Metadata(mode=stat.mode, uid=stat.uid, gid=stat.gid, xattrs=xattrs)
    return FileContent(data=data, digest=digest(data), metadata=metadata, mtime_ns=stat.mtime_ns)


def require_replaceable(fs: Fs, path: Path) -> None:
    """Raise Unsupported for a file that is not writable, or whose replacement by a rename would lose something."""
    try:
        stat = fs.lstat(path)
    except FileNotFoundError:
        return
    reason = ""
    if stat.file_type is not FileType.FILE:
        reason = f"not a regular file but a {stat.file_type.value}"
    elif stat.links > 1:
        reason = "hard link: its other names would keep the old content"
    elif not stat.mode & 0o222 or not fs.writable(path):
        reason = "not writable"
    elif stat.device != fs.lstat(path.parent).device:
        reason = "mount point"
    if reason:
        raise Unsupported(path, reason)


def missing_folders(fs: Fs, path: Path) -> tuple[Path, ...]:
    """Return the parents of `path` that do not exist, outermost first."""
    missing: list[Path] = []
    for folder in path.parents:
        try:
            fs.lstat(folder)
        except FileNotFoundError:
            missing.append(folder)
        else:
            break
    return tuple(reversed(missing))
