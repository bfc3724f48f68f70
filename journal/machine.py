"""Which run of the machine this is."""

from __future__ import annotations

from pathlib import Path


def boot_id() -> str:
    """The kernel's id of this boot (Linux, random(4)); "" where there is no such thing."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
