"""A transaction as a straight table of steps, run by `transitions`: the one importer of that library.

A row is one function, one trigger, one edge of the diagram. An effect runs in `before`, so an error leaves the
machine in the state before it. No other feature is used, for these reasons (each seen with transitions 0.9.3): a
false guard returns False silently, `queued` always returns True, an exception in `after` leaves the machine in the
next state, `on_exception` swallows KeyboardInterrupt, string callbacks resolve only when fired, and a trigger with
the name of a model's method is not bound at all.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from transitions import Machine

from cfp.errors import RecoveryRequired

Subject = TypeVar("Subject")


class RunState(enum.StrEnum):
    """The states of all runs; a table walks through some of them."""

    PLANNED = "planned"
    PREPARED = "prepared"  # images and intents are durable; nothing is touched
    WORKER_UP = "worker_up"
    SWITCHED = "switched"
    COMMITTED = "committed"  # from here on a crash is finished forward
    HANDED_OVER = "handed_over"  # the old worker finishes its streams and leaves by itself
    ENABLED = "enabled"
    RUNNING = "running"
    STOPPED = "stopped"
    GIVEN_BACK = "given_back"
    RETIRED = "retired"
    ABSENT = "absent"
    SAVED = "saved"
    ROLLED_BACK = "rolled_back"


Effect = Callable[[Subject], None]


@dataclass(frozen=True, slots=True)
class Step(Generic[Subject]):
    """One row: an effect, its edge, and its inverse.

    undo     idempotent, also after an effect that happened only in part; None where there is nothing to undo
    commits  True on the one row after which nothing is undone any more
    """

    effect: Effect[Subject]
    source: RunState
    target: RunState
    undo: Effect[Subject] | None
    commits: bool = False


Table = Sequence[Step[Subject]]


class _Position:
    """The model of `transitions`, which has a state and nothing else."""

    state: RunState


class Run(Generic[Subject]):
    """One walk through a table with one subject."""

    def __init__(self, table: Table[Subject], subject: Subject, *, abandon: Effect[Subject] | None = None) -> None:
        """Prepare a walk; `abandon` closes the transaction's log after the undos."""
        self._table = table
        self._subject = subject
        self._abandon = abandon
        self._position = _Position()
        self._machine = Machine(
            model=self._position,
            states=_states(table),
            initial=table[0].source,
            transitions=[
                {
                    "trigger": _trigger(index),
                    "source": step.source,
                    "dest": step.target,
                    "before": self._effect(step),
                }
                for index, step in enumerate(table)
            ],
            auto_transitions=False,
            ignore_invalid_triggers=False,
        )

    @property
    def state(self) -> RunState:
        return self._position.state

    def finish(self) -> RunState:
        """Walk to the end and return the last state, or undo everything and raise.

        Raises the error of the failed effect once everything is undone; RecoveryRequired where an undo fails, or an
        effect after the commit: the rest is then for `recover`.
        """
        index = 0
        try:
            for index, step in enumerate(self._table):
                self._fire(index, step.target)
        except BaseException as error:  # ^C comes between two rows, too
            if any(done.commits for done in self._table[:index]):
                raise RecoveryRequired("finish_incomplete", reason=type(error).__name__) from error
            self._walk_back(index, error)
            raise
        return self.state

    def _fire(self, index: int, target: RunState) -> None:
        if not getattr(self._position, _trigger(index))():
            raise AssertionError(f"{_trigger(index)} did not fire")
        if self.state is not target:
            raise AssertionError(f"{_trigger(index)} led to {self.state}")

    def _effect(self, step: Step[Subject]) -> Callable[[], None]:
        return lambda: step.effect(self._subject)

    def _walk_back(self, failed: int, error: BaseException) -> None:
        """Undo the rows, beginning with the failed one, whose effect may have happened all the same."""
        try:
            for step in reversed(self._table[: failed + 1]):
                if step.undo is not None:
                    step.undo(self._subject)
            if self._abandon is not None:
                self._abandon(self._subject)
        except BaseException as second:  # noqa: BLE001  after any error the undo is incomplete
            raise RecoveryRequired(
                "rollback_incomplete", reason=type(second).__name__, after=type(error).__name__
            ) from error
        self._position.state = RunState.ROLLED_BACK


def _trigger(index: int) -> str:
    return f"do_row_{index}"


def _states(table: Table[Any]) -> list[RunState]:
    states = [table[0].source, *(step.target for step in table), RunState.ROLLED_BACK]
    return list(dict.fromkeys(states))
