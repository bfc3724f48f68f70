"""The sizes of the unbounded tests: those of the gate, or of a deep session (HYPOTHESIS_PROFILE=deep)."""

from __future__ import annotations

import os

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"


def size(name: str, normal: int, deep: int) -> int:
    """Return the number that CFP_TEST_<name> sets, or the one for this kind of session."""
    return int(os.environ.get(f"CFP_TEST_{name}", deep if DEEP else normal))


IMAGES = size("CRASH_IMAGES", 220_000, 6_000_000)
SEED = size("CRASH_SEED", 1, 1)
DEPTH = size("CRASH_DEPTH", 3, 4)
FAULT_CODES = size("FAULT_CODES", 11, 11)
