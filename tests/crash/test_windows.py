"""The steps of Windows in the crash model: each write-through and each mending is needed, and missed by the model."""

from __future__ import annotations

import random

import pytest

from tests.crash.commands import COMMANDS
from tests.crash.model import Explorer, Tally
from tests.crash.sizes import SEED
from tests.crash.story import Story
from tests.crash.world import INSTALL, UNINSTALL


def complaints(broken: str, *stories: Story) -> list[str]:
    tally = Tally()
    for story in stories:
        choose = random.Random(SEED)
        Explorer(
            story, tally, choose, cuts=16, broken=frozenset({broken}), first_only=True, limit=2000, windows=True
        ).explore()
    return tally.complaints


@pytest.mark.parametrize("barrier", ["move:.0", "fsync:.part", "fsync:.new", "fsync:.open"])
def test_each_barrier_of_windows_is_needed(barrier: str) -> None:
    """Without one kind of flush or write-through the model finds a power cut that breaks a promise."""
    assert complaints(barrier, UNINSTALL, INSTALL) != []


@pytest.mark.parametrize("stories", [(UNINSTALL, INSTALL), COMMANDS[:1]], ids=["the journal", "a whole command"])
def test_an_interrupted_exchange_is_mended(stories: tuple[Story, ...]) -> None:
    """Without the mending, a kill between the renames of one exchange leaves a mixture."""
    assert any("I1" in complaint for complaint in complaints("mend", *stories))
