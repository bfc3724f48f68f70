"""The sentinel on Linux: a shell, since a process of Python would need ten times its memory.

It waits at a pipe whose other end the worker alone has, so that it sees each death of the worker. Then it runs the
worker's own command line, as a child: with the installed code, and with the listener and the lock that it holds. From
then on it waits for that child. The worker ends its sentinel, by SIGKILL, before it drains or lends its listener.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from cfp.core.program import SENTINEL
from cfp.proxy.config import Revival
from cfp.proxy.worker.sentinel import Sentinel

assert sys.platform == "linux"  # noqa: S101  mypy then leaves this file out for other systems

_SHELL: Final = "/bin/sh"
# Exit codes of 0, and of SIGINT and SIGTERM in the moment before a worker handles them, are ends that were asked for.
_SCRIPT: Final = """
trap deaths=0 USR1
revivals=$1 deaths=0
shift
read -r _
while [ $((deaths += 1)) -le 3 ]; do
    "$@" --sentinel $$ --revivals $((revivals += 1)) </dev/null
    case $? in 0 | 130 | 143) exit ;; esac
done
echo '{"event": "not_revived", "level": "error", "reason": "the worker died at once three times"}' >&2
"""
_AT_ONCE_SECONDS: Final = 1.0  # a worker that lives longer has not died at once
_RESTART_SECONDS: Final = 1.0
_END_MILLISECONDS: Final = 1000
# What the next start must not repeat: the go byte, the handover, and what the former sentinel passed.
_WITH_VALUE: Final = frozenset({"--take-over", "--inherited", "--sentinel", "--revivals"})


class LinuxSentinel(Sentinel):
    """The worker's sentinel: a child of it, or the parent that has revived it."""

    def __init__(self, argv: Sequence[str], revival: Revival | None) -> None:
        """`argv` is the command line of this process, from the interpreter on."""
        self._words = _repeatable([sys.executable, *argv[1:]])
        self._count = 0 if revival is None else revival.count
        self._parent = None if revival is None else revival.sentinel
        self._loop = asyncio.get_running_loop()
        self._pid = 0
        self._handle: int | None = None
        self._pipe: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, lock: int, sockets: Sequence[int]) -> None:
        if self._handle is not None:
            return
        with suppress(OSError):  # without a sentinel, the next session revives the worker
            self._handle = self._adopted() or self._spawned([lock, *sockets])
            self._loop.add_reader(self._handle, self._replace, lock, sockets)

    def end(self) -> None:
        if self._handle is None:
            self._handle = self._adopted()  # where the end comes before the first `start`
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._handle is not None:
            self._signal(signal.SIGKILL)
            poll = select.poll()
            poll.register(self._handle, select.POLLIN)
            poll.poll(_END_MILLISECONDS)
            self._forget()

    def _adopted(self) -> int | None:
        """Return a handle of the parent that has revived this process; None where that has died meanwhile."""
        parent, self._parent = self._parent, None
        if parent is None:
            return None
        try:
            handle = os.pidfd_open(parent)
        except OSError:
            return None
        if os.getppid() != parent:
            os.close(handle)
            return None
        self._pid = parent
        self._timer = self._loop.call_later(_AT_ONCE_SECONDS, self._signal, signal.SIGUSR1)
        return handle

    def _spawned(self, held: Sequence[int]) -> int:
        """Start a sentinel with these descriptors, and return a handle of it; raises OSError."""
        reading, writing = os.pipe()
        try:
            first = max(reading, *held) + 1  # no descriptor is replaced before it is copied
            copies = range(first, first + len(held))
            self._pid = os.posix_spawn(
                _SHELL,
                [
                    *("sh", "-c", _SCRIPT, SENTINEL, str(self._count)),
                    *(*self._words, "--inherited", ",".join(map(str, copies))),
                ],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, reading, 0),
                    *((os.POSIX_SPAWN_DUP2, old, new) for old, new in zip(held, copies, strict=True)),
                ],
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        try:
            handle = os.pidfd_open(self._pid)
        except BaseException:
            os.kill(self._pid, signal.SIGKILL)  # before the pipe is closed, or it would start a second worker
            os.waitpid(self._pid, 0)
            os.close(writing)
            raise
        self._pipe = writing
        return handle

    def _signal(self, number: signal.Signals) -> None:
        if self._handle is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def _replace(self, lock: int, sockets: Sequence[int]) -> None:
        """Start another sentinel, soon, in place of one that was killed."""
        self._forget()
        self._timer = self._loop.call_later(_RESTART_SECONDS, self.start, lock, sockets)

    def _forget(self) -> None:
        """Let the ended sentinel go. The pipe is closed last: its end is what a sentinel waits for."""
        assert self._handle is not None  # noqa: S101  only a sentinel that is there ends
        self._loop.remove_reader(self._handle)
        with suppress(ChildProcessError):  # it was the parent
            os.waitpid(self._pid, os.WNOHANG)
        os.close(self._handle)
        self._handle = None
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


def _repeatable(argv: Sequence[str]) -> list[str]:
    """Return the words that start this worker again, by a sentinel."""
    words: list[str] = []
    pending = list(argv)
    while pending:
        word = pending.pop(0)
        if word in _WITH_VALUE:
            del pending[:1]
        elif word != "--await-go":
            words.append(word)
    return words
