"""The sizes of the unbounded tests: those of the gate, or of a deep session (HYPOTHESIS_PROFILE=deep).

On Windows the gate's are smaller, unless CFP_TEST_WHOLE=1 asks for those of Linux.
"""

from __future__ import annotations

import os

from tests.systems import WINDOWS

# What is computed, and so the same on every system, is tried in full on Linux. What is run takes its time here.
ON_WINDOWS = {
    "EXAMPLES": 15,
    "CRASH_IMAGES": 3_000,
    "CRASH_DEPTH": 2,
    "DAMAGED_STRIDE": 7,
    "FAULT_CODES": 1,
    "HOMES": 8,
    "PLANTED": 1,
    "PROCESS_KILLS": 34,
    "REAL_HOMES": 2,
    "CONTENTION": 12,
    "HOOK_ROUNDS": 1,
    "RACE_ROUNDS": 2,
    "WRITER_ROUNDS": 3,
    "SERVERS": 5,
    "REFRESHES": 5,
    "LOG_LINES": 5_000,
}
SMALL = WINDOWS and os.environ.get("CFP_TEST_WHOLE") != "1"
DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"


def size(name: str, normal: int, deep: int) -> int:
    """Return the number that CFP_TEST_<name> sets, or the one for this kind of session."""
    usual = ON_WINDOWS.get(name, normal) if SMALL else normal
    return int(os.environ.get(f"CFP_TEST_{name}", deep if DEEP else usual))


IMAGES = size("CRASH_IMAGES", 220_000, 6_000_000)
SEED = size("CRASH_SEED", 1, 1)
DEPTH = size("CRASH_DEPTH", 3, 4)
FAULT_CODES = size("FAULT_CODES", 11, 11)
PLANTED = size("PLANTED", 2, 3)
