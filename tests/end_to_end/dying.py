"""A `start` that dies, or whose workers die, at one chosen moment; run as a program of its own.

    python -m tests.end_to_end.dying HOME MOMENT [-- COMMAND ...]

A moment is one of: `fs N` (before the N-th change of a file), `early` and `late` (before and after the new worker's
pid is in the journal), `soon MS` (so many milliseconds after the new worker was let go), `up` (healthy), `released`.
The manager is what dies; with `new`, `old` or `both` before it (`new up`) those workers are, and the command goes on.
`count` dies nowhere and prints how many changes of files there are. Another command than `start` comes after `--`,
and its count on stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import psutil

from cfp import cli
from cfp.commands import start
from cfp.core.facts import PortFact
from cfp.core.launch import Launch
from cfp.errors import CfpError
from cfp.host.home import Host, formats
from cfp.host.worker.journal_processes import WorkerProcesses
from cfp.host.worker.supervisor import WorkerSupervisor
from journal import Journal, RealFs

_CHANGING = (
    *("create", "write", "reserve", "fsync", "set_owner", "set_mode", "set_xattr", "drop_xattr", "set_mtime"),
    *("exchange", "move", "move_new", "unlink", "unlink_unused", "make_folder", "remove_folder", "fsync_folder"),
)


class Fate:
    """The processes that are to die, and when. The workers are known once the new one has been started."""

    def __init__(self, words: list[str]) -> None:
        self._victim = words.pop(0) if words[0] in {"new", "old", "both"} else "manager"
        self._moment = words
        self._pids: dict[str, int] = {}
        self.changes = 0

    def meet(self, *moment: object) -> None:
        if [str(word) for word in moment] != self._moment:
            return
        if self._victim == "manager":
            psutil.Process().kill()
        for name in ("new", "old"):
            if self._victim in {name, "both"}:
                psutil.Process(self._pids[name]).kill()

    def change(self) -> None:
        self.changes += 1
        self.meet("fs", self.changes)

    def name(self, who: str, pid: int) -> None:
        self._pids[who] = pid

    def soon(self) -> None:
        """SIGALRM without a handler ends a process as SIGKILL does."""
        if self._moment[0] == "soon":
            signal.setitimer(signal.ITIMER_REAL, int(self._moment[1]) / 1000)


class CountingFs:
    """The real file system; each change is a moment."""

    def __init__(self, fate: Fate) -> None:
        self._fs, self._fate = RealFs(), fate

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._fs, name)
        return partial(self._changed, call) if name in _CHANGING else call

    def _changed(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self._fate.change()
        return call(*arguments, **named)


class FatedWorkers(WorkerSupervisor):
    """The real workers; their beginnings and ends are moments."""

    fate: Fate

    def start(self, launch: Launch) -> dict[str, Any]:
        former = launch.take_over

        def tell(pid: int, started: str) -> None:
            self.fate.name("new", pid)
            if former is not None:
                self.fate.name("old", former.pid)
            self.fate.meet("early")
            launch.record_start(pid, started)
            self.fate.meet("late")
            self.fate.soon()

        health = super().start(replace(launch, record_start=tell))
        self.fate.meet("up")
        return health

    def release(self, at: PortFact) -> None:
        super().release(at)
        self.fate.meet("released")


class FatedHost(Host):
    """The real machine with that file system and those workers."""

    fate: Fate

    @cached_property
    def workers(self) -> WorkerSupervisor:
        workers = FatedWorkers(self.layout, self.python)
        workers.fate = self.fate
        return workers

    @cached_property
    def journal(self) -> Journal:
        return Journal(
            self.layout.journal,
            fs=CountingFs(self.fate),
            formats=formats(),
            processes=WorkerProcesses(self.layout),
            tool="test",
        )


def main(home: str, words: list[str]) -> int:
    host = FatedHost.find(home, os.environ, sys.executable)
    if "--" in words:
        at = words.index("--")
        FatedHost.fate = Fate(words[:at])
        code = cli.main(words[at + 1 :], os.environ, cli.Streams(out=sys.stdout, err=sys.stderr), lambda *_: host)
        if words[0] == "count":
            sys.stderr.write(f"{FatedHost.fate.changes}\n")
        return code
    fate = FatedHost.fate = Fate(words)
    try:
        start.run(start.Args(verbose_proxy=False), host)
    except CfpError as error:
        sys.stderr.write(f"{error.code}\n")
        return error.exit_code
    sys.stdout.write(f"{fate.changes}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
