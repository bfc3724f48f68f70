"""A pseudo-terminal of 80 columns and 24 lines on which a program runs, and the screen as its user sees it."""

from __future__ import annotations

import os
import re
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.systems import posix_module

COLUMNS, LINES = 80, 24
_PIECE = re.compile(r"\x1b\[(?P<numbers>[?\d;]*)(?P<command>[A-Za-z])|(?P<other>.)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTerminal:
    """A finished program: its exit code, and all that it wrote to its terminal."""

    code: int
    output: str

    @property
    def screen(self) -> list[str]:
        """The lines that are left, without the empty ones at the end."""
        return screen(self.output)[0]

    @property
    def shows_cursor(self) -> bool:
        return screen(self.output)[1]

    @property
    def text(self) -> str:
        return "\n".join(self.screen)


def run_on_terminal(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    folder: Path,
    timeout: float = 60,
    answered: Callable[[str], bytes] = lambda _output: b"",
) -> OnTerminal:
    """Run a program whose stdin, stdout and stderr are one terminal; one that does not end in time is killed.

    answered  returns the keys that are typed when the terminal has shown that much
    """
    pty, fcntl, termios = (posix_module(name) for name in ("pty", "fcntl", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environ = {"TERM": "xterm-256color", **environ}
    process = subprocess.Popen(
        [*command],
        cwd=folder,
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  so that ^C reaches it
    )
    os.close(theirs)
    output = b""
    with os.fdopen(ours, "r+b", buffering=0) as terminal, process:
        try:
            while piece := _read(terminal.fileno(), timeout):
                output += piece
                os.write(terminal.fileno(), answered(output.decode(errors="replace")))
            code = process.wait(timeout)
        finally:
            process.kill()
    return OnTerminal(code=code, output=output.decode())


def _read(terminal: int, timeout: float) -> bytes:
    """Return the next piece of output; b"" once no program has the terminal any more."""
    ready, _, _ = posix_module("select").select([terminal], [], [], timeout)
    assert ready, "the program was silent for too long"
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO on Linux
        return b""


def screen(output: str) -> tuple[list[str], bool]:
    """Return the lines that a terminal shows after that output, and whether its cursor is visible.

    It obeys what rich writes: line ends, movements of the cursor, deleted lines; it knows no scrolling.
    """
    lines: list[list[str]] = [[]]
    row = column = 0
    cursor = True
    for piece in _PIECE.finditer(output):
        numbers, command, other = piece["numbers"], piece["command"], piece["other"]
        count = int(numbers) if (numbers or "").isdecimal() else 1
        if command == "A":
            row = max(0, row - count)
        elif command == "K":
            del lines[row][0 if numbers == "2" else column :]
        elif command in {"h", "l"} and numbers == "?25":
            cursor = command == "h"
        elif other == "\r":
            column = 0
        elif other == "\n":
            row += 1
            lines += [[] for _ in range(row + 1 - len(lines))]
        elif other is not None:
            lines[row] += " " * (column + 1 - len(lines[row]))
            lines[row][column] = other
            column += 1
    texts = ["".join(line).rstrip() for line in lines]
    while texts and not texts[-1]:
        texts.pop()
    return texts, cursor
