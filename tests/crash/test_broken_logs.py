"""Logs that the medium has damaged: recovery decides correctly, or refuses and changes no file."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from journal import Damaged, JournalError, Unsupported
from journal.codec import frame, parse
from tests.crash import invariants
from tests.crash.model import Ends
from tests.crash.power import PowerCut
from tests.crash.simfs import SimFs
from tests.crash.sizes import DEEP, SEED
from tests.crash.world import RESTART, journal_on, recover, run
from tests.numbers import Numbers


def interrupted() -> list[SimFs]:
    """Return the world at four instants with an open log: the first, just before and after the commit, the last."""
    fs, machine = RESTART.world(), RESTART.machine()
    ends = Ends(fs, machine)
    run(journal_on(fs, machine), RESTART, machine)
    logged = [(end.fs, parse(log).records) for end in ends.all if (log := open_log(end.fs)) is not None]
    uncommitted = [fs for fs, records in logged if all(record["t"] != "commit" for record in records)]
    return [logged[0][0], uncommitted[-1], logged[len(uncommitted)][0], logged[-1][0]]


def open_log(fs: SimFs) -> bytes | None:
    return next((node.data for path, node in fs.files() if path.endswith(".open")), None)


def picture(fs: SimFs) -> dict[str, bytes]:
    """Return the content of every file but the lock holder's."""
    return {path: node.data for path, node in fs.files() if not path.endswith("holder.json")}


def damaged(log: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the log cut at every byte, zeroed from every byte, and with every single bit flipped."""
    end = log.rindex(b"\n") + 1
    for cut in range(end):
        yield "cut", log[:cut]
        yield "zeros", log[:cut] + bytes(len(log) - cut)
    for bit in range(8 * end):
        broken = bytearray(log)
        broken[bit // 8] ^= 1 << bit % 8
        yield "flipped", bytes(broken)


@pytest.mark.parametrize("moment", range(4), ids=["prepared", "swapped", "committed", "purged"])
def test_every_damage_to_a_log(moment: int, numbers: Numbers) -> None:
    """Recovery decides correctly or raises a typed error, also where it is killed and repeated.

    The decision depends on the valid prefix alone. So every damaged log is parsed, and one of each kind and prefix is
    recovered; a deep session recovers them all.
    """
    start = interrupted()[moment]
    [path] = [path for path in start.seen if path.endswith(".open")]
    whole = parse(start.data(path) or b"").records
    known = set()
    verdicts = []
    for number, (kind, log) in enumerate(damaged(start.data(path) or b"")):
        prefix = parse(log)
        assert whole[: len(prefix.records)] == prefix.records, (kind, number)
        key = (kind, prefix.length, number if DEEP else 0)
        if key not in known:
            known.add(key)
            verdicts.append(is_decided(start, path, log))
    numbers.count("damaged logs", "cut, zeroed or with a bit flipped, and read", number + 1)
    numbers.count("damaged logs", "recovered, and their recoveries killed", len(verdicts))
    assert not all(verdicts)
    assert any(verdicts) == (
        moment in {1, 2}
    )  # else no record follows `prepared` yet, or the images are gone already


def appended(start: SimFs, path: str) -> set[int]:
    """Return the lengths of the records that a recovery appends to a log."""
    fs, machine = start.after_kill(), RESTART.machine()
    ends = Ends(fs, machine)
    recover(fs, machine)
    longest = max((parse(end.fs.data(path) or b"").records for end in ends.all), key=len)
    many = len(parse(start.data(path) or b"").records)
    return {len(frame(number, record)) for number, record in enumerate(longest[many:], many)}


@pytest.mark.parametrize("shift", range(-1, 2), ids=["shorter", "same", "longer"])
def test_a_commit_after_a_lost_record_does_not_count(shift: int) -> None:
    """A commit after a lost record does not count, though recovery appends a record of the same length before it.

    The disk has lost a record and kept the commit after it: the command never returned, so the files are rolled back.
    A recovery that dies after its own record in the gap must not make the next one read a commit.
    """
    start, choose = interrupted()[1], random.Random(SEED)
    [path] = [path for path in start.seen if path.endswith(".open")]
    log = start.data(path) or b""
    prefix = parse(log)
    many = len(prefix.records)
    stale = frame(many + 1, {"t": "commit", "files": []})
    for length in appended(start, path):
        lost = bytes(length + shift)
        torn = log[: prefix.length] + lost + stale
        fs, machine = start.after_kill(), RESTART.machine()
        fs.edit_in_place(path, torn + bytes(max(0, len(log) - len(torn))))
        ends = Ends(fs, machine)
        assert "rolled_back" == recover(fs, machine).kind
        for end in ends.all:
            power = PowerCut(end.fs)
            draws = {power.draw(choose, any_subset=True) for _ in range(3)}
            for world in (end.fs, *map(power.world, draws)):
                again = recover(world, end.machine.copy())
                assert again.kind in {"rolled_back", "clean"}
                assert [] == invariants.i1_all_before_or_all_after(RESTART, RESTART.world(), world, "rolled_back")
                assert [] == invariants.i4_nothing_left(RESTART, world)


def is_decided(start: SimFs, path: str, log: bytes) -> bool:
    """Recover; return False for a refusal. A kill at any operation must not change the result."""
    fs, machine = start.after_kill(), RESTART.machine()
    fs.edit_in_place(path, log)
    before = picture(fs)
    ends = Ends(fs, machine)
    try:
        recover(fs, machine)
    except (Damaged, Unsupported):
        assert before == picture(fs)
        return False
    except JournalError as error:
        pytest.fail(f"neither right nor refused: {error}")
    for world, crew in ((fs, machine), *((end.fs, end.machine) for end in ends.all)):
        recover(world, crew)
        assert [] == invariants.i1_all_before_or_all_after(RESTART, RESTART.world(), world, None)
        assert [] == invariants.i4_nothing_left(RESTART, world)
    return True
