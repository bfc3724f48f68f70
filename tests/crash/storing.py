"""A program that stores a setting in a file as Codex does: without a lock, by a new file and a rename.

`python -m tests.crash.storing` waits for lines, PATH DELAY, and answers each one when the setting is stored.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tests.crash.lines import dump, parse

Result = TypeVar("Result")


def patiently(attempt: Callable[[], Result]) -> Result:
    """Repeat what Windows refuses: a file that another program has just open can be neither read nor replaced."""
    while True:
        with suppress(PermissionError):
            return attempt()


def store(path: Path, delay: float) -> None:
    """Read, modify, write a new file and rename it: no lock, no fsync (Codex 0.169 `write_atomically`).

    On Windows the file is missing for an instant while names are exchanged: that counts as empty.
    """
    end = time.perf_counter() + delay
    while time.perf_counter() < end:
        pass
    try:
        values = parse(patiently(path.read_bytes))
    except FileNotFoundError:
        values = {}
    beside = path.with_name("tmp-of-codex")
    beside.write_bytes(dump(values | {"theirs": "1"}))
    patiently(lambda: beside.replace(path))


if __name__ == "__main__":
    for line in sys.stdin:
        where, _, seconds = line.rstrip("\n").rpartition("|")
        store(Path(where), float(seconds))
        sys.stdout.write("stored\n")
        sys.stdout.flush()
