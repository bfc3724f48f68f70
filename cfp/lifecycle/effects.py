"""The effects of the tables, and their inverses. Each is idempotent: a crash may repeat any of them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cfp.core.facts import PortFact
from cfp.core.health import WorkerHealth
from cfp.core.launch import Launch
from cfp.core.settings import Settings
from cfp.layout import Layout
from journal import Lease, Transaction
from journal.fs import storage_errors
from journal.values import Json, KeyPath, WorkerRecord

STOP_GRACE_S = 10.0
START_TIMEOUT_S = 15.0


class Workers(Protocol):
    """The worker processes of a home, as the effects use them; implemented in `cfp.host.worker.supervisor`."""

    def start(self, launch: Launch) -> WorkerHealth:
        """Start a worker and return its health."""

    def release(self, worker: PortFact) -> None:
        """Let a worker that stands by end once its streams are done; do not wait for that."""

    def stop(self, workers: Sequence[PortFact], grace: float) -> int:
        """End workers, within `grace` seconds for all of them together, and return the number of streams cut."""

    def record(self, worker: PortFact) -> WorkerRecord:
        """Return the identity of a worker that answered at a port."""

    def relaunch_spec(self, worker: PortFact) -> Json | None:
        """Return the record by which recovery starts that worker again; None where it cannot."""

    def settings_hash(self, settings: Settings) -> str:
        """Return the hash under which the journal names the settings."""

    def files(self) -> Sequence[Path]:
        """Return the files that workers of this home have written."""

    @property
    def executable(self) -> str: ...

    @property
    def boot_id(self) -> str: ...


@dataclass(slots=True, kw_only=True)
class Switch:
    """The subject of a run: its input, and its results.

    previous  the worker to replace or stop
    draining  workers that have handed over and that a stop ends too
    patience  seconds that a new worker has to become healthy
    prune     files that go after the commit
    remove    files and folders that a retirement removes
    health    of the worker that the run started
    stopped   `previous` and the draining workers are ended, as requested
    replaced  `previous` is ended, to make room for another
    """

    lease: Lease
    layout: Layout
    workers: Workers
    settings: Settings | None = None
    transaction: Transaction | None = None
    previous: PortFact | None = None
    draining: Sequence[PortFact] = ()
    verbose: bool = False
    patience: float = START_TIMEOUT_S
    prune: Sequence[Path] = ()
    remove: Sequence[Path] = ()
    health: WorkerHealth | None = None
    cut_streams: int = 0
    stopped: bool = False
    replaced: bool = False
    conflicts: list[KeyPath] = field(default_factory=list)

    @property
    def tx(self) -> Transaction:
        if self.transaction is None:
            raise AssertionError("this table needs a transaction")
        return self.transaction

    @property
    def candidate(self) -> Settings:
        if self.settings is None:
            raise AssertionError("this table needs settings")
        return self.settings


def journal_images(switch: Switch) -> None:
    """Make the before-images and intents durable, and stage the after-images."""
    switch.tx.prepare()


def start_worker(switch: Switch) -> None:
    """Start a worker before any file points to it."""
    _start(switch, take_over=None)


def hand_over(switch: Switch) -> None:
    """Start the new worker on the listener of the old one, which stands by until it is released."""
    previous = _previous(switch)
    _start(switch, take_over=previous)
    _record_stopping(switch, previous)


def replace_worker(switch: Switch) -> None:
    """Stop the running worker, which cannot hand over, then start the new one."""
    previous = _previous(switch)
    _record_stopping(switch, previous)
    switch.cut_streams = switch.workers.stop((previous,), STOP_GRACE_S)
    switch.replaced = True
    _start(switch, take_over=None)


def release_previous(switch: Switch) -> None:
    """Let the old worker end once its streams are done."""
    switch.workers.release(_previous(switch))


def _start(switch: Switch, *, take_over: PortFact | None) -> None:
    settings, workers, nonce = switch.candidate, switch.workers, secrets.token_hex(16)
    switch.tx.log_worker_intent(
        nonce=nonce,
        port=settings.port,
        executable=workers.executable,
        settings_hash=workers.settings_hash(settings),
    )
    launch = Launch(
        settings=settings,
        nonce=nonce,
        record_start=lambda pid, started: switch.tx.log_worker_started(
            nonce=nonce, pid=pid, started=started, boot_id=workers.boot_id
        ),
        patience=switch.patience,
        verbose=switch.verbose,
        take_over=take_over,
    )
    switch.health = workers.start(launch)


def _record_stopping(switch: Switch, previous: PortFact) -> None:
    switch.tx.log_worker_stopping(
        record=switch.workers.record(previous), relaunch=switch.workers.relaunch_spec(previous)
    )


def _previous(switch: Switch) -> PortFact:
    if switch.previous is None:
        raise AssertionError("there is no worker to replace")
    return switch.previous


def retract_worker(switch: Switch) -> None:
    """End the worker that this run started; the one before serves again, or is started again."""
    switch.tx.retract_workers()


def swap_files(switch: Switch) -> None:
    """Put every after-image in place."""
    switch.tx.swap()


def restore_files(switch: Switch) -> None:
    """Restore every before-image; own keys that others changed meanwhile stay as they set them."""
    switch.conflicts.extend(switch.tx.restore_files())


def commit(switch: Switch) -> None:
    """Commit the transaction: from here on a crash is finished forward."""
    switch.tx.commit()


def purge(switch: Switch) -> None:
    """Remove images and log, and the files that the commit made superfluous."""
    switch.tx.finish()
    if switch.prune:
        switch.lease.remove(switch.prune)


def close_rolled_back(switch: Switch) -> None:
    """Close a transaction whose effects are undone."""
    switch.tx.close_rolled_back("failed")


def stop_worker(switch: Switch) -> None:
    """Stop the worker and the draining ones: they may finish for some seconds, then the rest is cut."""
    workers = (*(() if switch.previous is None else (switch.previous,)), *switch.draining)
    if workers:
        switch.cut_streams = switch.workers.stop(workers, STOP_GRACE_S)
        switch.stopped = True


def remove_state(switch: Switch) -> None:
    """Remove our files, which no worker writes any more; every delete can be repeated."""
    with storage_errors(switch.layout.worker):
        written = switch.workers.files()
    switch.lease.remove((*written, *switch.remove))


def dismantle_journal(switch: Switch) -> None:
    """Remove the journal's own folder, the last one of ours."""
    switch.lease.remove_journal()
