"""The worker's signals and its limit on open files on Linux and macOS."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

assert sys.platform != "win32"  # noqa: S101  mypy then leaves this file out for Windows


def handle_signals(end: Callable[[], None]) -> None:
    """Call `end` at each SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)


def shield_thread() -> None:
    """Leave signals to the main thread, which alone handles them: in this one they would not wake it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def allow_descriptors(count: int) -> None:
    """Raise the limit on open files, which a shell sets to 256 or 1,024 mostly, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        count = min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < count:
        with suppress(OSError, ValueError):  # a system may have a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
