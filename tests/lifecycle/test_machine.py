"""A run ends at the last state, or everything is undone; no third way, whatever fails where."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from cfp.errors import RecoveryRequired
from cfp.lifecycle.machine import Run, RunState, Step
from tests.lifecycle.drawing import TABLES, diagram

STATES = (RunState.PLANNED, RunState.PREPARED, RunState.WORKER_UP, RunState.SWITCHED, RunState.COMMITTED)


class World:
    """Effects that count, and that fail before or after they happened."""

    def __init__(
        self, fail: tuple[int, str] | None = None, fail_undo: int | None = None, error: type = OSError
    ) -> None:
        self.fail, self.fail_undo, self.error = fail, fail_undo, error
        self.done: set[int] = set()
        self.closed = False

    def act(self, row: int) -> None:
        if self.fail == (row, "before"):
            raise self.error
        self.done.add(row)
        if self.fail == (row, "after"):
            raise self.error

    def undo(self, row: int) -> None:
        if self.fail_undo == row:
            raise OSError
        self.done.discard(row)

    def close(self) -> None:
        self.closed = True


def table(commit_row: int = 9) -> tuple[Step[World], ...]:
    return tuple(
        Step(
            lambda world, row=row: world.act(row),
            source,
            target,
            lambda world, row=row: world.undo(row),
            commits=row == commit_row,
        )
        for row, (source, target) in enumerate(itertools.pairwise(STATES))
    )


def test_a_run_without_trouble_reaches_the_end() -> None:
    """Every effect happened once, in order."""
    world = World()
    assert Run(table(), world).finish() is RunState.COMMITTED
    assert world.done == {0, 1, 2, 3}
    assert not world.closed


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("row", range(4))
def test_a_failure_undoes_everything(row: int, when: str, error: type[BaseException]) -> None:
    """Wherever it fails, also after the effect happened and by Ctrl-C: nothing is left, the log is closed."""
    world = World(fail=(row, when), error=error)
    run = Run(table(), world, abandon=World.close)
    with pytest.raises(error):
        run.finish()
    assert world.done == set()
    assert world.closed
    assert run.state is RunState.ROLLED_BACK


class InterruptedBetweenRows(list[Step[World]]):
    """A table from which ^C comes after so many rows, while no effect runs."""

    rows = 99

    def __iter__(self) -> Iterator[Step[World]]:
        yield from itertools.islice(super().__iter__(), self.rows)
        if self.rows < len(self):
            raise KeyboardInterrupt


@pytest.mark.parametrize("rows", range(4))
def test_an_interrupt_between_two_rows_undoes_everything(rows: int) -> None:
    """Even where no effect of a row is under way, the transaction does not stay open."""
    world, interrupted = World(), InterruptedBetweenRows(table())
    run = Run(interrupted, world, abandon=World.close)
    interrupted.rows = rows
    with pytest.raises(KeyboardInterrupt):
        run.finish()
    assert world.done == set()
    assert world.closed
    assert run.state is RunState.ROLLED_BACK


@pytest.mark.parametrize(("row", "undo"), [(row, undo) for row in range(4) for undo in range(row + 1)])
def test_an_undo_that_fails_is_said(row: int, undo: int) -> None:
    """Then the log stays open for recovery, and the user is sent there."""
    world = World(fail=(row, "after"), fail_undo=undo)
    with pytest.raises(RecoveryRequired) as stuck:
        Run(table(), world, abandon=World.close).finish()
    assert stuck.value.code == "rollback_incomplete"
    assert not world.closed


@pytest.mark.parametrize("when", ["before", "after"])
def test_after_the_commit_nothing_is_undone(when: str) -> None:
    """A row after the commit that fails is finished forward by recovery."""
    world = World(fail=(3, when))
    with pytest.raises(RecoveryRequired) as stuck:
        Run(table(commit_row=2), world, abandon=World.close).finish()
    assert stuck.value.code == "finish_incomplete"
    assert {0, 1, 2} <= world.done
    assert not world.closed


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_straight_lines(name: str) -> None:
    """Each row begins where the one before ended; no state is met twice; at most one row commits."""
    rows = TABLES[name]
    assert [row.source for row in rows[1:]] == [row.target for row in rows[:-1]]
    states = [rows[0].source, *(row.target for row in rows)]
    assert len(states) == len(set(states))
    assert sum(row.commits for row in rows) <= 1


@pytest.mark.parametrize("name", TABLES)
def test_what_touches_files_or_workers_before_the_commit_can_be_undone(name: str) -> None:
    """In a table that commits, only rows that touch nothing of the user's have no undo."""
    rows = TABLES[name]
    committing = [index for index, row in enumerate(rows) if row.commits]
    for row in rows[: committing[0]] if committing else ():
        assert (row.undo is None) == (row.effect.__name__ == "journal_images")


def test_diagrams_show_every_row() -> None:
    """One edge a row, and a way back from every row that has an undo."""
    for rows in TABLES.values():
        drawn = diagram(rows)
        for row in rows:
            assert f"{row.source} --> {row.target}: {row.effect.__name__}" in drawn
