"""Signals that end a command as ^C does: in good order, with a result, and an exit code of their own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell has it
_ENDING = ("SIGTERM", "SIGHUP")


class Ended(KeyboardInterrupt):
    """A signal other than ^C that ends the command; code that undoes after ^C undoes after it, too."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def listen() -> None:
    """Raise `Ended` in the main thread at the first SIGTERM or SIGHUP; later ones do not interrupt the undo.

    An ignored signal stays ignored: `nohup` relies on it.
    """
    for name in _ENDING:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is None:
            continue
        with suppress(ValueError):  # another thread than the main one: a program that embeds us has its own handlers
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _end)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let ^C not interrupt the block, a short one at a command's end that cleans up or prints the answer."""
    try:
        former = signal.signal(signal.SIGINT, _ignore)
    except ValueError:  # as above
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if former is None else former)


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return 128 plus the signal's number, as shells do."""
    return 128 + interrupt.number if isinstance(interrupt, Ended) else EXIT_INTERRUPTED


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, _ignore)  # not SIG_IGN, which programs that we start would inherit
    raise Ended(number)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    pass
