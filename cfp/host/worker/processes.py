"""The processes of this machine: one contract, by /proc and pidfds on Linux, by psutil elsewhere.

boot_id()     the kernel's id of this boot; "" where the system has none
started(pid)  the start time, which no later process with this pid shares; None without such a process
is_running(pid, started)  whether exactly that process runs; a zombie does not
user(pid)     the user, as `cfp.socket_owner` writes it; None for a process that is gone
pids()        the pids of all processes
cmdline(pid)  the arguments; () for a zombie, and where the system does not show them
hold(pid)     a Handle; the caller proves the process's identity *after* that. None without such a process
Handle        `signal(kill=…)` reaches this process or none, even if its pid is reused; an ended process is no error.
              `wait(timeout)`: whether it exits within that many seconds; a zombie counts as exited
listener(port)  (pid, user, arguments) of the listener at a loopback or wildcard address, None and () where the
              system does not show them; None without a listener
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

from cfp.layout import real_path

if sys.platform == "linux":
    from cfp.host.worker._linux import Handle, boot_id, cmdline, hold, is_running, listener, pids, started, user
elif sys.platform == "win32":
    from cfp.host.worker._windows import Handle, boot_id, cmdline, hold, is_running, listener, pids, started, user
else:
    from cfp.host.worker._portable import Handle, boot_id, cmdline, hold, is_running, listener, pids, started, user

__all__ = [
    "Handle",
    "boot_id",
    "cmdline",
    "hold",
    "is_alive",
    "is_of_another_home",
    "is_running",
    "listener",
    "pids",
    "reap",
    "started",
    "user",
]


def is_of_another_home(arguments: Sequence[str], home: str) -> bool:
    """Whether a worker's command line names the folder of another Codex home than `home`, and that folder exists.

    A copied home has copies of the pid file and of the journal, which name the workers of the original. The home of
    a worker that was renamed meanwhile is missing under the name that the worker knows.
    """
    real_home = real_path(home)
    flags = dict(pairwise(arguments))
    folders = [real_path(flags[flag]) for flag in ("--codex-home", "--log-dir") if flags.get(flag)]
    return any(
        os.path.lexists(folder) and not f"{folder}{os.sep}".startswith(f"{real_home}{os.sep}")
        for folder in folders[:1]
    )


def is_alive(pid: int, start_time: str) -> bool:
    """Whether exactly that process runs. A zombie does not; a zombie child of ours is reaped."""
    if is_running(pid, start_time):
        return True
    if started(pid) == start_time:
        reap(pid)
    return False


def reap(pid: int) -> None:
    """Collect the exit status of a child that has exited, so that its pid becomes free."""
    if sys.platform != "win32":
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
