"""A log that the medium has damaged is never half-believed: it is right, or it is refused and nothing is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from journal import Damaged, JournalError, Unsupported
from journal.codec import parse
from tests.crash import invariants
from tests.crash.model import Ends
from tests.crash.simfs import SimFs
from tests.crash.sizes import DEEP
from tests.crash.world import RESTART, journal_on, recover, run


def interrupted() -> list[SimFs]:
    """The world at four instants with an open log: the first, just before and after the commit, the last."""
    fs, machine = RESTART.world(), RESTART.machine()
    ends = Ends(fs, machine)
    run(journal_on(fs, machine), RESTART, machine)
    logged = [(end.fs, parse(log).records) for end in ends.all if (log := open_log(end.fs)) is not None]
    uncommitted = [fs for fs, records in logged if all(record["t"] != "commit" for record in records)]
    return [logged[0][0], uncommitted[-1], logged[len(uncommitted)][0], logged[-1][0]]


def open_log(fs: SimFs) -> bytes | None:
    return next((node.data for path, node in fs.files() if path.endswith(".open")), None)


def picture(fs: SimFs) -> dict[str, bytes]:
    """Everything but the word of who holds the lock."""
    return {path: node.data for path, node in fs.files() if not path.endswith("holder.json")}


def damaged(log: bytes) -> Iterator[bytes]:
    end = log.rindex(b"\n") + 1
    for cut in range(end):
        yield log[:cut]
        yield log[:cut] + bytes(len(log) - cut)
    for bit in range(0, 8 * end, 1 if DEEP else 5):
        broken = bytearray(log)
        broken[bit // 8] ^= 1 << bit % 8
        yield bytes(broken)


@pytest.mark.parametrize("moment", range(4), ids=["prepared", "swapped", "committed", "purged"])
def test_every_damage_to_a_log(moment: int) -> None:
    """Cut at any byte, filled with zeros from there, or one bit flipped: a right decision, or a typed refusal."""
    was = RESTART.world()
    start = interrupted()[moment]
    [path] = [path for path in start.seen if path.endswith(".open")]
    refused = decided = 0
    for log in damaged(start.data(path) or b""):
        fs, machine = start.after_kill(), RESTART.machine()
        fs.edit_in_place(path, log)
        before = picture(fs)
        try:
            recover(fs, machine)
        except (Damaged, Unsupported):
            assert before == picture(fs)
            refused += 1
        except JournalError as error:
            pytest.fail(f"neither right nor refused: {error}")
        else:
            assert [] == invariants.i1_all_before_or_all_after(RESTART, was, fs, None)
            assert [] == invariants.i4_nothing_left(RESTART, fs)
            decided += 1
    assert refused > 0
    assert (decided > 0) == (moment in {1, 2})  # nothing may follow `prepared` yet, or the images are gone already
