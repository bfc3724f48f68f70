"""A Codex home in memory: its files, its workers, and a `Host` on which the real command line runs.

Nothing of the program is replaced but the machine under it: `SimFs` for the files, a `Crew` for the processes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from cfp.cli import Streams, main
from cfp.codex.config_toml import CONFIG_TOML
from cfp.codex.hooks_json import HOOKS_JSON
from cfp.core.facts import Facts, PortFact, PortState
from cfp.core.settings import Settings, settings_from_json
from cfp.host.machine import Host
from cfp.host.survey import Asked, Neighbours, running_code, survey
from cfp.layout import Layout
from journal import Journal, WorkerRecord
from journal.fs import Kind
from tests.crash.simfs import SimFs
from tests.crash.story import Outcome

HOME = Path("/h")
LAYOUT = Layout(HOME)
BEGINNING = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ENVIRONMENT = {"RELAY_KEY": "canary-sk-0123456789"}
OLD_CODE = "0ld"


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A process that serves; `nonce` is "" for one of version 0.1.0.

    lent_to  the worker that has borrowed its listener: it accepts nothing as long as that one is there
    """

    nonce: str
    pid: int
    settings: Settings
    runtime_id: str
    lent_to: str | None = None

    def health(self) -> dict[str, Any]:
        told = {"ok": True, "pid": self.pid, "started": str(self.pid), "runtime_id": self.runtime_id}
        if self.nonce:
            told |= {"nonce": self.nonce, "codex_home": str(HOME), "requests_in_flight": 0}
        return {**self.settings.to_json(), **told}


@dataclass
class Crew:
    """The workers of one home, by nonce. A power cut takes them all."""

    running: dict[str, Worker] = field(default_factory=dict)
    pids: int = 100

    def copy(self) -> Crew:
        return Crew(running=dict(self.running), pids=self.pids)

    def after_power_cut(self) -> Crew:
        return Crew(pids=self.pids)

    @property
    def alive(self) -> frozenset[str]:
        return frozenset(self.running)

    def at(self, port: int) -> Worker | None:
        """The worker that accepts there: one that stands by does not."""
        here = (worker for worker in self.running.values() if worker.settings.port == port)
        return next((worker for worker in here if worker.lent_to not in self.running), None)

    def serve(self, settings: Settings, nonce: str, runtime_id: str) -> Worker:
        self.pids += 1
        worker = Worker(nonce=nonce, pid=self.pids, settings=settings, runtime_id=runtime_id)
        self.running[nonce] = worker
        return worker

    def lend(self, former: str, nonce: str) -> None:
        self.running[former] = replace(self.running[former], lent_to=nonce)


class MemoryDisk:
    """`cfp.host.disk.Disk` over the simulated files; a clock that stands still during a command."""

    def __init__(self, fs: SimFs) -> None:
        self._fs = fs
        self._now = BEGINNING + timedelta(seconds=fs.newest)

    def try_to_read(self, path: Path) -> tuple[bytes | None, str]:
        node = self._fs.node(self._fs.led_to(path))
        if node is None:
            return None, ""
        return (node.data, "") if node.kind is Kind.FILE else (None, "Is a directory")

    def read(self, path: Path) -> bytes | None:
        return self.try_to_read(path)[0]

    def names(self, folder: Path) -> list[str]:
        head = f"{folder}/"
        return [name[len(head) :] for name in self._fs.seen if name.startswith(head) and "/" not in name[len(head) :]]

    def is_folder(self, path: Path) -> bool:
        node = self._fs.node(self._fs.led_to(path))
        return node is not None and node.kind is Kind.FOLDER

    def now(self) -> datetime:
        return self._now


class MemoryWorkers:
    """`cfp.lifecycle.effects.Workers` for a crew. A worker writes into its folder as a real one does."""

    executable = "python"

    def __init__(self, host: MemoryHost) -> None:
        self._fs, self._crew, self.boot_id = host.fs, host.crew, host.boot

    def settings_hash(self, settings: Settings) -> str:
        return settings.base_url

    def start(
        self,
        settings: Settings,
        nonce: str,
        *,
        verbose: bool,
        journaled: Callable[[int, str], None],
        take_over: PortFact | None,
        timeout: float,
    ) -> dict[str, Any]:
        # One that dies before the go byte has done nothing, so none is there before `journaled` has returned.
        pid = self._crew.pids + 1
        journaled(pid, str(pid))
        worker = self._crew.serve(settings, nonce, running_code().runtime_id)
        if take_over is not None:
            self._crew.lend((take_over.health or {})["nonce"], nonce)
        self._fs.edit(LAYOUT.pid_file, b"%d\n" % worker.pid)
        self._fs.edit(LAYOUT.request_log, b"")
        return worker.health()

    def release(self, at: PortFact) -> None:
        end(self._fs, self._crew, (at.health or {}).get("nonce", ""))

    def stop(self, workers: Sequence[PortFact], grace: float) -> int:
        for at in workers:
            end(self._fs, self._crew, (at.health or {}).get("nonce", ""))
        return 0

    def record(self, at: PortFact) -> WorkerRecord:
        health = at.health or {}
        return WorkerRecord(
            nonce=health.get("nonce", ""),
            port=at.port,
            pid=health.get("pid"),
            started=health.get("started"),
            boot_id=self.boot_id,
        )

    def relaunch_spec(self, at: PortFact) -> dict[str, Any] | None:
        health = at.health or {}
        if not health.get("nonce"):
            return None
        return {"settings": settings_from_json(health).to_json(), "boot": self.boot_id}

    def files(self) -> list[Path]:
        head = f"{LAYOUT.worker}/fast_proxy."
        return [Path(name) for name in sorted(self._fs.seen) if name.startswith(head)]


def end(fs: SimFs, crew: Crew, nonce: str) -> bool:
    """End a worker as a signal does: it removes its pid file; one that stood by for it writes its own again."""
    ended = crew.running.pop(nonce, None)
    if ended is None:
        return False
    former = next((worker for worker in crew.running.values() if worker.lent_to == nonce), None)
    if former is not None:
        fs.edit(LAYOUT.pid_file, b"%d\n" % former.pid)
    elif ended.lent_to not in crew.running:
        fs.delete(LAYOUT.pid_file)
    return True


class MemoryProcesses:
    """`journal.Processes` for a crew, as `cfp.host.process.HostProcesses` has it."""

    def __init__(self, host: MemoryHost) -> None:
        self._host = host

    def retract(self, worker: WorkerRecord) -> Literal["stopped", "gone", "deferred", "draining"]:
        return "stopped" if end(self._host.fs, self._host.crew, worker.nonce) else "gone"

    def relaunch(self, spec: Mapping[str, Any]) -> bool:
        settings, crew = settings_from_json(spec["settings"]), self._host.crew
        points = settings.base_url.encode() in (self._host.disk.read(LAYOUT.config) or b"")
        if spec["boot"] != self._host.boot or not points:
            return False
        if crew.at(settings.port) is None:
            crew.serve(settings, f"again-{crew.pids}", running_code().runtime_id)
        return True


@dataclass
class LockFile:
    """The file that a lock leaves behind; in one thread there is nobody to lock out."""

    fs: SimFs

    def acquire(self, path: Path, timeout: float) -> LockFile:
        self.fs.touch(path)
        return self

    def release(self) -> None:
        pass


@dataclass(frozen=True)
class MemoryHost(Host):
    """One home in memory. `boot` names the run of the machine."""

    fs: SimFs = field(default_factory=SimFs)
    crew: Crew = field(default_factory=Crew)
    boot: str = "boot-1"

    def survey(self, asked: Asked | None = None, *, ask_codex: bool = False) -> Facts:
        near = Neighbours(at=self._at, stray=self._stray, draining=lambda _layout: ())
        version = (0, 169, 0) if ask_codex else None
        return survey(LAYOUT, self.environ, asked=asked, codex_version=version, neighbours=near, disk=self.disk)

    def _at(self, layout: Layout, host: str, port: int) -> PortFact:
        worker = self.crew.at(port)
        if worker is None:
            return PortFact(host=host, port=port, state=PortState.FREE)
        lends = bool(worker.nonce)
        return PortFact(host=host, port=port, state=PortState.OURS, health=worker.health(), hands_over=lends)

    def _stray(self, layout: Layout, known: tuple[PortFact | None, ...]) -> PortFact | None:
        if any(at is not None and at.state is PortState.OURS for at in known):
            return None
        return next((self._at(layout, "127.0.0.1", one.settings.port) for one in self.crew.running.values()), None)

    @cached_property
    def codex(self) -> None:
        """No CLI is installed here: nobody is asked for the trust of the hook."""

    @cached_property
    def workers(self) -> MemoryWorkers:
        return MemoryWorkers(self)

    @cached_property
    def journal(self) -> Journal:
        fs = self.fs
        return Journal(
            LAYOUT.journal,
            fs=fs,
            formats={"config_toml": CONFIG_TOML, "hooks_json": HOOKS_JSON},
            processes=MemoryProcesses(self),
            clock=lambda: BEGINNING,
            token=lambda size: f"{fs.unique():0{2 * size}x}",
            tool="test",
            boot_id=lambda: self.boot,
            locks=LockFile(fs),
        )


def host_on(fs: SimFs, crew: Crew, *, boot: str = "boot-1") -> MemoryHost:
    return MemoryHost(
        layout=LAYOUT, environ=ENVIRONMENT, python="python", disk=MemoryDisk(fs), fs=fs, crew=crew, boot=boot
    )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command line came to: its exit code and the JSON that it printed."""

    exit_code: int
    told: dict[str, Any]
    text: str

    @property
    def outcome(self) -> Outcome | None:
        """What that says of the files; None where it says nothing certain."""
        if self.exit_code in {0, 3}:
            return "committed"
        return "rolled_back" if self.told.get("changed") is False and self.exit_code != 70 else None


def run_line(host: MemoryHost, line: str) -> Answer:
    """Run one command line, all of it, on that machine."""
    out, err = io.StringIO(), io.StringIO()
    exit_code = main(line.split(), ENVIRONMENT, Streams(out=out, err=err), lambda *_: host)
    text = out.getvalue()
    return Answer(exit_code=exit_code, told=json.loads(text) if text else {}, text=text + err.getvalue())


def outdated(crew: Crew) -> None:
    """Make the workers those of an older version of the code."""
    crew.running = {nonce: replace(worker, runtime_id=OLD_CODE) for nonce, worker in crew.running.items()}
