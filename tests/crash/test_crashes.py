"""A command that is killed, or loses power, at any operation leaves all files as before or all as planned."""

from __future__ import annotations

import random

import pytest

from tests.crash.model import Explorer, Tally
from tests.crash.sizes import DEPTH, IMAGES, SEED
from tests.crash.world import INSTALL, PREPARE, RESTART, ROLLED_BACK, SCENARIOS, UNINSTALL, Scenario, journal_on, run
from tests.numbers import Numbers

# Barriers that the model does not need, as (scenario, operation), each with the reason to keep it.
WORKER_DIES_TOO = "what a power cut takes from the record of a worker, it takes from the worker"
COMMIT_SAYS_IT = "the log that would come back holds the commit, or says what the files say anyway"
ONLY_FOR_PEOPLE = "nothing is decided from the history"
LATER_ONE_COVERS = "another fsync of the same folder follows before anything depends on it"
NO_COMMIT_FOLLOWS = "the swap is undone, and that is made durable"
WRITER_NEVER_SYNCED = "it is for a file whose own writer never made it durable; those of the model are"
NOTHING_TO_PURGE = "without before-images a lost commit and the removed log cannot disagree"
REDUNDANT = {
    (INSTALL.name, "fsync_folder /h", 2): LATER_ONE_COVERS,
    (INSTALL.name, "fsync /h/journal/TX.open", 1): WORKER_DIES_TOO,
    (RESTART.name, "fsync /h/journal/TX.open", 1): WORKER_DIES_TOO,
    (RESTART.name, "fsync /h/journal/TX.open", 2): WORKER_DIES_TOO,
    (PREPARE.name, "fsync /h/journal/TX.open", 1): NOTHING_TO_PURGE,
    (ROLLED_BACK.name, "fsync_folder /h", 2): LATER_ONE_COVERS,
    (ROLLED_BACK.name, "fsync /h/journal/TX.open", 1): WORKER_DIES_TOO,
    (ROLLED_BACK.name, "fsync_folder /h/state", 1): NO_COMMIT_FOLLOWS,
    (ROLLED_BACK.name, "fsync_folder /h", 3): NO_COMMIT_FOLLOWS,
    (ROLLED_BACK.name, "fsync /h/.config.TX-3.0", 1): WRITER_NEVER_SYNCED,
    (ROLLED_BACK.name, "fsync /h/.hooks.TX-2.0", 1): WRITER_NEVER_SYNCED,
    (ROLLED_BACK.name, "fsync_folder /h", 5): LATER_ONE_COVERS,
    **{(scenario.name, "fsync /h/journal/history.new", 1): ONLY_FOR_PEOPLE for scenario in SCENARIOS},
    **{(scenario.name, "fsync_folder /h/journal", 2): COMMIT_SAYS_IT for scenario in SCENARIOS},
}
Barrier = tuple[str, str, int]


KINDS = {"exchange": {"exchanges": True}, "rename": {"exchanges": False}, "Windows": {"windows": True}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_crash_leaves_a_mixture(scenario: Scenario, kind: str, numbers: Numbers) -> None:
    """After a kill or power cut, also inside recovery, all files are as before or all planned; no other is left."""
    tally = Tally()
    limit = IMAGES // (12 * len(SCENARIOS))  # a quarter for these; the rest is for whole commands
    Explorer(scenario, tally, random.Random(SEED), depth=DEPTH, limit=limit, **KINDS[kind]).explore()
    tally.tell(numbers)
    assert tally.complaints == []
    assert tally.seen >= min(limit, 1000)


def barriers(scenario: Scenario) -> list[tuple[Barrier, int]]:
    """Return each fsync of a scenario by its purpose and its number of that purpose, with its operation's number."""
    fs, machine = scenario.world(), scenario.machine()
    fs.log = []
    run(journal_on(fs, machine), scenario, machine)
    places: list[tuple[Barrier, int]] = []
    for number, line in enumerate(fs.log, 1):
        if line.startswith("fsync"):
            what = line.replace("20260102T030405Z-00000002", "TX")
            earlier = sum(1 for (_, other, _), _ in places if other == what)
            places.append(((scenario.name, what, earlier + 1), number))
    return places


ALL_BARRIERS = [(scenario, *barrier) for scenario in SCENARIOS for barrier in barriers(scenario)]
NEEDED = [one for one in ALL_BARRIERS if one[1] not in REDUNDANT]


@pytest.mark.parametrize(("scenario", "barrier", "number"), NEEDED, ids=[" ".join(map(str, b)) for _, b, _ in NEEDED])
def test_every_barrier_is_needed(scenario: Scenario, barrier: Barrier, number: int) -> None:
    """Without any one fsync the model finds a power cut that breaks a promise.

    It searches with and without atomic exchange: with it, the displaced file is a second before-image.
    """
    tally = Tally()
    for seed in range(12):
        lame = frozenset({number})
        choose, exchanges = random.Random(seed), seed % 2 == 0
        Explorer(scenario, tally, choose, depth=1, cuts=16, lame=lame, first_only=True, exchanges=exchanges).explore()
        if tally.complaints:
            return
    pytest.fail(f"nobody misses {barrier}")


def test_the_list_of_redundant_barriers_is_current() -> None:
    """Each barrier that the test above excuses still exists."""
    assert set(REDUNDANT) <= {barrier for _, barrier, _ in ALL_BARRIERS}


def test_commit_and_removal_of_the_log_back_each_other_up() -> None:
    """The last fsync of the journal's folder is redundant only while the commit has its own."""
    lame = frozenset(
        number
        for _, barrier, number in ALL_BARRIERS
        if barrier
        in {(UNINSTALL.name, "fsync /h/journal/TX.open", 1), (UNINSTALL.name, "fsync_folder /h/journal", 2)}
    )
    tally = Tally()
    Explorer(UNINSTALL, tally, random.Random(SEED), depth=1, cuts=16, lame=lame).explore()
    assert tally.complaints != []


@pytest.mark.parametrize(
    "barrier",
    ["fsync:.part", "fsync_folder:/h", "fsync_folder:/h/state", "fsync_folder:/h/dotfiles", "fsync:.open"],
)
def test_barriers_of_the_recovery_are_needed_too(barrier: str) -> None:
    """Without one kind of barrier in commands and recoveries alike the model finds a broken promise."""
    tally = Tally()
    for scenario in (UNINSTALL, INSTALL):  # the first one is faster, but misses most of them
        broken = frozenset({barrier})
        Explorer(scenario, tally, random.Random(SEED), cuts=8, broken=broken, first_only=True, limit=8000).explore()
    assert tally.complaints != []
