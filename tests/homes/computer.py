"""A computer whose workers are values: who runs, who answers at which port, which boot it is.

`Crew` is what the lifecycle's effects are given (`cfp.lifecycle.effects.Workers`), `Recoverer` what the journal's
recovery is (`journal.Processes`), `worker_queries` is for surveys. All three speak of the one `Computer`. It keeps
its workers in itself, or wherever a subclass does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from cfp.core.facts import PortFact, PortState
from cfp.core.health import WorkerHealth, parse_health
from cfp.core.launch import Launch
from cfp.core.settings import Settings, settings_from_json
from cfp.errors import Failed
from cfp.host.survey import describe_runtime
from cfp.host.worker.queries import WorkerQueries
from cfp.layout import Layout
from journal.values import Json, WorkerRecord

OLD_CODE = "old code"
Workers = dict[str, "Worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process.

    nonce     "" for one of version 0.1.0, which knows of no such thing
    busy      a request is in flight
    hung      it holds its port and does not answer
    lent_to   the next worker, which has its listener: it stands by as long as that one is there
    draining  it was told to leave and still has a stream
    """

    nonce: str
    pid: int
    settings: Settings
    runtime_id: str
    busy: bool = False
    hung: bool = False
    lent_to: str = ""
    draining: bool = False

    @property
    def started(self) -> str:
        return f"start of {self.pid}"

    @property
    def hands_over(self) -> bool:
        return bool(self.nonce) and not self.hung

    def health(self, home: Path) -> WorkerHealth:
        who = {"pid": self.pid, "started": self.started, **({"nonce": self.nonce} if self.nonce else {})}
        if self.hung:
            return parsed({"ok": False, **who})
        health = {**self.settings.to_json(), "ok": True, **who, "runtime_id": self.runtime_id}
        if not self.nonce:
            return parsed(health)
        busy = {"requests_in_flight": int(self.busy), "draining": self.draining}
        return parsed({**health, "codex_home": str(home), **busy})


def parsed(answer: dict[str, Any]) -> WorkerHealth:
    """Return the health as the survey parses it."""
    health = parse_health(answer)
    assert health is not None
    return health


@dataclass(kw_only=True)
class Computer:
    """`strangers` are ports that other programs hold; `seconds` is the time; `lends`: sockets can be passed on."""

    home: Path
    boot: int = 1
    strangers: set[int] = field(default_factory=set)
    tokens: int = 0
    seconds: int = 0
    last_pid: int = 100
    lends: bool = True
    kept: Workers = field(default_factory=dict)

    def copy(self) -> Computer:
        twin = copy.copy(self)  # `kept` is never changed in place
        twin.strangers = set(self.strangers)
        return twin

    # --- workers ------------------------------------------------------------------------------------------------

    @property
    def workers(self) -> Workers:
        """By nonce; not to be changed in place."""
        return self.kept

    def keep(self, workers: Workers) -> None:
        """From now on these run, and no others."""
        self.kept = workers

    def add(self, worker: Worker) -> Worker:
        self.keep({**self.workers, worker.nonce: worker})
        return worker

    def drop(self, nonce: str) -> Worker | None:
        there = dict(self.workers)
        gone = there.pop(nonce, None)
        self.keep(there)
        return gone

    def change(self, **fields: object) -> None:
        """Let something happen to every worker."""
        self.keep({nonce: replace(worker, **fields) for nonce, worker in self.workers.items()})

    def serve(self, settings: Settings, nonce: str, runtime_id: str = "") -> Worker:
        """Run a worker of the installed code, unless another is named."""
        return self.add(self.new(settings, nonce, runtime_id))

    def new(self, settings: Settings, nonce: str, runtime_id: str = "") -> Worker:
        self.last_pid = max([self.last_pid, *(worker.pid for worker in self.workers.values())]) + 1
        code = runtime_id or describe_runtime().runtime_id
        return Worker(nonce=nonce, pid=self.last_pid, settings=settings, runtime_id=code)

    @property
    def alive(self) -> frozenset[str]:
        return frozenset(self.workers)

    def free(self, port: int) -> bool:
        return port not in self.strangers and not self.at(port)

    def at(self, port: int) -> Worker | None:
        """The worker that accepts there."""
        return next((worker for worker in self.serving() if worker.settings.port == port), None)

    def serving(self) -> list[Worker]:
        """Those that neither stand by nor drain."""
        workers = self.workers
        there = {nonce for nonce, worker in workers.items() if nonce and not worker.draining}
        return [worker for worker in workers.values() if not worker.draining and worker.lent_to not in there]

    # --- what befalls it ----------------------------------------------------------------------------------------

    @property
    def boot_id(self) -> str:
        return f"boot {self.boot}"

    def reboot(self) -> None:
        self.boot += 1
        self.keep({})

    def after_power_cut(self) -> Computer:
        computer = self.copy()
        computer.reboot()
        return computer

    def token(self, size: int) -> str:
        self.tokens += 1
        return f"{self.tokens:0{2 * size}x}"

    # --- queries of a survey ------------------------------------------------------------------------------------

    def worker_queries(self) -> WorkerQueries:
        return WorkerQueries(at_address=self._at_address, by_process=self._by_process, draining=self._draining)

    def _at_address(self, _: Layout, host: str, port: int) -> PortFact:
        worker = self.at(port)
        if worker is not None and not worker.hung:
            return self._fact(worker)
        # Not `free`, which looks again: other processes start workers meanwhile.
        occupied = worker is not None or port in self.strangers
        state = PortState.FOREIGN if occupied else PortState.FREE
        return PortFact(host=host, port=port, state=state, free_port=port + 1 if occupied else 0)

    def _by_process(self, _: Layout, known: tuple[PortFact | None, ...]) -> PortFact | None:
        if any(at is not None and at.state is PortState.OURS for at in known):
            return None
        return next((self._fact(worker) for worker in self.serving()), None)

    def _draining(self, _: Layout) -> tuple[PortFact, ...]:
        return tuple(self._fact(worker) for worker in self.workers.values() if worker.draining)

    def _fact(self, worker: Worker) -> PortFact:
        host, port = worker.settings.host, worker.settings.port
        health = worker.health(self.home)
        lends = self.lends and worker.hands_over
        return PortFact(host=host, port=port, state=PortState.OURS, health=health, hands_over=lends)


class Desk:
    """The worker's folder, where it writes past the journal; this one is never written to."""

    def put(self, path: Path, data: bytes) -> None: ...

    def take(self, path: Path) -> None: ...

    def written(self) -> list[Path]:
        """Every file there that workers write."""
        return []


def nothing(_: str) -> None:
    """No act counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Starts and stops workers for a command. `act` is told what is about to happen to one."""

    computer: Computer
    layout: Layout
    desk: Desk
    act: Callable[[str], None] = nothing

    @property
    def executable(self) -> str:
        return "python"

    @property
    def boot_id(self) -> str:
        return self.computer.boot_id

    def settings_hash(self, settings: Settings) -> str:
        return settings.base_url

    def start(self, launch: Launch) -> WorkerHealth:
        """A worker that was never journaled never comes to life: it waits for its go byte."""
        self.act("spawn")
        computer, settings = self.computer, launch.settings
        worker = computer.new(settings, launch.nonce)
        launch.record_start(worker.pid, worker.started)
        self.act("go")
        before = computer.workers
        if launch.take_over is not None:
            former = before[launch.take_over.nonce]
            computer.add(replace(former, lent_to=launch.nonce))
        computer.add(worker)
        if computer.at(settings.port) != worker or settings.port in computer.strangers:
            computer.keep(before)
            raise Failed("worker_did_not_start", reason="port_not_available", detail="taken", log="")
        self.desk.put(self.layout.pid_file, b"%d\n" % worker.pid)
        self.desk.put(self.layout.worker_stderr, b"verbose" if launch.verbose else b"")
        self.act("healthy")
        return worker.health(self.layout.home)

    def release(self, at: PortFact) -> None:
        self.act("release")
        release(self.computer, self.layout, self.desk, at.nonce)
        self.act("released")

    def stop(self, workers: Sequence[PortFact], grace: float) -> int:
        cut = 0
        for at in workers:
            self.act("stop")
            ended = end(self.computer, self.layout, self.desk, at.nonce)
            cut += ended is not None and ended.busy
        self.act("stopped")
        return cut

    def record(self, at: PortFact) -> WorkerRecord:
        return WorkerRecord(
            nonce=at.nonce,
            port=at.port,
            pid=at.pid,
            started=at.health.started if at.health is not None else None,
            boot_id=self.boot_id,
        )

    def relaunch_spec(self, at: PortFact) -> Json | None:
        if at.health is None or not at.nonce or not at.health.upstream_base:
            return None
        return {"settings": settings_from_json(at.health.raw).to_json(), "boot_id": self.boot_id}

    def files(self) -> list[Path]:
        return self.desk.written()


def end(computer: Computer, layout: Layout, desk: Desk, nonce: str) -> Worker | None:
    """End a worker: it removes its pid file, and one that stood by for it writes its own again."""
    ended = computer.drop(nonce)
    if ended is None:
        return None
    former = next((worker for worker in computer.workers.values() if nonce and worker.lent_to == nonce), None)
    if former is not None:
        desk.put(layout.pid_file, b"%d\n" % former.pid)
    elif ended.lent_to not in computer.workers:
        desk.take(layout.pid_file)
    return ended


def release(computer: Computer, layout: Layout, desk: Desk, nonce: str) -> Literal["stopped", "gone", "draining"]:
    """Tell a worker to leave: at once, or when its stream is done."""
    worker = computer.workers.get(nonce)
    if worker is None:
        return "gone"
    if worker.busy:
        computer.add(replace(worker, draining=True))
        return "draining"
    end(computer, layout, desk, nonce)
    return "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoverer:
    """Ends and relaunches workers for a recovery. `wanted` returns whether config.toml points at those settings."""

    computer: Computer
    layout: Layout
    desk: Desk
    wanted: Callable[[Settings], bool]
    act: Callable[[str], None] = nothing

    def retract(self, worker: WorkerRecord) -> Literal["stopped", "gone", "deferred", "draining"]:
        """End a worker that takes part in a handover; any other one only where that cuts no request."""
        self.act("retract")
        running = self.computer.workers.get(worker.nonce)
        in_handover = any(one.lent_to for one in self.computer.workers.values())
        if running is not None and running.busy and not in_handover:
            return "deferred"
        return release(self.computer, self.layout, self.desk, worker.nonce)

    def relaunch(self, spec: Json) -> bool:
        self.act("relaunch")
        settings = settings_from_json(spec["settings"])
        if spec["boot_id"] != self.computer.boot_id or not self.wanted(settings):
            return False
        present = self.computer.at(settings.port)
        if present is not None:
            return present.settings == settings
        if not self.computer.free(settings.port):
            return False
        self.computer.serve(settings, self.computer.token(16))
        return True
