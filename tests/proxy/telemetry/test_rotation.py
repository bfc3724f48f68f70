"""Rotation of the request log where its files cannot be renamed for a while."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.telemetry.log_reader import LogReader
from cfp.proxy.telemetry.request_log import RotatingFile, moved_names

LIMIT = 50
COUNT = 5
SUFFIXES = ("", ".0", ".1", ".2", ".3", ".4")


@dataclass
class Holder:
    """A program that keeps some files from being renamed and replaced, and the clock."""

    refused: frozenset[str] = frozenset()
    now: float = 0.0
    attempts: list[float] = field(default_factory=list)

    def rename(self, source: Path, target: Path) -> None:
        if self.refused & {source.suffix, target.suffix} and target.exists() | (source.suffix in self.refused):
            self.attempts.append(self.now)
            raise PermissionError(13, "sharing violation", str(source))
        source.replace(target)

    def clock(self) -> float:
        return self.now

    def file(self, path: Path) -> RotatingFile:
        return RotatingFile(path, limit=LIMIT, file_count=COUNT, rename=self.rename, clock=self.clock)


def numbers(folder: Path) -> list[int]:
    """Return the lines of all files, oldest first."""
    paths = [folder / f"log{suffix}" for suffix in reversed(SUFFIXES)]
    return [int(line) for path in paths if path.exists() for line in path.read_bytes().splitlines()]


# Which files are held, how many lines are written then, and how many seconds pass before each of them.
PHASES = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from(["log", *SUFFIXES[1:]]), max_size=3),
        st.integers(1, 30),
        st.sampled_from([0.0, 0.4, 1.0]),
    ),
    min_size=1,
    max_size=6,
)


@given(PHASES)
def test_no_line_is_lost_by_a_refused_rename(
    tmp_path_factory: pytest.TempPathFactory, phases: list[tuple[frozenset[str], int, float]]
) -> None:
    """Whatever is held: the files have the newest accepted lines, in order, and none grows past the cap."""
    folder = tmp_path_factory.mktemp("logs")
    holder, accepted = Holder(), []
    file = holder.file(folder / "log")
    number = 0
    for held, lines, seconds in phases:
        holder.refused = frozenset("" if name == "log" else name for name in held)
        for _ in range(lines):
            holder.now += seconds
            number += 1
            try:
                file.write(b"%09d\n" % number)
            except PermissionError:
                assert (folder / "log").stat().st_size == 4 * LIMIT
            else:
                accepted.append(number)
            kept = numbers(folder)
            assert accepted[-len(kept) :] == kept
            assert len(kept) >= min(len(accepted), (COUNT - 1) * LIMIT // 10)
            assert all(path.stat().st_size <= 4 * LIMIT for path in folder.iterdir())
    holder.refused, holder.now = frozenset(), holder.now + 1
    for _ in range(4 * LIMIT // 10 + 1):
        number += 1
        file.write(b"%09d\n" % number)
    file.close()
    assert (folder / "log").stat().st_size <= LIMIT
    assert not (folder / "log.0").exists()


def test_a_refused_rename_is_tried_again_each_second(tmp_path: Path) -> None:
    """Not at each line, and the older files stay where they are until the current one can move."""
    holder = Holder()
    file = holder.file(tmp_path / "log")
    for number in range(15):
        file.write(b"%09d\n" % number)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "log"}
    holder.refused = frozenset({""})
    for number in range(15, 27):
        holder.now += 0.25
        file.write(b"%09d\n" % number)
    assert [0.25, 1.25, 2.25] == holder.attempts
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "log"}
    holder.refused = frozenset()
    holder.now += 1
    file.write(b"%09d\n" % 27)
    file.close()
    assert (tmp_path / "log").read_bytes() == b"%09d\n" % 27
    assert list(range(28)) == numbers(tmp_path)


def test_an_unfinished_rotation_is_read(tmp_path: Path) -> None:
    """While `.1` is held, the file that waits to become it is read between the two, and so after that."""
    holder = Holder()
    path = tmp_path / "log"
    file, reader = holder.file(path), LogReader(path)
    for number in range(10):
        file.write(b"%09d\n" % number)
    assert list(range(10)) == [*map(int, reader.last_lines(20))]
    holder.refused = frozenset({".1"})
    for number in range(10, 18):
        file.write(b"%09d\n" % number)
    assert moved_names(path, COUNT)[0].exists()
    assert list(range(10, 18)) == [*map(int, reader.new_lines())]
    assert list(range(18)) == [*map(int, LogReader(path).last_lines(20))]
    assert list(range(18)) == [*map(int, file.tail().split())]
    file.close()


if sys.platform == "win32":
    from tests.holding import DELETE, SHARES, WRITE, held

    @pytest.mark.parametrize("share", SHARES, ids=SHARES.get)
    def test_a_reader_with_each_share_mode(tmp_path: Path, share: int) -> None:
        """Without deletion the file grows to the cap and moves afterwards; without writing no line gets in."""
        path = tmp_path / "log"
        clock = Holder()
        file = RotatingFile(path, limit=LIMIT, clock=clock.clock)
        for number in range(5):
            file.write(b"%09d\n" % number)
        file.close()
        accepted = 5
        with held(path, share):
            for _ in range(20):
                clock.now += 1
                try:
                    file.write(b"%09d\n" % accepted)
                except OSError:
                    continue
                accepted += 1
        names = {path.name for path in tmp_path.iterdir()}
        if not share & WRITE:
            assert (5, {"log"}) == (accepted, names)
        elif not share & DELETE:
            assert (4 * LIMIT // 10, {"log"}) == (accepted, names)
        else:
            assert (25, {"log", "log.1", "log.2", "log.3", "log.4"}) == (accepted, names)
        clock.now += 1
        file.write(b"%09d\n" % accepted)
        file.close()
        assert path.stat().st_size == 10
        assert accepted in numbers(tmp_path)
        assert sorted(numbers(tmp_path)) == numbers(tmp_path)

    def test_the_own_readers_are_in_nobodys_way(tmp_path: Path) -> None:
        """A rotation succeeds while `logs` and the dashboard have the files open."""
        from journal.private import read_from  # noqa: PLC0415  beside the test that needs it

        path = tmp_path / "log"
        file = RotatingFile(path, limit=LIMIT)
        for number in range(15):
            file.write(b"%09d\n" % number)
        with read_from(path) as current, read_from(tmp_path / "log.1"), read_from(tmp_path / "log.2"):
            for number in range(15, 20):
                file.write(b"%09d\n" % number)
            assert b"%09d\n" % 10 == current.read()[:10]
        file.close()
        assert list(range(20)) == numbers(tmp_path)
        assert (tmp_path / "log.3").exists()
