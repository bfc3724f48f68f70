"""A file system in memory that models durability: stop it before any operation, fail one, or cut the power.

Names and contents exist twice, as a program sees them and as they are on the medium. `fsync` copies a content to the
medium, `fsync_folder` the changes of a folder's names; a power cut may lose anything else, in any combination.
Renames and exchanges inside a folder are atomic, as on a journaling file system.

`windows` models NTFS and Win32 instead: a folder cannot be synced. Changes of names are in one log for the volume,
of which a power cut leaves a prefix, and a rename is written through: it returns when the log is on the medium up to
it. An exchange is three renames, and only the last one is written through.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from journal.fs import OLD, FileType, Stat


class Crash(BaseException):
    """The end of the program. Not an Exception: no code may handle it."""


@dataclass(slots=True)
class Node:
    """One inode; only `stat` is changed in place, so that copies of the whole file system are cheap."""

    kind: FileType
    data: bytes = b""
    mode: int = 0o600
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = ()
    disk: Node | None = None  # the durable state; None before the first fsync
    stat: Stat | None = None  # the last result of lstat

    def but(self, **changes: object) -> Node:
        new = Node(self.kind, self.data, self.mode, self.uid, self.gid, self.mtime_ns, self.xattrs, self.disk)
        for name, value in changes.items():
            setattr(new, name, value)
        return new

    def synced(self) -> Node:
        clean = self.but(disk=None)
        return self.but(disk=clean)

    @property
    def dirty(self) -> bool:
        on_disk = self.disk
        return on_disk is None or (on_disk.data, on_disk.mode, on_disk.uid, on_disk.xattrs) != (
            self.data,
            self.mode,
            self.uid,
            self.xattrs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Fail operation number `at`: once, permanently, or permanently where it needs space.

    `too_late` raises after the operation took effect, as a network file system may.
    """

    at: int
    code: int
    sticky: bool = False
    writes_only: bool = False
    too_late: bool = False


ONE_LOG = "*"  # stands for every folder where the changes of all are in one order
UNREAD = (".part", ".new", "holder.json")  # incomplete, or for people only
WRITES = {"create", "write", "reserve", "fsync", "make_folder", "set_xattr"}
READS = {"names", "lstat", "readlink", "read", "xattrs", "open"}
Names = dict[str, int]
Step = tuple[tuple[str, int | None], ...]


@dataclass
class SimFs:
    """`journal.fs.Fs` in memory. `step` numbers every operation that changes something; reads have their own numbers.

    Its mappings are replaced, never changed in place: a copy of a whole world shares them, and one is made before
    each operation.
    """

    nodes: dict[int, Node] = field(default_factory=dict)
    seen: Names = field(default_factory=dict)
    disk: Names = field(default_factory=dict)
    pending: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    step: int = 0
    reads: int = 0
    crash_at: int | None = None
    fault: Fault | None = None
    read_fault: Fault | None = None
    exchanges: bool = True
    windows: bool = False
    short_writes: bool = False
    on_step: Callable[[SimFs, str, str], None] | None = None
    on_half_write: Callable[[SimFs], None] | None = None
    dead: bool = False
    descriptors: dict[int, int] = field(default_factory=dict)
    log: list[str] | None = None
    broken_barriers: frozenset[str] = frozenset()
    lame: frozenset[int] = frozenset()
    _next: int = 1
    _late: int = 0

    # --- a world to start from ---------------------------------------------------------------------------------

    def add_folder(self, path: str | Path) -> None:
        self._place(path, Node(kind=FileType.FOLDER, mode=0o700))

    def add_file(self, path: str | Path, data: bytes, mode: int = 0o600, **meta: object) -> None:
        self._place(path, Node(kind=FileType.FILE, data=data, mode=mode, **meta).synced())

    def add_link(self, path: str | Path, target: str | Path) -> None:
        self._place(path, Node(kind=FileType.LINK, data=key_of(target).encode(), mode=0o777).synced())

    def _place(self, path: str | Path, node: Node) -> None:
        self._flush(key_of(path).rpartition("/")[0])
        number = self._new(node)
        self.seen = {**self.seen, key_of(path): number}
        self.disk = {**self.disk, key_of(path): number}

    def _new(self, node: Node) -> int:
        number = self._next
        self._next += 1
        self._set(number, node)
        return number

    def _set(self, number: int, node: Node) -> None:
        self.nodes = {**self.nodes, number: node}

    # --- what others do: no step of ours, and never lost --------------------------------------------------------

    def edit(self, path: str | Path, data: bytes, mode: int | None = None) -> None:
        """Replace a file as another program does, by a rename."""
        old = self.seen.get(key_of(path))
        kept = 0o600 if old is None else self.nodes[old].mode
        self._place(path, Node(kind=FileType.FILE, data=data, mode=kept if mode is None else mode).synced())

    def edit_in_place(self, path: str | Path, data: bytes) -> None:
        """Write into a file and fsync it; on a journaling file system that makes earlier renames durable too."""
        self._flush(key_of(path).rpartition("/")[0])
        number = self.seen[key_of(path)]
        self._set(number, self.nodes[number].but(data=data).synced())

    def chmod(self, path: str | Path, mode: int) -> None:
        number = self.seen[key_of(path)]
        self._set(number, self.nodes[number].but(mode=mode).synced())

    def delete(self, path: str | Path) -> None:
        self._flush(key_of(path).rpartition("/")[0])
        gone: Step = ((key_of(path), None),)
        self.seen, self.disk = _after(self.seen, gone), _after(self.disk, gone)

    def touch(self, path: str | Path) -> None:
        """Create an empty file where there is none, as a lock does: nothing makes it durable."""
        if key_of(path) not in self.seen:
            if key_of(path).rpartition("/")[0] not in self.seen:
                raise _error(errno.ENOENT)
            self._rename(key_of(path), ((key_of(path), self._new(Node(kind=FileType.FILE))),))

    def go_on(self) -> None:
        """Continue with inode numbers that are not in use."""
        self._next = max(self.nodes) + 1

    def sync_all(self) -> None:
        """Make everything durable."""
        self.disk, self.pending = self.seen, {}
        self.nodes = {n: node.synced() if node.kind is FileType.FILE else node for n, node in self.nodes.items()}

    # --- looking at it ------------------------------------------------------------------------------------------

    def data(self, path: str | Path) -> bytes | None:
        number = self.seen.get(key_of(path))
        return None if number is None else self.nodes[number].data

    def node(self, path: str | Path) -> Node | None:
        number = self.seen.get(key_of(path))
        return None if number is None else self.nodes[number]

    def led_to(self, path: str | Path) -> str:
        """Return the target of a path that may be a link, or a link to a link."""
        key = key_of(path)
        while (node := self.node(key)) is not None and node.kind is FileType.LINK:
            key = node.data.decode()
        return key

    def inside(self, folder: str | Path) -> list[str]:
        """Return the names directly in a folder."""
        head = below(folder)
        return [path[len(head) :] for path in self.seen if path.startswith(head) and "/" not in path[len(head) :]]

    def files(self) -> Iterator[tuple[str, Node]]:
        """Return everything that is not a folder."""
        entries = ((path, self.nodes[number]) for path, number in self.seen.items())
        return ((path, node) for path, node in entries if node.kind is not FileType.FOLDER)

    def folders(self) -> Iterator[str]:
        return (path for path, number in self.seen.items() if self.nodes[number].kind is FileType.FOLDER)

    def is_empty(self, folder: str) -> bool:
        return not any(path.startswith(f"{folder}/") for path in self.seen)

    def fingerprint(self) -> int:
        """Return a hash that is equal for worlds that no program can distinguish."""
        nodes = self.nodes
        return hash(
            frozenset(
                (path, b"" if path.endswith(UNREAD) else nodes[n].data, nodes[n].mode, nodes[n].mtime_ns)
                for path, n in self.seen.items()
            )
        )

    # --- after the end ------------------------------------------------------------------------------------------

    def after_kill(self) -> SimFs:
        """Return the world after SIGKILL: every operation is visible, though a power cut could still lose some."""
        return SimFs(
            nodes=self.nodes,
            seen=self.seen,
            disk=self.disk,
            pending=self.pending,
            exchanges=self.exchanges,
            windows=self.windows,
            broken_barriers=self.broken_barriers,
            _next=self._next,
        )

    def with_medium(self, nodes: dict[int, Node], names: Names) -> SimFs:
        """Return the world after a reboot, with this on its medium."""
        return SimFs(
            nodes=nodes,
            seen=names,
            disk=names,
            exchanges=self.exchanges,
            windows=self.windows,
            broken_barriers=self.broken_barriers,
            _next=self._next,
        )

    @property
    def hides_targets(self) -> bool:
        return self.windows

    # --- the port: reading --------------------------------------------------------------------------------------

    def names(self, folder: Path) -> list[str]:
        self._read("names")
        self._folder(key_of(folder))
        return self.inside(folder)

    def lstat(self, path: Path) -> Stat:
        self._read("lstat")
        key = key_of(path)
        if key == "/":
            return Stat(file_type=FileType.FOLDER, mode=0o755, uid=0, gid=0, mtime_ns=0, links=2, device=1, inode=0)
        number = self._find(key)
        node = self.nodes[number]
        links = list(self.seen.values()).count(number)
        if node.stat is None or (node.stat.inode, node.stat.links) != (number, links):
            node.stat = Stat(
                file_type=node.kind,
                mode=node.mode,
                uid=node.uid,
                gid=node.gid,
                mtime_ns=node.mtime_ns,
                links=links,
                device=1,
                inode=number,
            )
        return node.stat

    def readlink(self, path: Path) -> str:
        self._read("readlink")
        node = self._node(path)
        if node.kind is not FileType.LINK:
            raise _error(errno.EINVAL)
        return node.data.decode()

    def read(self, path: Path) -> bytes:
        self._read("read")
        if path.name.endswith(UNREAD):
            raise AssertionError(f"{path.name} is worth nothing: nobody may read it")
        node = self._node(path)
        self._regular(node)
        return node.data

    def xattrs(self, path: Path) -> Mapping[str, bytes]:
        self._read("xattrs")
        return dict(self._node(path).xattrs)

    def writable(self, path: Path) -> bool:
        self._read("lstat")
        return bool(self._node(path).mode & 0o200)

    def require_free(self, path: Path) -> None:
        self._read("lstat")

    # --- the port: files ----------------------------------------------------------------------------------------

    def create(self, path: Path, mode: int) -> int:
        self._step("create", path)
        if key_of(path) in self.seen:
            raise _error(errno.EEXIST)
        number = self._new(Node(kind=FileType.FILE, mode=mode))
        self._link(path, number)
        return self._descriptor(number)

    def open(self, path: Path) -> int:
        self._read("open")
        number = self._find(key_of(path))
        self._regular(self.nodes[number])
        return self._descriptor(number)

    def write(self, fd: int, data: bytes, offset: int) -> int:
        part = data[: max(1, len(data) // 2)] if self.short_writes else data
        self._step("write", fd)
        if self.on_half_write is not None:
            self._write(fd, data[: len(data) // 2], offset)
            self.on_half_write(self)
        self._write(fd, part, offset)
        self._end()
        return len(part)

    def _write(self, fd: int, data: bytes, offset: int) -> None:
        number = self.descriptors[fd]
        node = self.nodes[number]
        old = node.data.ljust(offset, b"\0")
        self._set(number, node.but(data=old[:offset] + data + old[offset + len(data) :], mtime_ns=10**18))

    def reserve(self, fd: int, size: int) -> None:
        self._step("reserve", fd)
        number = self.descriptors[fd]
        node = self.nodes[number]
        self._set(number, node.but(data=node.data.ljust(size, b"\0")))
        self._end()

    def fsync(self, fd: int) -> None:
        self._step("fsync", fd)
        number = self.descriptors[fd]
        if not self._is_broken("fsync", number):
            self._set(number, self.nodes[number].synced())
        self._end()

    def close(self, fd: int) -> None:
        self.descriptors.pop(fd, None)

    def set_owner(self, fd: int, uid: int, gid: int) -> None:
        self._change("set_owner", fd, uid=uid, gid=gid)

    def set_mode(self, fd: int, mode: int) -> None:
        self._change("set_mode", fd, mode=mode)

    def set_xattr(self, fd: int, name: str, value: bytes) -> None:
        present = dict(self.nodes[self.descriptors[fd]].xattrs)
        self._change("set_xattr", fd, xattrs=tuple(sorted((present | {name: value}).items())))

    def drop_xattr(self, fd: int, name: str) -> None:
        present = dict(self.nodes[self.descriptors[fd]].xattrs)
        present.pop(name)
        self._change("drop_xattr", fd, xattrs=tuple(sorted(present.items())))

    def set_mtime(self, fd: int, mtime_ns: int) -> None:
        self._change("set_mtime", fd, mtime_ns=mtime_ns)

    # --- the port: names ----------------------------------------------------------------------------------------

    def exchange(self, one: Path, other: Path) -> bool:
        self._step("exchange", other)
        if not self.exchanges:
            return False
        if self.windows:
            self._replace(one, other)
            return True
        first, second = self._find(key_of(one)), self._find(key_of(other))
        self._apply(one, ((key_of(one), second), (key_of(other), first)))
        return True

    def _replace(self, one: Path, other: Path) -> None:
        """ReplaceFileW, and a rename of what it displaced; the step before this call is the first rename."""
        old = one.with_name(one.name + OLD)
        first, second = self._find(key_of(one)), self._find(key_of(other))
        node = self.nodes[second]
        if node.kind is not FileType.FILE or key_of(old) in self.seen:
            raise _error(errno.EEXIST)
        self._rename(key_of(other), ((key_of(old), second), (key_of(other), None)))
        self._step("replace", other)
        if key_of(other) in self.seen:
            raise _error(errno.EEXIST)
        kept = {"mode": node.mode, "uid": node.uid, "gid": node.gid, "xattrs": node.xattrs}
        new = self.nodes[first].but(**kept)
        self._set(first, new if new.disk is None else new.but(disk=new.disk.but(**kept)))
        self._rename(key_of(other), ((key_of(other), first), (key_of(one), None)))
        self._move_new(old, one)

    def move(self, source: Path, target: Path) -> None:
        self._step("move", target)
        number = self._find(key_of(source))
        self._apply(target, ((key_of(target), number), (key_of(source), None)))
        self._write_through(target)

    def move_new(self, source: Path, target: Path) -> None:
        if source.name.endswith(OLD) and "mend" in self.broken_barriers:
            raise _error(errno.EEXIST)
        self._move_new(source, target)

    def _move_new(self, source: Path, target: Path) -> None:
        self._step("move_new", target)
        number = self._find(key_of(source))
        if key_of(target) in self.seen:
            raise _error(errno.EEXIST)
        self._apply(target, ((key_of(target), number), (key_of(source), None)))
        self._write_through(target)

    def unlink(self, path: Path) -> None:
        self._step("unlink", path)
        if self._node(path).kind is FileType.FOLDER:
            raise _error(errno.EISDIR)
        self._apply(path, ((key_of(path), None),))

    def unlink_unused(self, path: Path) -> bool:
        self.unlink(path)
        return True

    def make_folder(self, path: Path, mode: int) -> None:
        self._step("make_folder", path)
        self._folder(_folder_of(key_of(path)))
        if key_of(path) in self.seen:
            raise _error(errno.EEXIST)
        self._apply(path, ((key_of(path), self._new(Node(kind=FileType.FOLDER, mode=mode))),))

    def remove_folder(self, path: Path) -> None:
        self._step("remove_folder", path)
        self._folder(key_of(path))
        if any(other.startswith(f"{key_of(path)}/") for other in self.seen):
            raise _error(errno.ENOTEMPTY)
        self._apply(path, ((key_of(path), None),))

    def fsync_folder(self, path: Path) -> None:
        self._step("fsync_folder", path)
        self._folder(key_of(path))
        if self.windows or self._is_broken("fsync_folder", key_of(path)):
            return
        self._flush(key_of(path))
        self._end()

    def _write_through(self, target: Path) -> None:
        if self.windows and not self._is_broken("move", key_of(target)):
            self._flush(ONE_LOG)

    def _flush(self, folder: str) -> None:
        folder = ONE_LOG if self.windows else folder
        if steps := self.pending.get(folder):
            self.disk = _after(self.disk, *steps)
            self.pending = {other: steps for other, steps in self.pending.items() if other != folder}

    # --- inside -------------------------------------------------------------------------------------------------

    def _step(self, what: str, about: Path | int) -> None:
        if self.dead:
            raise Crash
        self.step += 1
        if self.log is not None:
            self.log.append(f"{what} {self._name(about)}")
        if self.on_step is not None:
            self.on_step(self, what, key_of(about) if isinstance(about, Path) else str(about))
        if self.step == self.crash_at:
            self.dead = True
            raise Crash
        self._maybe_fail(self.fault, self.step, what)

    def _read(self, what: str) -> None:
        if self.dead:
            raise Crash
        self.reads += 1
        self._maybe_fail(self.read_fault, self.reads, what)

    def _maybe_fail(self, fault: Fault | None, number: int, what: str) -> None:
        if fault is None or (fault.writes_only and what not in WRITES):
            return
        if number == fault.at or (fault.sticky and number > fault.at):
            if not fault.too_late:
                raise _error(fault.code)
            self._late = fault.code

    def _end(self) -> None:
        """End an operation that took effect: a late fault is raised now."""
        if self._late:
            code, self._late = self._late, 0
            raise _error(code)

    def _change(self, what: str, fd: int, **changes: object) -> None:
        self._step(what, fd)
        number = self.descriptors[fd]
        self._set(number, self.nodes[number].but(**changes))
        self._end()

    def _is_broken(self, what: str, about: int | str) -> bool:
        """Whether a mutant has left out this barrier: names like "fsync:.open" or "fsync_folder:/home/j"."""
        if self.step in self.lame:
            return True
        if not self.broken_barriers:
            return False
        paths = [about] if isinstance(about, str) else [path for path, number in self.seen.items() if number == about]
        return any(
            barrier.startswith(f"{what}:") and path.endswith(barrier.partition(":")[2])
            for barrier in self.broken_barriers
            for path in paths
        )

    def _name(self, about: Path | int) -> str:
        if isinstance(about, Path):
            return key_of(about)
        number = self.descriptors[about]
        return next((path for path, other in self.seen.items() if other == number), "?")

    def _descriptor(self, number: int) -> int:
        fd = max(self.descriptors, default=2) + 1
        self.descriptors[fd] = number
        return fd

    def _find(self, key: str) -> int:
        number = self.seen.get(key)
        if number is None:
            parent = self.seen.get(key.rpartition("/")[0])
            if parent is not None and self.nodes[parent].kind is FileType.FILE:
                raise _error(errno.ENOTDIR)
            raise _error(errno.ENOENT)
        return number

    def _node(self, path: Path) -> Node:
        return self.nodes[self._find(key_of(path))]

    def _regular(self, node: Node) -> None:
        if node.kind is not FileType.FILE:
            raise _error(errno.ELOOP if node.kind is FileType.LINK else errno.EISDIR)

    def _folder(self, key: str) -> None:
        if key != "/" and self.nodes[self._find(key)].kind is not FileType.FOLDER:
            raise _error(errno.ENOTDIR)

    def _link(self, path: Path, number: int) -> None:
        self._folder(_folder_of(key_of(path)))
        self._apply(path, ((key_of(path), number),))

    def _apply(self, path: Path, step: Step) -> None:
        self._rename(key_of(path), step)
        self._end()

    def _rename(self, path: str, step: Step) -> None:
        folder = ONE_LOG if self.windows else _folder_of(path)
        self.seen = _after(self.seen, step)
        self.pending = {**self.pending, folder: (*self.pending.get(folder, ()), step)}


def key_of(path: str | Path) -> str:
    """Return a path as a name of the simulated system, whose separator is the slash wherever the tests run."""
    return path if isinstance(path, str) else path.as_posix()


def below(folder: str | Path) -> str:
    """Return what the name of everything in a folder begins with."""
    return f"{key_of(folder)}/"


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _after(names: Names, *steps: Step) -> Names:
    """Return these names after the steps."""
    new = dict(names)
    for step in steps:
        for name, number in step:
            if number is None:
                new.pop(name, None)
            else:
                new[name] = number
    return new


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
