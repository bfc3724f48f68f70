"""The workers of a Codex home, known by their processes or their control channels, and their sentinels."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Final

from cfp.core.health import WorkerHealth
from cfp.core.program import SENTINEL
from cfp.host.disk import DISK
from cfp.host.worker import processes
from cfp.host.worker.health import health_behind
from cfp.layout import Layout, real_path
from cfp.socket_owner import own_user

_HAVE_SENTINELS: Final = sys.platform == "linux"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcess:
    """A worker identified by its command line."""

    pid: int
    started: str
    nonce: str
    host: str
    port: int


def find_workers(home: Path) -> list[WorkerProcess]:
    """Return the workers of this home among our user's processes, the newest first."""
    real_home = real_path(home)
    workers = []
    for pid in processes.pids():
        arguments = processes.cmdline(pid)
        pairs = list(pairwise(arguments))
        if ("codex_fast_proxy", "serve") not in pairs or is_sentinel(arguments):
            continue
        if processes.user(pid) != own_user():
            continue
        flags = dict(pairs)
        started = processes.started(pid)
        if started is None or real_path(flags.get("--codex-home", "")) != real_home:
            continue
        if "--nonce" in flags and flags.get("--port", "").isdecimal() and processes.is_alive(pid, started):
            workers.append(
                WorkerProcess(
                    pid=pid,
                    started=started,
                    nonce=flags["--nonce"],
                    host=flags.get("--host", "127.0.0.1"),
                    port=int(flags["--port"]),
                )
            )
    return sorted(workers, key=lambda worker: (float(worker.started), worker.pid), reverse=True)


def draining_workers(layout: Layout) -> list[WorkerHealth]:
    """Return the health of the workers that drain: after a handover, or after SIGTERM."""
    sockets = [layout.worker / name for name in DISK.names(layout.worker) if fnmatch(name, "fast_proxy.*.sock")]
    responses = (health_behind(path) for path in sorted(sockets))
    return [health for health in responses if health is not None and health.draining]


def is_sentinel(arguments: Sequence[str]) -> bool:
    """Whether a command line is that of a worker's sentinel; it holds the whole command line of the worker."""
    return tuple(arguments[3:4]) == (SENTINEL,)


def sentinels(nonce: str, layout: Layout | None) -> list[int]:
    """Return the pids of the sentinels of the worker with that nonce; none of another home's."""
    return _pids(nonce, layout, is_sentinel)


def revived_workers(nonce: str, layout: Layout | None) -> list[int]:
    """Return the pids of the workers that a sentinel of that worker has started; none of another home's."""
    return _pids(nonce, layout, lambda arguments: "--revivals" in arguments and not is_sentinel(arguments))


def _pids(nonce: str, layout: Layout | None, is_wanted: Callable[[Sequence[str]], bool]) -> list[int]:
    """Return our user's processes whose command line has the nonce, which no other worker shares."""
    if not (_HAVE_SENTINELS and nonce):
        return []
    pids = []
    for pid in processes.pids():
        arguments = processes.cmdline(pid)
        if ("--nonce", nonce) not in pairwise(arguments) or not is_wanted(arguments):
            continue
        of_another_home = layout is not None and processes.is_of_another_home(arguments, str(layout.home))
        if processes.user(pid) == own_user() and not of_another_home:
            pids.append(pid)
    return pids
