"""The frame around every mutating command: the lock, the recovery before it, and the journal's errors as ours."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from cfp.core.state import State as Lifecycle
from cfp.errors import Busy, CfpError, CutShort, Failed, RecoveryRequired, Refused
from cfp.host.system.files import file_use
from cfp.host.waiting import Waiting, unseen
from cfp.lifecycle.effects import Switch, close_rolled_back
from cfp.lifecycle.machine import Run, Table
from journal import (
    Damaged,
    Drifted,
    Interrupted,
    InUse,
    Journal,
    JournalError,
    Lease,
    LockBusy,
    Misplaced,
    NewerLog,
    Recovery,
    StorageFailed,
    Unsupported,
)
from journal.values import FileChange


@contextmanager
def locked(
    journal: Journal, command: str, timeout: float, waiting: Waiting = unseen, *, recover: bool = True
) -> Iterator[tuple[Lease, Recovery | None]]:
    """Hold the lock, after a recovery of the interrupted transactions unless `recover` is off, as it is for the hook.

    Raises Busy after `timeout` seconds, and RecoveryRequired where something interrupted cannot be settled.
    """
    with translated(), ExitStack() as held:
        with waiting("waiting for another command to end", timeout):
            lease = held.enter_context(journal.acquire(command=command, timeout=timeout))
        recovery = None
        if recover:
            with waiting("settling a command that was interrupted", None):
                recovery = lease.recover()
        yield lease, recovery


def transact(
    switch: Switch,
    table: Table[Switch],
    *,
    command: str,
    argv: Sequence[str],
    states: tuple[Lifecycle, Lifecycle],
    changes: Sequence[FileChange],
) -> None:
    """Run a table over one transaction.

    Raises the error of the failed effect, with everything undone; CutShort(worker_lost) where a worker that was
    stopped to be replaced could not be started again.
    """
    try:
        with translated():
            switch.transaction = switch.lease.begin(
                command=command,
                argv=argv,
                from_state=states[0],
                to_state=states[1],
                changes=changes,
                folders=(switch.layout.worker,),
            )
            Run(table, switch, abandon=close_rolled_back).finish()
    except (Failed, Refused) as error:
        if switch.replaced and not any(worker["outcome"] == "relaunched" for worker in switch.tx.workers):
            failure = error.details.get("detail") or error.details.get("reason") or error.code
            raise CutShort(
                "worker_lost", exit_code=2, changed="the former proxy is stopped", reason=failure
            ) from error
        raise


def check_changes(journal: Journal, changes: Sequence[FileChange]) -> None:
    """Raise the error with which `transact` would refuse these changes at its start; nothing is written."""
    with translated():
        journal.check(changes)


@contextmanager
def translated() -> Iterator[None]:
    """Raise the journal's errors as those of `cfp.errors`."""
    try:
        yield
    except CfpError:
        raise
    except JournalError as error:
        raise _ours(error) from error


def _ours(error: JournalError) -> CfpError:
    match error:
        case LockBusy():
            holder: Any = error.holder if isinstance(error.holder, dict) else {}
            return Busy("busy", holder=str(holder.get("command") or "another command"))
        case Drifted():
            return Refused("changed_meanwhile", paths=[str(path) for path in error.paths])
        case Unsupported() if not isinstance(error, NewerLog):
            return Refused("file_not_replaceable", path=str(error.path), reason=error.reason)
        case StorageFailed():
            return _storage_failed(error)
        case _:
            return _open_record(error) or Failed("journal_failed", reason=type(error).__name__)


def _open_record(error: JournalError) -> CfpError | None:
    """Return the error of an open transaction that cannot be settled here; None for another error."""
    match error:
        case NewerLog():
            return RecoveryRequired("journal_of_newer_version", record=str(error.path))
        case Damaged():
            return RecoveryRequired("journal_damaged", transaction=error.txid, files=list(error.files))
        case Misplaced():
            return RecoveryRequired(
                "journal_of_another_home",
                transaction=error.log.stem,
                home=str(error.recorded or "another Codex home"),
                copy=str(error.folder),
                paths=[str(path) for path in error.paths],
                record=str(error.log),
            )
        case Interrupted():
            return RecoveryRequired("interrupted", transactions=list(error.transactions))
    return None


def _storage_failed(error: StorageFailed) -> CfpError:
    if isinstance(error, InUse):
        return file_use.refusal(error.path)
    reason = os.strerror(error.errno) if error.errno else "it gave no reason"
    return Failed("storage_failed", path=str(error.path), errno=error.errno, reason=reason)
