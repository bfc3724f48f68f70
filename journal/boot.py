"""Which run of the machine this is."""

from __future__ import annotations

from pathlib import Path

_SOURCE = Path("/proc/sys/kernel/random/boot_id")


def boot_id(source: Path = _SOURCE) -> str:
    """The kernel's id of this boot (Linux, random(4)); "" where there is no such thing."""
    try:
        return source.read_text("ascii").strip()
    except OSError:
        return ""
