"""Runs a program in the foreground: it gets our terminal, and we pass our signals on to it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

if sys.platform == "win32":  # the console sends ^C to the program itself, and there is no other signal
    _SHARED: tuple[str, ...] = ("SIGINT", "SIGBREAK")
    _PASSED_ON: tuple[str, ...] = ()
else:
    # The terminal sends these to every process of the job: the program decides, and we wait for it.
    _SHARED = ("SIGINT", "SIGQUIT")
    # Somebody sends these to our process, and means the program.
    _PASSED_ON = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")


def run_in_foreground(program: Path, words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the program and return its exit code as shells do: 128 plus the number for a signal.

    Raises OSError where it cannot be started.
    """
    with _signals() as begun:
        process = subprocess.Popen([str(program), *words], env=dict(environ))
        begun(process)
        with process:
            code = process.wait()
    return 128 - code if code < 0 else code


@contextmanager
def _signals() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Pass signals on to the program, once the yielded function has named it; earlier signals follow then.

    Handlers, not SIG_IGN: a child inherits ignored signals, but no handlers.
    """
    programs: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if programs:
            programs[0].send_signal(number)
        else:
            early.append(number)

    def begun(program: subprocess.Popen[bytes]) -> None:
        programs.append(program)
        while early:
            program.send_signal(early.pop())

    former = {number: signal.signal(number, _wait_for_it) for number in _numbers(_SHARED)}
    former |= {number: signal.signal(number, pass_on) for number in _numbers(_PASSED_ON)}
    try:
        yield begun
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _numbers(names: Sequence[str]) -> Iterator[Any]:
    """Yield the signals that exist here and are not ignored: `nohup` relies on that."""
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return (number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN)


def _wait_for_it(_number: int, _frame: FrameType | None) -> None:
    pass
