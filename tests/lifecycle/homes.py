"""A Codex home to live in: in memory, or in a folder of the real file system. Both die, fill up and are edited alike.

`image()` is the whole home as a file system in memory, at the same paths: what a check looks at, and what a twin of
a command can be run on.
"""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from cfp.layout import Layout
from journal import RealFs
from journal.fs import Fs, Kind
from tests.crash.power import PowerCut
from tests.crash.simfs import Crash, Fault, Node, SimFs

CHANGING = frozenset(
    {
        *("create", "write", "reserve", "fsync", "set_owner", "set_mode", "set_xattr", "drop_xattr", "set_mtime"),
        *("exchange", "move", "move_new", "unlink", "make_folder", "remove_folder", "fsync_folder"),
    }
)
TAKING_SPACE = frozenset({"create", "write", "reserve", "fsync", "make_folder", "set_xattr"})


class Home(Protocol):
    """The files of one Codex home and what can happen to them.

    fs  the port that commands write through
    """

    layout: Layout
    fs: Fs

    def image(self) -> SimFs:
        """A copy of everything, as a program sees it now."""

    def put(self, path: Path, data: bytes, mode: int | None = None) -> None:
        """Replace a file as other programs do, by a rename; `mode` None keeps the mode."""

    def take(self, path: Path) -> None:
        """Delete a file as other programs do."""

    def kill_at(self, step: int) -> None:
        """Let the program die before that many more changing operations are done."""

    def call_at(self, step: int, act: Callable[[], None]) -> None:
        """Let somebody else act before that many more changing operations are done."""

    def fill(self) -> None:
        """No space is left from now on, for those who write through the port."""

    def revive(self) -> None:
        """Begin a new program after a crash: nothing is armed any more; the disk has space again."""

    def cut_power(self, choose: random.Random) -> None:
        """Lose what was not made durable."""


@dataclass
class MemoryHome:
    """A home in memory."""

    layout: Layout = field(default_factory=lambda: Layout(Path("/h/.codex")))
    fs: SimFs = field(default_factory=SimFs)

    def __post_init__(self) -> None:
        for folder in reversed([self.layout.home, *self.layout.home.parents][:-1]):
            if self.fs.node(folder) is None:
                self.fs.add_folder(folder)

    def image(self) -> SimFs:
        return self.fs.after_kill()

    def put(self, path: Path, data: bytes, mode: int | None = None) -> None:
        self.fs.edit(path, data, mode)

    def take(self, path: Path) -> None:
        self.fs.delete(path)

    def kill_at(self, step: int) -> None:
        self.fs.crash_at = self.fs.step + step

    def call_at(self, step: int, act: Callable[[], None]) -> None:
        at = self.fs.step + step

        def maybe(fs: SimFs, _what: str, _about: str) -> None:
            if fs.step == at:
                act()

        self.fs.on_step = maybe

    def fill(self) -> None:
        self.fs.fault = Fault(at=self.fs.step + 1, code=errno.ENOSPC, sticky=True, writes_only=True)

    def revive(self) -> None:
        self.fs = self.fs.after_kill()

    def cut_power(self, choose: random.Random) -> None:
        power = PowerCut(self.fs)
        self.fs = power.world(power.draw(choose, any_subset=choose.random() < 0.5))


class MortalFs:
    """The real file system, on which a program can die, run out of space, or be overtaken."""

    def __init__(self) -> None:
        self._fs = RealFs()
        self._open: set[int] = set()
        self.revive()

    def revive(self) -> None:
        self.full = False
        self.countdown: dict[int, Callable[[], None]] = {}
        self.count = 0
        self.dead = False

    def die(self) -> None:
        self.dead = True
        for fd in self._open:
            with suppress(OSError):
                os.close(fd)
        self._open.clear()
        raise Crash

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._fs, name)

        def operate(*arguments: Any) -> Any:
            if self.dead:
                raise Crash
            if name in CHANGING:
                self.count += 1
                self.countdown.pop(self.count, lambda: None)()
            if self.full and name in TAKING_SPACE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            answer = call(*arguments)
            if name in {"create", "open"}:
                self._open.add(answer)
            return answer

        return operate

    def close(self, fd: int) -> None:
        if fd in self._open:
            self._open.remove(fd)
            self._fs.close(fd)


@dataclass
class FolderHome:
    """A home in a folder that exists. A real file system in this test never loses what was not synced."""

    layout: Layout
    fs: MortalFs = field(default_factory=MortalFs)

    def image(self) -> SimFs:
        fs = SimFs()
        for path in reversed(self.layout.home.parents[:-1]):
            fs.add_folder(path)
        for folder, _, names in os.walk(self.layout.home):
            for path in [Path(folder), *(Path(folder) / name for name in names)]:
                found = path.lstat()
                is_folder = stat.S_ISDIR(found.st_mode)
                fs.seen[str(path)] = fs.disk[str(path)] = found.st_ino
                node = Node(
                    kind=Kind.FOLDER if is_folder else Kind.FILE,
                    data=b"" if is_folder else path.read_bytes(),
                    mode=stat.S_IMODE(found.st_mode),
                    uid=found.st_uid,
                    gid=found.st_gid,
                    mtime_ns=0 if is_folder else found.st_mtime_ns,
                )
                fs.nodes[found.st_ino] = node.synced()
        fs._next = max(fs.nodes) + 1
        return fs

    def put(self, path: Path, data: bytes, mode: int | None = None) -> None:
        kept = stat.S_IMODE(path.lstat().st_mode) if path.exists() else 0o600
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".theirs")
        beside.write_bytes(data)
        beside.chmod(kept if mode is None else mode)
        beside.replace(path)

    def take(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def kill_at(self, step: int) -> None:
        self.call_at(step, self.fs.die)

    def call_at(self, step: int, act: Callable[[], None]) -> None:
        self.fs.countdown[self.fs.count + step] = act

    def fill(self) -> None:
        self.fs.full = True

    def revive(self) -> None:
        self.fs.revive()

    def cut_power(self, choose: random.Random) -> None:
        """Nothing is lost: only the workers die of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeDisk:
    """`cfp.host.disk.Disk` through the port: what a survey reads with."""

    fs: Fs
    seconds: Callable[[], int]

    def try_to_read(self, path: Path) -> tuple[bytes | None, str]:
        try:
            return self.fs.read(path), ""
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, error.strerror or ""

    def read(self, path: Path) -> bytes | None:
        return self.try_to_read(path)[0]

    def names(self, folder: Path) -> list[str]:
        try:
            return self.fs.names(folder)
        except OSError:
            return []

    def is_folder(self, path: Path) -> bool:
        try:
            return self.fs.lstat(path).kind is Kind.FOLDER
        except OSError:
            return False

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=self.seconds())
