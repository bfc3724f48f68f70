"""CPU time and memory of a process, read from Linux's /proc."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def family(pid: int) -> list[int]:
    """The process and its children."""
    pids = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            pids += [int(child) for child in (task / "children").read_text().split()]
    return pids


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of all threads that live, to the nanosecond (the first field of schedstat)."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory(pids: Iterable[int], name: str = "Pss") -> float:
    """Megabytes (10^6 bytes) of Pss, or of another line of smaps_rollup."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{name}:"):
                total += int(line.split()[1]) * 1024
    return total / 1e6


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
