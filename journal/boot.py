"""The identity of the machine's current boot."""

from __future__ import annotations

from pathlib import Path

_SOURCE = Path("/proc/sys/kernel/random/boot_id")


def boot_id(source: Path = _SOURCE) -> str:
    """Return the kernel's id of this boot (Linux, random(4)); "" where the system has none."""
    try:
        return source.read_text("ascii").strip()
    except OSError:
        return ""
