"""kill -9 of a command around every step that it takes with a real background worker: no orphan, and nobody else hit.

The command is the real one, in a forked process (`tests.staged`), and so are worker processes, ports and signals.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import pytest

from cfp.core.facts import Facts, PortFact
from cfp.core.launch import Launch
from cfp.host.home import Host
from cfp.host.survey import RequestedAddress
from cfp.host.worker.code_id import python_path
from cfp.host.worker.journal_processes import WorkerProcesses
from cfp.host.worker.spawn import WorkerSpec
from cfp.host.worker.supervisor import WorkerSupervisor
from cfp.layout import locate
from journal import Journal
from tests.crash.sizes import DEEP
from tests.homes.acts import ActingFs, Acts, killed
from tests.homes.site import FORMATS, CommandAnswer, run_on
from tests.numbers import VIOLATIONS, Numbers
from tests.ports import free_port
from tests.scenes import ENVIRON, plain
from tests.sentinels import end_sentinel, is_sentinel, kill_for_good
from tests.staged import Stage, in_a_child
from tests.users import of_user

ELSEWHERE = 2  # acts that have nothing to do with the worker, in the everyday run
PATIENCE_S = 10.0

pytestmark = [
    pytest.mark.posix("the command runs in a forked process"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"),
]


class ActingWorkers(WorkerSupervisor):
    """Real workers; what is done to them are acts."""

    def __init__(self, host: Host, acts: Acts) -> None:
        super().__init__(host.layout, host.python)
        self._acts = acts

    def start(self, launch: Launch) -> dict[str, Any]:
        def record(pid: int, started: str) -> None:
            self._acts.act("spawned")
            launch.record_start(pid, started)
            self._acts.act("go")

        self._acts.act("spawn")
        health = super().start(replace(launch, record_start=record))
        self._acts.act("healthy")
        return health

    def release(self, at: PortFact) -> None:
        self._acts.act("release")
        super().release(at)
        self._acts.act("released")

    def stop(self, workers: Sequence[PortFact], grace: float) -> int:
        self._acts.act("stop")
        cut = super().stop(workers, grace)
        self._acts.act("stopped")
        return cut


@dataclass(frozen=True)
class ActingHost(Host):
    """This machine, with acts that are counted and without a Codex to ask."""

    acts: Acts = field(default_factory=Acts)

    def survey(self, address: RequestedAddress | None = None, *, ask_codex: bool = False, **known: bool) -> Facts:
        return super().survey(address, **known)

    @cached_property
    def codex(self) -> None:
        return None

    @cached_property
    def workers(self) -> ActingWorkers:
        return ActingWorkers(self, self.acts)

    @cached_property
    def journal(self) -> Journal:
        wanted: Callable[[WorkerSpec], bool] = self._points_at
        return Journal(
            self.layout.journal,
            fs=ActingFs(self.acts),
            formats=FORMATS,
            processes=WorkerProcesses(self.layout, still_wanted=wanted),
            tool="test",
        )


@dataclass(frozen=True, kw_only=True)
class Street:
    """One home, its real workers, and processes that look like them and are others'."""

    stage: Stage
    port: int
    others: list[subprocess.Popen[bytes]]

    def run(self, *words: str, acts: Acts | None = None) -> CommandAnswer:
        environ = {**of_user(self.stage.home.parent), **ENVIRON}
        host = ActingHost(locate(None, environ), environ, python_path(), acts=acts or Acts())
        return run_on(host, words)

    def well(self, *words: str) -> CommandAnswer:
        ran = self.run(*words)
        assert ran.code == 0, (words, ran.out)
        return ran

    def install(self) -> None:
        self.well("install", "--start", "--no-verify", "--port", str(self.port))

    def workers(self) -> list[psutil.Process]:
        workers = []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                alive = process.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            if (
                alive
                and not is_sentinel(process)
                and "serve" in words
                and str(self.stage.home) in words
                and "--port" in words
            ):
                workers.append(process)
        return workers

    def settled(self, most: int) -> int:
        """Return the number of workers, after a wait for those that are ending."""
        end = time.monotonic() + PATIENCE_S
        while len(left := self.workers()) > most and time.monotonic() < end:
            psutil.wait_procs(left, timeout=0.05)
        return len(left)

    def close(self) -> None:
        kill_for_good(self.workers())
        for other in self.others:
            other.kill()
            other.wait()


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    """A home that was on and off once, so that every round is like the first.

    Beside it two processes of others: by its words a worker of another home, and one of this home without a nonce.
    """
    stage = Stage(root=tmp_path / "stage", environ=ENVIRON)
    stage.home.parent.mkdir(parents=True)
    plain(stage)
    port = free_port()
    idle = [sys.executable, "-c", "import time; time.sleep(600)", "-m", "codex_fast_proxy", "serve"]
    others = [
        subprocess.Popen([*idle, "--codex-home", str(tmp_path / "other"), "--port", str(port), "--nonce", "ab"]),
        subprocess.Popen([*idle, "--codex-home", f"{stage.home}/"]),
    ]
    made = Street(stage=stage, port=port, others=others)
    made.install()
    made.well("uninstall")
    yield made
    made.close()


MOVE = ("set-upstream", "--no-verify", "--upstream-base", "https://other.example/v1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A command over a worker, and what comes before it."""

    name: str
    before: tuple[tuple[str, ...] | str, ...]
    words: tuple[str, ...]


CASES = (
    Case(name="install", before=(), words=("install", "--start", "--no-verify")),
    Case(name="start", before=("install", "kill"), words=("start",)),
    Case(name="set-upstream --restart", before=("install",), words=(*MOVE, "--restart")),
    Case(name="autostart", before=("install", MOVE), words=("autostart", "--quiet")),
    Case(name="stop", before=("install", ("uninstall", "--defer-stop")), words=("stop",)),
    Case(name="uninstall", before=("install",), words=("uninstall",)),
)
# Each look at a worker that hangs waits for its answer in vain, so this one takes minutes.
HUNG = Case(name="start over one that hangs", before=("install", "hang"), words=("start",))


def prepared(street: Street, case: Case) -> tuple[str, ...]:
    """Lead to the world before the command; its words."""
    for step in case.before:
        if step == "install":
            street.install()
        elif step == "hang":
            for worker in street.workers():
                worker.suspend()
        elif step == "kill":
            for worker in street.workers():
                end_sentinel(worker)
                worker.kill()
            assert 0 == street.settled(0)
        else:
            street.well(*step)
    return (*case.words, "--port", str(street.port)) if case.words[0] == "install" else case.words


def chosen(names: list[str]) -> list[int]:
    """Every act with the worker and the one after it, and a few others; all of them in a deep session."""
    if DEEP:
        return list(range(1, len(names) + 1))
    worker = {"spawn", "spawned", "go", "healthy", "release", "released", "stop", "stopped"}
    near = [at for at, name in enumerate(names, start=1) if name in worker]
    near += [at + 1 for at in near if names[at - 1] == "spawned"]
    rest = [at for at in range(near[-1] + 1, len(names) + 1) if at not in near]
    return sorted({*near, *rest[:: max(1, len(rest) // ELSEWHERE)]})


@pytest.mark.parametrize("case", [*CASES, *([HUNG] if DEEP else [])], ids=lambda case: case.name)
def test_killed_beside_a_worker(case: Case, street: Street, numbers: Numbers) -> None:
    """After `recover` at most one worker runs; if Codex is pointed at it, it runs or its absence is reported."""
    acts = Acts()
    config = street.stage.home / "config.toml"
    original = config.read_bytes()
    words = prepared(street, case)
    assert 0 == street.run(*words, acts=acts).code
    complaints = []
    kills = 0
    points = chosen(acts.names)
    for at in points:
        street.well("uninstall")
        config.write_bytes(original)
        words = prepared(street, case)
        code = in_a_child(lambda: street.run(*words, acts=Acts(at, killed)).code)  # noqa: B023 - runs at once
        assert code in {0, -signal.SIGKILL}
        kills += code != 0  # a worker that answers a moment later may be replaced in other steps
        complaints += [f"{at} {acts.names[at - 1]}: {complaint}" for complaint in wrong(street, original)]
    numbers.count("real workers", "SIGKILLs beside one", kills)
    numbers.count("real workers", VIOLATIONS, len(complaints))
    assert [] == complaints
    assert kills >= 0.7 * len(points)


def wrong(street: Street, original: bytes) -> list[str]:
    """Return the complaints about the state after `recover`, and after an `uninstall` that follows."""
    complaints = []
    recovery = street.run("recover")
    state = recovery.json["state"]
    config = street.stage.home / "config.toml"
    proxied = str(street.port).encode() in config.read_bytes()
    count = street.settled(1 if proxied or state in {"restored_deferred", "prepared"} else 0)
    if recovery.code or count > 1:
        complaints.append(f"{count} workers after recover: {recovery.out}")
    if proxied and count == 0 and state != "enabled_down":
        complaints.append(f"nobody serves, and the state is called {state}")
    if not proxied and count and state not in {"restored_deferred", "prepared"}:
        complaints.append(f"a worker that nobody needs, and the state is called {state}")
    gone = street.run("uninstall")
    if gone.code or street.settled(0):
        complaints.append(f"a worker outlives uninstall: {gone.out}")
    moved = original.replace(
        b"https://relay.example", b"https://other.example"
    )  # by a set-upstream that went through
    if config.read_bytes() not in {original, moved}:
        complaints.append("uninstall did not give the config back")
    complaints += [f"process {other.args} was hit" for other in street.others if other.poll() is not None]
    return complaints


def test_a_worker_without_its_go_byte_leaves(street: Street) -> None:
    """Its parent died before its pid was journaled: it ends by itself, and recovery needs to signal nobody."""
    words = ("install", "--start", "--no-verify", "--port", str(street.port))
    acts = Acts()
    assert 0 == street.run(*words, acts=acts).code
    at = acts.names.index("spawned") + 1
    street.well("uninstall")
    assert -signal.SIGKILL == in_a_child(lambda: street.run(*words, acts=Acts(at, killed)).code)
    assert 0 == street.settled(0)
    assert "rolled_back" == street.well("recover").json["status"]


def test_a_zombie_is_no_worker(street: Street) -> None:
    """A worker that has ended and was not waited for by its parent counts as dead: `start` brings up a new one."""
    street.install()
    (worker,) = street.workers()
    end_sentinel(worker)
    os.kill(worker.pid, signal.SIGKILL)  # this process is its parent, and does not wait
    end = time.monotonic() + PATIENCE_S
    while worker.status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
        os.sched_yield()
    assert "enabled_down" == street.well("status").json["state"]
    assert "started" == street.well("start").json["status"]
    assert 1 == street.settled(1)
    street.well("uninstall")
    assert 0 == street.settled(0)
