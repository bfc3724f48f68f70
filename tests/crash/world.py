"""A home with files, the commands that change them, and the same after a crash or a fault."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from journal import ABSENT, FileChange, Journal, JournalError, KeyEdit, Lease, Recovery, WorkerRecord
from journal.context import Locks
from journal.fs import Fs
from tests.crash.lines import LINES
from tests.crash.simfs import SimFs, key_of
from tests.crash.story import Outcome

HOME = Path("/h")
ROOT = HOME / "journal"
CANARY = b"canary-sk-0123456789"


class NoLock:
    def release(self) -> None:
        pass

    def release_file(self) -> None:
        pass


class NoLocks:
    """Locks for one thread in one simulated process, with no other process to exclude."""

    def acquire(self, path: Path, timeout: float) -> NoLock:
        return NoLock()


@dataclass
class Machine:
    """Processes that exist as records only."""

    alive: set[str] = field(default_factory=set)
    deferring: bool = False

    def copy(self) -> Machine:
        return Machine(alive=set(self.alive), deferring=self.deferring)

    def after_power_cut(self) -> Machine:
        return Machine()

    def retract(self, worker: WorkerRecord) -> Literal["stopped", "gone", "deferred"]:
        if worker.nonce not in self.alive:
            return "gone"
        if self.deferring:
            return "deferred"
        self.alive.remove(worker.nonce)
        return "stopped"

    def relaunch(self, spec: object) -> bool:
        self.alive.add(str(spec))
        return True


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The files before, and one command's changes to them.

    folders   exist before
    worker    the command starts one
    previous  one runs before, and the command stops it
    fails     the command rolls back after its swap
    """

    name: str
    files: Mapping[str, bytes]
    changes: tuple[FileChange, ...]
    modes: Mapping[str, int] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    worker: bool = False
    fails: bool = False
    previous: bool = False

    def maybe_fail(self) -> None:
        if self.fails:
            raise JournalError("something else went wrong")

    def world(self) -> SimFs:
        fs = SimFs()
        fs.add_folder(HOME)
        for folder in self.folders:
            fs.add_folder(folder)
        for path, data in self.files.items():
            fs.add_file(path, data, self.modes.get(path, 0o600), mtime_ns=4711, xattrs=(("user.note", b"kept"),))
        for path, target in self.links.items():
            fs.add_link(path, target)
        return fs

    root = ROOT

    def play(self, fs: SimFs, machine: Machine) -> Outcome:
        return run(journal_on(fs, machine), self, machine)

    def recover(self, fs: SimFs, machine: Machine, *, boot: str) -> Recovery:
        return recover(fs, machine, boot=boot)

    def owned(self) -> set[str]:
        return {target for target, _ in self.targets()}

    def is_lasting(self, path: str) -> bool:
        return True

    def empty_folders(self, now: SimFs) -> list[str]:
        """Return folders that were made for files, and are empty."""
        made = now.node("/h/state") is not None
        return ["/h/state"] if made and not any(path.startswith("/h/state/") for path, _ in now.files()) else []

    def wrong_workers(self, now: SimFs, machine: Machine) -> list[str]:
        """Check that a worker of a rolled back command is gone, and that the one that it stopped runs again."""
        target, change = list(self.targets())[-1]
        if not self.worker or now.data(target) == change.after:
            return []
        complaints = []
        if "new" in machine.alive:
            complaints.append("a worker outlives its transaction")
        if self.previous and "previous" not in machine.alive:
            complaints.append("the previous worker does not run")
        return complaints

    def machine(self) -> Machine:
        return Machine(alive={"previous"} if self.previous else set())

    def targets(self) -> Iterator[tuple[str, FileChange]]:
        """Return the target of each change."""
        return ((self.links.get(name := key_of(change.path), name), change) for change in self.changes)


def journal_on(
    fs: Fs, machine: Machine, *, boot: str = "boot-1", root: Path = ROOT, locks: Locks | None = None
) -> Journal:
    tokens = itertools.count(1)
    return Journal(
        root,
        fs=fs,
        formats={"lines": LINES},
        processes=machine,
        clock=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        token=lambda size: f"{next(tokens):0{2 * size}x}",
        tool="test",
        boot_id=lambda: boot,
        locks=locks or NoLocks(),
    )


def run(journal: Journal, scenario: Scenario, machine: Machine) -> Outcome:
    """Run the scenario's command as a caller does: step by step, with a roll back after a failure."""
    with journal.acquire(command=scenario.name, timeout=0) as lease:
        lease.recover()
        return run_in(lease, scenario, machine)


def run_in(lease: Lease, scenario: Scenario, machine: Machine) -> Outcome:
    transaction = lease.begin(
        command=scenario.name, argv=("--flag",), from_state="absent", to_state="enabled", changes=scenario.changes
    )
    try:
        transaction.prepare()
        if scenario.previous:
            record = WorkerRecord(nonce="previous", port=1, pid=1, started="1", boot_id="boot-1")
            transaction.log_worker_stopping(record=record, relaunch="previous")
            machine.alive.discard("previous")
        if scenario.worker:
            transaction.log_worker_intent(nonce="new", port=1, executable="python", settings_hash="00")
            machine.alive.add("new")
            transaction.log_worker_started(nonce="new", pid=2, started="2", boot_id="boot-1")
        transaction.swap()
        scenario.maybe_fail()
        transaction.commit()
    except JournalError:
        try:
            transaction.restore_files()
            transaction.retract_workers()
            transaction.close_rolled_back("failed")
        except JournalError:
            return "stuck"
        return "rolled_back"
    with suppress(JournalError):  # it is committed: recovery has to finish it
        transaction.finish()
    return "committed"


def recover(fs: SimFs, machine: Machine, *, boot: str = "boot-1") -> Recovery:
    with journal_on(fs, machine, boot=boot).acquire(command="recover", timeout=0) as lease:
        return lease.recover()


def key(name: str, before: object, after: object) -> KeyEdit:
    return KeyEdit(path=(name,), before=before, after=after)


def changed(path: str, before: bytes | None, after: bytes | None, *edits: KeyEdit, **more: object) -> FileChange:
    return FileChange(
        path=Path(path), before=before, after=after, edits=edits, format="lines" if edits else "", **more
    )


CONFIG = b"# secret=" + CANARY + b"\nurl=upstream\nuser=1\n"
SWITCHED = b"# secret=" + CANARY + b"\nurl=proxy\nuser=1\nhooks=true\n"
CONFIG_EDITS = (key("url", "upstream", "proxy"), key("hooks", ABSENT, "true"))

INSTALL = Scenario(
    name="install",
    files={"/h/config": CONFIG, "/h/hooks": b"theirs=1\n", "/h/untouched": b"me"},
    modes={"/h/config": 0o640},
    changes=(
        changed("/h/state/settings", None, b"settings"),
        changed("/h/state/secret", None, CANARY, secret=True),
        changed("/h/hooks", b"theirs=1\n", b"theirs=1\nours=1\n", key("ours", ABSENT, "1")),
        changed("/h/config", CONFIG, SWITCHED, *CONFIG_EDITS),
    ),
    worker=True,
)
UNINSTALL = Scenario(
    name="uninstall",
    folders=("/h/state", "/h/dotfiles"),
    files={
        "/h/dotfiles/config": SWITCHED,
        "/h/hooks": b"ours=1\n",
        "/h/state/manifest": b"installed",
        "/h/untouched": b"me",
    },
    links={"/h/config": "/h/dotfiles/config"},
    changes=(
        changed("/h/config", SWITCHED, CONFIG, key("url", "proxy", "upstream"), key("hooks", "true", ABSENT)),
        changed("/h/hooks", b"ours=1\n", None, key("ours", "1", ABSENT)),
        changed("/h/state/manifest", b"installed", b"restored"),
        changed("/h/untouched", b"me", b"me"),
    ),
)
RESTART = Scenario(
    name="restart",
    folders=("/h/state",),
    files={"/h/config": CONFIG, "/h/state/settings": b"old", "/h/untouched": b"me"},
    changes=(changed("/h/state/settings", b"old", b"new"),),
    worker=True,
    previous=True,
)
PREPARE = Scenario(
    name="prepare",
    files={"/h/config": CONFIG},
    changes=(changed("/h/state/deep/secret", None, CANARY, secret=True),),
)
ROLLED_BACK = replace(INSTALL, name="given-up", fails=True)
SCENARIOS = (INSTALL, UNINSTALL, RESTART, PREPARE, ROLLED_BACK)
