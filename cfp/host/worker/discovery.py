"""The workers of a Codex home, found among this user's processes or behind their control channels."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

from cfp.core.health import WorkerHealth
from cfp.host.disk import DISK
from cfp.host.worker import processes
from cfp.host.worker.health import health_behind
from cfp.layout import Layout, real_path
from cfp.socket_owner import own_user


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
        if ("codex_fast_proxy", "serve") not in pairs or processes.user(pid) != own_user():
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
