"""The tables of the commands: from top to bottom the order of the effects, from bottom to top that of the undos."""

from __future__ import annotations

from typing import Final

from cfp.lifecycle.effects import (
    Switch,
    commit,
    dismantle_journal,
    hand_over,
    journal_images,
    purge,
    release_previous,
    remove_state,
    replace_worker,
    restore_files,
    retract_worker,
    start_worker,
    stop_worker,
    swap_files,
)
from cfp.lifecycle.machine import Effect, RunState, Step, Table


def _files_only(end: RunState) -> Table[Switch]:
    # fmt: off
    return (
        Step(journal_images, RunState.PLANNED,   RunState.PREPARED,  None),
        Step(swap_files,     RunState.PREPARED,  RunState.SWITCHED,  restore_files),
        Step(commit,         RunState.SWITCHED,  RunState.COMMITTED, None, commits=True),
        Step(purge,          RunState.COMMITTED, end,             None),
    )
    # fmt: on


def _files_behind(bring_up: Effect[Switch]) -> Table[Switch]:
    # fmt: off
    return (
        #    effect          from              to                undo
        Step(journal_images, RunState.PLANNED,    RunState.PREPARED,   None),
        Step(bring_up,       RunState.PREPARED,   RunState.WORKER_UP,  retract_worker),
        Step(swap_files,     RunState.WORKER_UP,  RunState.SWITCHED,   restore_files),
        Step(commit,         RunState.SWITCHED,   RunState.COMMITTED,  None, commits=True),
        Step(purge,          RunState.COMMITTED,  RunState.ENABLED,    None),
    )
    # fmt: on


def _worker_only(bring_up: Effect[Switch]) -> Table[Switch]:
    # fmt: off
    return (
        Step(journal_images, RunState.PLANNED,    RunState.PREPARED,   None),
        Step(bring_up,       RunState.PREPARED,   RunState.WORKER_UP,  retract_worker),
        Step(commit,         RunState.WORKER_UP,  RunState.COMMITTED,  None, commits=True),
        Step(purge,          RunState.COMMITTED,  RunState.RUNNING,    None),
    )
    # fmt: on


INSTALL = _files_behind(start_worker)
START = _worker_only(start_worker)

# An older worker of ours that cannot hand over is stopped first: it hangs, it is 0.1.0's, or the system cannot pass
# sockets.
INSTALL_OVER = _files_behind(replace_worker)
RESTART = _worker_only(replace_worker)

# fmt: off

# An older worker of ours runs: the new one takes its listener over, and no stream is cut.
INSTALL_HANDOVER: Final[Table[Switch]] = (
    Step(journal_images,   RunState.PLANNED,     RunState.PREPARED,    None),
    Step(hand_over,        RunState.PREPARED,    RunState.WORKER_UP,   retract_worker),
    Step(swap_files,       RunState.WORKER_UP,   RunState.SWITCHED,    restore_files),
    Step(commit,           RunState.SWITCHED,    RunState.COMMITTED,   None, commits=True),
    Step(release_previous, RunState.COMMITTED,   RunState.HANDED_OVER, None),
    Step(purge,            RunState.HANDED_OVER, RunState.ENABLED,     None),
)

HANDOVER: Final[Table[Switch]] = (
    Step(journal_images,   RunState.PLANNED,     RunState.PREPARED,    None),
    Step(hand_over,        RunState.PREPARED,    RunState.WORKER_UP,   retract_worker),
    Step(commit,           RunState.WORKER_UP,   RunState.COMMITTED,   None, commits=True),
    Step(release_previous, RunState.COMMITTED,   RunState.HANDED_OVER, None),
    Step(purge,            RunState.HANDED_OVER, RunState.RUNNING,     None),
)

# No worker to touch: the running one has the right settings already, or none is required.
INSTALL_FILES = _files_only(RunState.ENABLED)
SAVE = _files_only(RunState.SAVED)

STOP: Final[Table[Switch]] = (
    Step(stop_worker,    RunState.PLANNED,    RunState.STOPPED,    None),
)

# Uninstall is two tables: first the files are given back; worker and state retire in the same run or, with
# --defer-stop, in a second one.
GIVE_BACK = _files_only(RunState.GIVEN_BACK)

# Forward only: each row can be repeated, and nothing here needs an undo.
RETIRE: Final[Table[Switch]] = (
    Step(stop_worker,       RunState.GIVEN_BACK, RunState.STOPPED, None),
    Step(remove_state,      RunState.STOPPED,    RunState.RETIRED, None),
    Step(dismantle_journal, RunState.RETIRED,    RunState.ABSENT,  None),
)
# fmt: on
