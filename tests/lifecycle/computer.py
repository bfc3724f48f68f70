"""A computer whose workers are values: who runs, who answers at which port, which boot it is.

`Crew` is what the lifecycle's effects are given (`cfp.lifecycle.effects.Workers`), `Recoverer` what the journal's
recovery is (`journal.Processes`), `neighbours` what a survey asks. All three speak of the one `Computer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cfp.core.facts import PortFact, PortState
from cfp.core.settings import Settings, settings_from_json
from cfp.errors import Failed
from cfp.host.survey import Neighbours, running_code
from cfp.layout import Layout
from journal.values import Json, WorkerRecord

OLD_CODE = "old code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process.

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
    def address(self) -> tuple[str, int]:
        return self.settings.host, self.settings.port

    def health(self, home: Path) -> dict[str, Any]:
        if self.hung:
            return {"ok": False, "pid": self.pid, "nonce": self.nonce, "started": self.started}
        return {
            **self.settings.to_json(),
            "ok": True,
            "pid": self.pid,
            "nonce": self.nonce,
            "started": self.started,
            "codex_home": str(home),
            "runtime_id": self.runtime_id,
            "requests_in_flight": int(self.busy),
            "draining": self.draining,
        }


@dataclass(slots=True, kw_only=True)
class Computer:
    """`strangers` are ports that other programs hold."""

    home: Path
    boot: int = 1
    workers: dict[str, Worker] = field(default_factory=dict)
    strangers: set[int] = field(default_factory=set)
    last_pid: int = 100
    tokens: int = 0
    seconds: int = 0

    def copy(self) -> Computer:
        return replace(self, workers=dict(self.workers), strangers=set(self.strangers))

    @property
    def boot_id(self) -> str:
        return f"boot {self.boot}"

    def reboot(self) -> None:
        self.boot += 1
        self.workers.clear()

    def token(self, size: int) -> str:
        self.tokens += 1
        return f"{self.tokens:0{2 * size}x}"

    def change(self, **fields: object) -> None:
        """Let something happen to every worker."""
        self.workers = {nonce: replace(worker, **fields) for nonce, worker in self.workers.items()}

    def free(self, port: int) -> bool:
        return port not in self.strangers and not self.at(port)

    def at(self, port: int) -> Worker | None:
        """The worker that accepts there."""
        return next((worker for worker in self.serving() if worker.settings.port == port), None)

    def serving(self) -> list[Worker]:
        """Those that neither stand by nor drain."""
        gone = {nonce for nonce, worker in self.workers.items() if worker.draining}
        there = self.workers.keys() - gone
        return [worker for worker in self.workers.values() if not worker.draining and worker.lent_to not in there]

    def release(self, nonce: str) -> str:
        """Tell a worker to leave: at once, or when its stream is done."""
        worker = self.workers.pop(nonce, None)
        if worker is None:
            return "gone"
        if not worker.busy:
            return "stopped"
        self.workers[nonce] = replace(worker, draining=True)
        return "draining"

    def launch(self, settings: Settings, nonce: str) -> Worker:
        self.last_pid += 1
        return Worker(nonce=nonce, pid=self.last_pid, settings=settings, runtime_id=running_code().runtime_id)

    # --- what a survey asks -------------------------------------------------------------------------------------

    def neighbours(self) -> Neighbours:
        return Neighbours(at=self._who_answers, stray=self._stray, draining=self._draining)

    def _who_answers(self, _: Layout, host: str, port: int) -> PortFact:
        worker = self.at(port)
        if worker is not None and not worker.hung:
            return self._fact(worker)
        state = PortState.FREE if self.free(port) else PortState.FOREIGN
        return PortFact(host=host, port=port, state=state)

    def _stray(self, _: Layout, known: tuple[PortFact | None, ...]) -> PortFact | None:
        if any(at is not None and at.state is PortState.OURS for at in known):
            return None
        return next((self._fact(worker) for worker in self.serving()), None)

    def _draining(self, _: Layout) -> tuple[PortFact, ...]:
        return tuple(self._fact(worker) for worker in self.workers.values() if worker.draining)

    def _fact(self, worker: Worker) -> PortFact:
        host, port = worker.address
        health = worker.health(self.home)
        return PortFact(host=host, port=port, state=PortState.OURS, health=health, hands_over=not worker.hung)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Starts and stops workers for a command. `scribble` writes a file past the journal, as a worker does."""

    computer: Computer
    layout: Layout
    scribble: Callable[[Path, bytes], None]
    written: Callable[[], list[Path]]

    @property
    def executable(self) -> str:
        return "python"

    @property
    def boot_id(self) -> str:
        return self.computer.boot_id

    def settings_hash(self, settings: Settings) -> str:
        return f"{hash(settings.serialise()):x}"

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
        """A worker that was never journaled never comes to life: it waits for its go byte."""
        worker = self.computer.launch(settings, nonce)
        journaled(worker.pid, worker.started)
        former = None if take_over is None else self.computer.workers[_nonce(take_over)]
        if former is not None:
            self.computer.workers[former.nonce] = replace(former, lent_to=nonce)
        self.computer.workers[nonce] = worker
        if self.computer.at(settings.port) is not worker or settings.port in self.computer.strangers:
            del self.computer.workers[nonce]
            raise Failed("worker_did_not_start", reason="port_not_available", detail="taken", log="")
        self.scribble(self.layout.pid_file, str(worker.pid).encode())
        self.scribble(self.layout.worker_stderr, b"verbose" if verbose else b"")
        return worker.health(self.layout.home)

    def release(self, at: PortFact) -> None:
        self.computer.release(_nonce(at))

    def stop(self, workers: Sequence[PortFact], grace: float) -> int:
        ended = [self.computer.workers.pop(_nonce(at), None) for at in workers]
        return sum(worker is not None and worker.busy for worker in ended)

    def record(self, at: PortFact) -> WorkerRecord:
        health = at.health or {}
        return WorkerRecord(
            nonce=str(health["nonce"]),
            port=at.port,
            pid=health["pid"],
            started=str(health["started"]),
            boot_id=self.boot_id,
        )

    def relaunch_spec(self, at: PortFact) -> Json | None:
        health = at.health or {}
        return {"settings": dict(health), "boot_id": self.boot_id} if "upstream_base" in health else None

    def files(self) -> list[Path]:
        return self.written()


def _nonce(at: PortFact) -> str:
    return str((at.health or {})["nonce"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoverer:
    """Ends and relaunches workers for a recovery. `wanted` says whether config.toml points at those settings."""

    computer: Computer
    wanted: Callable[[Settings], bool]

    def retract(self, worker: WorkerRecord) -> str:
        """Whoever takes part in a handover is told to leave; any other worker only where that cuts nothing."""
        found = self.computer.workers.get(worker.nonce)
        in_handover = found is not None and any(one.lent_to for one in self.computer.workers.values())
        if found is not None and found.busy and not in_handover:
            return "deferred"
        return self.computer.release(worker.nonce)

    def relaunch(self, spec: Json) -> bool:
        settings = settings_from_json(spec["settings"])
        if spec["boot_id"] != self.computer.boot_id or not self.wanted(settings):
            return False
        present = self.computer.at(settings.port)
        if present is not None:
            return present.settings == settings
        if not self.computer.free(settings.port):
            return False
        again = self.computer.launch(settings, self.computer.token(16))
        self.computer.workers[again.nonce] = again
        return True
