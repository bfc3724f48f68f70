"""The contract of `processes` on Windows: psutil identifies a process, and its token its user."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cfp.host.worker._portable import Handle, boot_id, cmdline, hold, is_running, pids, started

assert sys.platform == "win32"  # noqa: S101  mypy then reads this file for Windows alone

from cfp.socket_owner import _windows  # noqa: E402  exists on Windows only

if TYPE_CHECKING:
    from cfp.socket_owner import User

__all__ = ["Handle", "boot_id", "cmdline", "hold", "is_running", "listener", "pids", "started", "user"]


def user(pid: int) -> User | None:
    return _windows.process_user(pid)


def listener(port: int) -> tuple[int | None, User | None, tuple[str, ...]] | None:
    pid = _windows.listener_pid(port)
    if not pid:
        return None if pid is None else (None, None, ())
    return pid, user(pid), cmdline(pid)
