"""A Codex home to live in: in memory, or in a folder of the real file system. Both die, fill up and are edited alike.

`image()` is the whole home as a file system in memory, at the same paths: what a check looks at, and what a twin of
a command can be run on.
"""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, Protocol

from cfp.core.ownership import Ownership
from cfp.host.disk import Disk, MachineDisk
from cfp.layout import Layout
from journal.fs import FileType, Fs
from tests.access import mode_of, set_mode
from tests.crash.power import PowerCut
from tests.crash.simfs import Crash, Fault, Node, SimFs, key_of
from tests.homes.acts import ActingFs, Acts

BEGINNING = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TAKING_SPACE = frozenset({"create", "write", "reserve", "fsync", "make_folder", "set_xattr"})


class Home(Protocol):
    """The files of one Codex home and what can happen to them.

    fs  the port that commands write through
    """

    layout: Layout
    fs: Fs

    def disk(self, seconds: int) -> Disk:
        """Return the disk that commands read, that many seconds after the beginning."""

    def image(self) -> SimFs:
        """Return a copy of all files as a program sees them now."""

    def put(self, path: Path, data: bytes, mode: int | None = None) -> None:
        """Replace a file as other programs do, by a rename, through links; `mode` None keeps the mode."""

    def take(self, path: Path) -> None:
        """Delete a file as other programs do."""

    def chmod(self, path: Path, mode: int) -> None:
        """Set a file's mode, through links."""

    def link(self, path: Path, target: Path) -> None:
        """Move a file to `target`, and leave a link behind."""

    def kill_at(self, step: int) -> None:
        """Let the program die before that many more changing operations are done."""

    def call_at(self, step: int, act: Callable[[], None]) -> None:
        """Let somebody else act before that many more changing operations are done."""

    def fail_at(self, step: int, code: int, *, sticky: bool) -> None:
        """Let the last of that many more changing operations fail, or it and all later ones that take space."""

    def fill(self) -> None:
        """No space is left from now on, for those who write through the port."""

    @property
    def dead(self) -> bool:
        """Whether the program has died: whatever it did since, it did not."""

    def die(self) -> NoReturn:
        """Let the program die now."""

    def revive(self) -> None:
        """Begin a new program after a crash: nothing is armed any more; the disk has space again."""

    def cut_power(self, choose: random.Random) -> None:
        """Lose what was not made durable."""


@dataclass
class MemoryHome:
    """A home in memory."""

    layout: Layout
    fs: SimFs

    @classmethod
    def empty(cls) -> MemoryHome:
        layout, fs = Layout(Path("/h/.codex")), SimFs()
        for folder in reversed([layout.home, *layout.home.parents][:-1]):
            fs.add_folder(folder)
        return cls(layout=layout, fs=fs)

    def disk(self, seconds: int) -> Disk:
        return MemoryDisk(self.fs, seconds)

    def image(self) -> SimFs:
        return self.fs.after_kill()

    def put(self, path: Path, data: bytes, mode: int | None = None) -> None:
        self.fs.edit(self.fs.led_to(path), data, mode)

    def take(self, path: Path) -> None:
        self.fs.delete(path)

    def chmod(self, path: Path, mode: int) -> None:
        self.fs.chmod(self.fs.led_to(path), mode)

    def link(self, path: Path, target: Path) -> None:
        node = self.fs.node(path)
        assert node is not None
        self.fs.edit(target, node.data, node.mode)
        self.fs.delete(path)
        self.fs.add_link(path, target)

    def kill_at(self, step: int) -> None:
        self.fs.crash_at = self.fs.step + step

    def call_at(self, step: int, act: Callable[[], None]) -> None:
        at = self.fs.step + step

        def maybe(fs: SimFs, _what: str, _about: str) -> None:
            if fs.step == at:
                act()

        self.fs.on_step = maybe

    def fail_at(self, step: int, code: int, *, sticky: bool) -> None:
        self.fs.fault = Fault(at=self.fs.step + step, code=code, sticky=sticky, writes_only=sticky)

    def fill(self) -> None:
        self.fail_at(1, errno.ENOSPC, sticky=True)

    @property
    def dead(self) -> bool:
        return self.fs.dead

    def die(self) -> NoReturn:
        self.fs.dead = True
        raise Crash

    def revive(self) -> None:
        self.fs = self.fs.after_kill()

    def cut_power(self, choose: random.Random) -> None:
        power = PowerCut(self.fs)
        self.fs = power.world(power.draw(choose, any_subset=choose.random() < 0.5))


class MemoryDisk:
    """`cfp.host.disk.Disk` over simulated files; the clock stands still during a command."""

    def __init__(self, fs: SimFs, seconds: int) -> None:
        self._fs = fs
        self._seconds = seconds

    def try_to_read(self, path: Path) -> tuple[bytes | None, str]:
        node = self._fs.node(self._fs.led_to(path))
        if node is None:
            return None, ""
        return (node.data, "") if node.kind is FileType.FILE else (None, "Is a directory")

    def read(self, path: Path) -> bytes | None:
        return self.try_to_read(path)[0]

    def try_to_list(self, folder: Path) -> tuple[list[str], str]:
        return self._fs.inside(folder), ""

    def names(self, folder: Path) -> list[str]:
        return self.try_to_list(folder)[0]

    def why_unlisted(self, folder: Path) -> str:
        """Nothing in memory is closed."""
        return ""

    def is_locked(self, path: Path) -> bool:
        """Nobody else is at work in memory."""
        return False

    def is_folder(self, path: Path) -> bool:
        node = self._fs.node(self._fs.led_to(path))
        return node is not None and node.kind is FileType.FOLDER

    def ownership(self, folder: Path, files: Iterable[Path] = ()) -> Ownership:
        """Memory has no users."""
        return Ownership(path=str(folder))

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self._seconds)


class _Fate(Acts):
    """One program on the real file system, which can die, run out of space (`full` is the error), or be overtaken."""

    def __init__(self) -> None:
        super().__init__()
        self.full = 0
        self.dead = False
        self.countdown: dict[int, Callable[[], None]] = {}

    def act(self, name: str, half: Callable[[], object] = lambda: None) -> None:
        if self.dead:
            raise Crash
        super().act(name, half)
        self.countdown.pop(self.count, lambda: None)()
        if self.full and name in TAKING_SPACE:
            raise OSError(self.full, os.strerror(self.full))


class MortalFs(ActingFs):
    """Its operations; what the program has open is closed when it dies."""

    def __init__(self) -> None:
        self.fate = _Fate()
        self._open: set[int] = set()
        super().__init__(self.fate)

    @property
    def step(self) -> int:
        return self.fate.count

    def create(self, path: Path, mode: int) -> int:
        self.fate.act("create")
        return self._opened(self._fs.create(path, mode))

    def open(self, path: Path) -> int:
        return self._opened(self._fs.open(path))

    def _opened(self, fd: int) -> int:
        self._open.add(fd)
        return fd

    def close(self, fd: int) -> None:
        if fd in self._open:
            self._open.remove(fd)
            self._fs.close(fd)

    def die(self) -> NoReturn:
        self.fate.dead = True
        for fd in self._open:
            with suppress(OSError):
                os.close(fd)
        self._open.clear()
        raise Crash


class FolderDisk(MachineDisk):
    """The disk of a home in a folder: this machine's files, the test's clock."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self._seconds = seconds

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self._seconds)


@dataclass
class FolderHome:
    """A home in a folder that exists. A real file system in this test never loses what was not synced."""

    layout: Layout
    fs: MortalFs = field(default_factory=MortalFs)

    def disk(self, seconds: int) -> Disk:
        return FolderDisk(seconds)

    def image(self) -> SimFs:
        fs = SimFs()
        for path in reversed(self.layout.home.parents[:-1]):
            fs.add_folder(path)
        for folder, _, names in os.walk(self.layout.home):
            for path in [Path(folder), *(Path(folder) / name for name in names)]:
                stat_result = path.lstat()
                fs.seen[key_of(path)] = fs.disk[key_of(path)] = stat_result.st_ino
                fs.nodes[stat_result.st_ino] = _node(path, stat_result).synced()
        fs.go_on()
        return fs

    def put(self, path: Path, data: bytes, mode: int | None = None) -> None:
        target = path.resolve()
        former_mode = mode_of(target) if target.exists() else 0o600
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(target.name + ".theirs")
        beside.write_bytes(data)
        if target.exists():
            target.chmod(0o600)  # Windows replaces no file that is read-only
        beside.replace(target)
        set_mode(target, former_mode if mode is None else mode)

    def take(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def chmod(self, path: Path, mode: int) -> None:
        set_mode(path, mode)

    def link(self, path: Path, target: Path) -> None:
        leave_link(path, target, target)

    def kill_at(self, step: int) -> None:
        self.call_at(step, self.fs.die)

    def call_at(self, step: int, act: Callable[[], None]) -> None:
        self.fs.fate.countdown[self.fs.step + step] = act

    def fail_at(self, step: int, code: int, *, sticky: bool) -> None:
        def fail() -> None:
            if not sticky:
                raise OSError(code, os.strerror(code))
            self.fs.fate.full = code

        self.call_at(step, fail)

    def fill(self) -> None:
        self.fs.fate.full = errno.ENOSPC

    @property
    def dead(self) -> bool:
        return self.fs.fate.dead

    def die(self) -> NoReturn:
        self.fs.die()

    def revive(self) -> None:
        self.fs = MortalFs()

    def cut_power(self, choose: random.Random) -> None:
        """Lose nothing: only the workers end."""


def leave_link(path: Path, target: Path, spelled: Path) -> None:
    """Move a file, and leave a link behind. The file stays where no link can be made.

    On Windows few users may make one, and Wine makes none and says nothing.
    """
    path.replace(target)
    with suppress(OSError):
        path.symlink_to(spelled)
    if not path.is_symlink():
        target.replace(path)


def _node(path: Path, stat_result: Any) -> Node:
    kind, data = FileType.FILE, b""
    if stat.S_ISDIR(stat_result.st_mode):
        kind = FileType.FOLDER
    elif stat.S_ISLNK(stat_result.st_mode):
        kind, data = FileType.LINK, key_of(path.readlink()).encode()
    else:
        data = path.read_bytes()
    return Node(
        kind=kind,
        data=data,
        mode=mode_of(path),
        uid=stat_result.st_uid,
        gid=stat_result.st_gid,
        mtime_ns=0 if kind is FileType.FOLDER else stat_result.st_mtime_ns,
    )
