"""Ctrl+C and Ctrl+Break in a worker on Windows. Other signals, and a limit on open files, do not exist there.

A manager ends a worker over its control channel.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

assert sys.platform == "win32"  # noqa: S101  mypy then reads this file for Windows alone

_wakeup: list[socket.socket] = []  # open as long as the process: a signal may come at any time


def handle_signals(end: Callable[[], None]) -> None:
    """Call `end` at each Ctrl+C and Ctrl+Break; a byte wakes the loop, which waits in `select` deaf to them."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    _wakeup[:] = (near, far)

    def read() -> None:
        with suppress(BlockingIOError):
            near.recv(4096)

    loop.add_reader(near, read)
    signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGBREAK, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(end))


def shield_thread() -> None:
    """Do nothing: signals reach the main thread alone."""


def allow_descriptors(count: int) -> None:
    """Do nothing: sockets are limited by memory alone."""
