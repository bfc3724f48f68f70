"""The command of every scene is killed at each operation, and so are its recoveries; see `tests.crash.killing`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.killing import Tally, kills_of
from tests.crash.sizes import size
from tests.numbers import VIOLATIONS, Numbers
from tests.scenes import SCENES, Scene

# All scenes together have some 1,000 operations: at least 10,000 kills, or 250,000.
KILLS_PER_100_ACTS = size("KILLS_PER_100_ACTS", 960, 26_000)
MEMORY = Path("/dev/shm")

pytestmark = pytest.mark.posix("fork")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory: a kill loses nothing of the page cache, there or on a disk, and no fsync waits."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="cfp-tests-", dir=MEMORY))
    yield folder
    shutil.rmtree(folder)


def tell(numbers: Numbers, tally: Tally) -> None:
    numbers.count("real SIGKILL", "in commands", tally.kills - tally.nested)
    numbers.count("real SIGKILL", "in recoveries", tally.nested)
    numbers.count("real SIGKILL", "in all", tally.kills)
    numbers.count("real SIGKILL", VIOLATIONS, len(tally.complaints))
    numbers.time("recovery", "`recover` after real SIGKILLs", *tally.recoveries)
    assert [] == tally.complaints


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_killed_for_good(scene: Scene, memory: Path, numbers: Numbers) -> None:
    """After any kill, and more inside recovery, one `recover` leaves all files before or all after, and no other."""
    tell(numbers, kills_of(scene, memory, KILLS_PER_100_ACTS))


def test_killed_for_good_on_a_disk(tmp_path: Path, numbers: Numbers) -> None:
    """A disk that fsync waits for gives no other result."""
    tell(numbers, kills_of(SCENES[1], tmp_path, kills_per_100_acts=200))
