"""A file held open as editors, virus scanners and sync programs of Windows hold one: with a share mode."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from journal import _win32

assert sys.platform == "win32"  # for mypy, which checks this file for Windows alone

READ, WRITE, DELETE = 1, 2, 4
SHARES = {
    sum(bits): "+".join(name for bit, name in zip(bits, ("read", "write", "delete"), strict=True) if bit) or "nothing"
    for bits in ((read, write, delete) for delete in (0, DELETE) for write in (0, WRITE) for read in (0, READ))
}


@contextmanager
def held(path: Path, share: int) -> Iterator[None]:
    """Hold a file open for reading in this process: Windows counts handles, not processes."""
    handle = _win32.open_handle(path, _win32.READ, share, _win32.OPEN_EXISTING)
    try:
        yield
    finally:
        _win32.close_handle(handle)


class Holder:
    """Another program that has a file open and shares nothing, until it is told to let go."""

    _PROGRAM = (
        "import sys; from pathlib import Path; from tests.holding import held\n"
        "with held(Path(sys.argv[1]), 0):\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
        "print('free', flush=True)"
    )

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._PROGRAM, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )

    def __enter__(self) -> Self:
        assert self._line() == "held"
        return self

    def let_go(self) -> None:
        """Return when the file is closed."""
        if self._process.poll() is None:
            self._process.communicate("\n")

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self.let_go()
