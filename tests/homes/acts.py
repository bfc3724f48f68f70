"""The acts of one process, counted: a test lets something happen before, in or after one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

from journal import RealFs
from journal.fs import Fs

CHANGING = frozenset(
    {
        *("create", "write", "reserve", "fsync", "set_owner", "set_mode", "set_xattr", "drop_xattr", "set_mtime"),
        *("exchange", "move", "move_new", "unlink", "unlink_unused", "make_folder", "remove_folder", "fsync_folder"),
    }
)

Half = Callable[[], object]
Befall = Callable[[Half], object]


def nothing(half: Half) -> None:
    """Nothing befalls the process."""


def killed(half: Half) -> NoReturn:
    """SIGKILL before the act; on Windows any signal but two is TerminateProcess."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    raise AssertionError("nobody outlives SIGKILL")


def killed_half_way(half: Half) -> NoReturn:
    """SIGKILL in the middle of it: half of a write is in the file."""
    half()
    killed(half)


def signalled(number: signal.Signals) -> Befall:
    """A signal that can be handled arrives before the act."""
    return lambda _: os.kill(os.getpid(), number)


def refused(errno: int) -> Befall:
    """The operating system refuses the act."""

    def refuse(_: Half) -> NoReturn:
        raise OSError(errno, os.strerror(errno))

    return refuse


class Acts:
    """The acts of one process; `befall` happens before act number `at` (1 is the first).

    lasting  it also happens before every later operation on a file
    """

    def __init__(self, at: int = 0, befall: Befall = nothing, *, lasting: bool = False) -> None:
        self.count = 0
        self.names: list[str] = []
        self._at = at
        self._befall = befall
        self._lasting = lasting

    def act(self, name: str, half: Half = lambda: None) -> None:
        self.count += 1
        self.names.append(name)
        lasts = self._lasting and 0 < self._at < self.count and name in CHANGING
        if self.count == self._at or lasts:
            self._befall(half)


class ActingFs:
    """The real file system; every changing operation is an act."""

    def __init__(self, acts: Acts) -> None:
        self._fs: Fs = RealFs()
        self._acts = acts

    def __getattr__(self, name: str) -> object:
        call = getattr(self._fs, name)
        return self._counted(name, call) if name in CHANGING else call

    def _counted(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def operate(*arguments: Any) -> object:
            self._acts.act(name, lambda: name == "write" and _write_half(call, *arguments))
            return call(*arguments)

        return operate


def _write_half(write: Callable[..., object], fd: int, data: bytes, offset: int) -> None:
    write(fd, data[: len(data) // 2], offset)
