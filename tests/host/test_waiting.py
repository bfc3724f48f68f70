"""The line that shows what a command waits for: there in time, counting, and gone without a trace."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

import pytest

from cfp.host.waiting import WaitingLine, unseen
from tests.terminal import screen

pytestmark = pytest.mark.posix("a pseudo-terminal")


class Watched:
    """The output that has come to a terminal so far, and a clock that stands still until it is set."""

    def __init__(self, leader: int) -> None:
        self.output = b""
        self.seconds = 0.0
        self._more = threading.Condition()
        self.reader = threading.Thread(target=self._read, args=(leader,))
        self.reader.start()

    def _read(self, leader: int) -> None:
        try:
            while piece := os.read(leader, 65536):
                with self._more:
                    self.output += piece
                    self._more.notify_all()
        except OSError:  # EIO: the other side is closed (Linux)
            pass

    def wait_for(self, holds: Callable[[str], bool]) -> None:
        with self._more:
            assert self._more.wait_for(lambda: holds(self.output.decode(errors="ignore")), 20), self.output

    def end(self) -> None:
        self.reader.join()


@contextmanager
def watched(*, delay: float = 0.0) -> Iterator[tuple[WaitingLine, Watched]]:
    leader, follower = os.openpty()
    terminal = Watched(leader)
    with os.fdopen(follower, "w", encoding="utf-8") as stream:
        yield WaitingLine(stream, {}, clock=lambda: terminal.seconds, delay=delay), terminal
    terminal.end()
    os.close(leader)


def assert_clean(output: bytes) -> None:
    lines, cursor = screen(output.decode())
    assert ([], True) == (lines, cursor)


def test_it_counts_and_goes() -> None:
    """The words, the seconds and the limit; new words in the same wait; nothing is left of it."""
    with watched() as (line, terminal), line("waiting for relay.example", 60.0) as wait:
        terminal.wait_for(lambda output: "waiting for relay.example (0 s of 60 s)" in output)
        terminal.seconds = 14.0
        terminal.wait_for(lambda output: "(14 s of 60 s)" in output and screen(output)[1])
        wait.now("reading its answer")
        terminal.wait_for(lambda output: "reading its answer (14 s of 60 s)" in output)
    assert_clean(terminal.output)


def test_the_innermost_wait_is_shown() -> None:
    """And after it the one around it again; one without a limit names none."""
    with watched() as (line, terminal), line("outer", None):
        terminal.wait_for(lambda output: "outer (0 s)" in output)
        with line("inner", 10.0):
            terminal.wait_for(lambda output: "inner (0 s of 10 s)" in output)
        before = len(terminal.output)
        terminal.wait_for(lambda output: "outer (0 s)" in output[before:])
    assert_clean(terminal.output)


def test_long_words_leave_room_for_the_seconds() -> None:
    """The line is one line, however narrow the terminal, and counts to its end."""
    with watched() as (line, terminal), line("waiting for " + "x" * 300, 60.0):
        terminal.wait_for(lambda output: "x… (0 s of 60 s)" in output)
    assert_clean(terminal.output)


class SlowOnce:
    """A stream that is slow to say for the first time that it is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.late: list[threading.Thread] = []
        self.go_on = threading.Event()
        self.question = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        if not self.late:
            self.late.append(threading.current_thread())
            self.question.set()
            assert self.go_on.wait(20)
        return self._stream.isatty()


def test_a_line_that_comes_too_late_stays_away() -> None:
    """Its wait has ended, and the next one has a line of its own; nothing of either is left, and nobody draws on."""
    threads = set(threading.enumerate())
    leader, follower = os.openpty()
    terminal = Watched(leader)
    with os.fdopen(follower, "w", encoding="utf-8") as stream:
        slow = SlowOnce(stream)
        line = WaitingLine(cast("TextIO", slow), {}, clock=lambda: 0.0, delay=0.0)
        with line("the first", None):
            assert slow.question.wait(20)
        with line("the next", None):
            terminal.wait_for(lambda output: "the next (0 s)" in output)
            slow.go_on.set()
            slow.late[0].join()
        for thread in set(threading.enumerate()) - threads - {terminal.reader}:
            thread.join(5)
            assert not thread.is_alive()
    terminal.end()
    os.close(leader)
    assert_clean(terminal.output)


def test_what_is_fast_shows_nothing() -> None:
    """Not even an escape sequence."""
    with watched(delay=60.0) as (line, terminal):
        for _ in range(3):
            with line("waiting", 1.0), line("waiting", 1.0):
                pass
    assert b"" == terminal.output


@pytest.mark.parametrize("ending", [KeyboardInterrupt, RuntimeError])
def test_what_ends_a_command_ends_the_line(ending: type[BaseException]) -> None:
    """^C and an error of any kind, however many waits last."""
    with watched() as (line, terminal):
        with pytest.raises(ending), line("outer", None), line("inner", None):  # noqa: PT012  a wait ends by it
            terminal.wait_for(lambda output: "inner" in output)
            raise ending
        line.close()  # as the command line does once more
    assert_clean(terminal.output)


def test_nothing_is_seen_of_an_unseen_wait() -> None:
    """A program's command waits in silence."""
    with unseen("waiting", 1.0) as wait:
        wait.now("still waiting")
