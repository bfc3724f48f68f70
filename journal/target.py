"""A file as it stands: where its name leads, what it holds, and whether it can be replaced without loss."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from journal.errors import Unsupported
from journal.fs import FileType, Fs, Meta, storage
from journal.intents import Digester

MOST_LINKS = 40  # as many as Linux follows


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPath:
    """Where a name leads, and the symbolic links on the way as (link, what it says)."""

    target: Path
    chain: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """A regular file's content and what belongs to it."""

    content: bytes
    digest: str
    meta: Meta
    mtime_ns: int


def resolve(fs: Fs, given: Path) -> ResolvedPath:
    """Follow every symbolic link in an absolute path; its end need not exist. Raises Unsupported on a cycle."""
    chain: list[tuple[str, str]] = []
    path = Path(given.anchor)
    pending = list(reversed(given.parts[1:]))
    while pending:
        part = pending.pop()
        if part == "..":
            path = path.parent
            continue
        path /= part
        try:
            if fs.lstat(path).kind is not FileType.LINK:
                continue
        except FileNotFoundError:
            continue
        says = Path(fs.readlink(path))
        chain.append((str(path), str(says)))
        if len(chain) > MOST_LINKS:
            raise Unsupported(given, "symbolic links in a circle")
        path = Path(says.anchor) if says.anchor else path.parent
        pending.extend(reversed(says.parts[1 if says.anchor else 0 :]))
    return ResolvedPath(target=path, chain=tuple(chain))


def look(fs: Fs, path: Path, digest: Digester) -> FileContent | None:
    """Read a regular file whole; None where there is none. Raises Unsupported for anything else."""
    try:
        stat = fs.lstat(path)
        if stat.kind is not FileType.FILE:
            raise Unsupported(path, f"not a regular file but a {stat.kind.value}")
        content = fs.read(path)
        xattrs = tuple(sorted(fs.xattrs(path).items()))
    except FileNotFoundError:
        return None
    meta = Meta(mode=stat.mode, uid=stat.uid, gid=stat.gid, xattrs=xattrs)
    return FileContent(content=content, digest=digest(content), meta=meta, mtime_ns=stat.mtime_ns)


def examine(fs: Fs, path: Path) -> None:
    """Refuse a file that a rename would break or that its owner has closed. Raises Unsupported."""
    try:
        stat = fs.lstat(path)
    except FileNotFoundError:
        return
    reason = ""
    if stat.kind is not FileType.FILE:
        reason = f"not a regular file but a {stat.kind.value}"
    elif stat.links > 1:
        reason = "hard link: its other names would keep the old content"
    elif not stat.mode & 0o222 or not fs.writable(path):
        reason = "not writable"
    elif stat.device != fs.lstat(path.parent).device:
        reason = "mount point"
    if reason:
        raise Unsupported(path, reason)


def missing_folders(fs: Fs, path: Path) -> tuple[Path, ...]:
    """The parents of `path` that do not exist, outermost first."""
    missing: list[Path] = []
    for folder in path.parents:
        try:
            fs.lstat(folder)
        except FileNotFoundError:
            missing.append(folder)
        else:
            break
    return tuple(reversed(missing))


def locate(fs: Fs, given: Path) -> ResolvedPath:
    """`resolve` with storage errors named."""
    with storage(given):
        return resolve(fs, given)
