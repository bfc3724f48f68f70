"""The real commands on a real home, with workers that are records in a file, and every act of theirs counted.

Everything is the program's own: command line, plans, machines, journal, real files and the real lock. Only three
things are the stage's: worker processes (starting one costs a line in a file), the ports that the survey asks, and
the time that a plan writes down. What a command does to the world are its *acts*, in order: the changing operations
on files, and those on workers. A test says what befalls the process at one of them.
"""

from __future__ import annotations

import io
import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NoReturn

from cfp.cli import Streams, main
from cfp.codex.config_toml import CONFIG_TOML, parse
from cfp.codex.hooks_json import HOOKS_JSON
from cfp.core.facts import Facts, PortFact, PortState
from cfp.core.provider import provider_url
from cfp.core.settings import Settings, settings_from_json
from cfp.errors import Failed
from cfp.host.disk import DISK
from cfp.host.machine import Host
from cfp.host.runtime import runtime_id
from cfp.host.survey import Asked, Neighbours, survey
from cfp.layout import Layout, locate
from journal import Journal, RealFs, WorkerRecord
from journal.fs import Fs
from journal.ports import Locks
from tests.promised import answer_in

Json = Any
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BOOT = "boot-1"
FORMATS = {"config_toml": CONFIG_TOML, "hooks_json": HOOKS_JSON}
CHANGING = (
    *("create", "write", "reserve", "fsync", "set_owner", "set_mode", "set_xattr", "drop_xattr", "set_mtime"),
    *("exchange", "move", "move_new", "unlink", "make_folder", "remove_folder", "fsync_folder"),
)

Half = Callable[[], object]
Befall = Callable[[Half], object]


def nothing(half: Half) -> None:
    """Nothing befalls the process."""


def killed(half: Half) -> NoReturn:
    """SIGKILL before the act."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody outlives SIGKILL")


def killed_half_way(half: Half) -> NoReturn:
    """SIGKILL in the middle of it: half of a write is in the file."""
    half()
    killed(half)


def signalled(number: signal.Signals) -> Befall:
    """A signal that can be handled arrives before the act."""
    return lambda _: os.kill(os.getpid(), number)


def refused(errno: int) -> Befall:
    """The operating system refuses the act."""

    def refuse(_: Half) -> NoReturn:
        raise OSError(errno, os.strerror(errno))

    return refuse


class Acts:
    """What one process does to the world, counted; `befall` happens before act number `at` (1 is the first).

    lasting  it also happens before every later operation on a file
    """

    def __init__(self, at: int = 0, befall: Befall = nothing, *, lasting: bool = False) -> None:
        self.count = 0
        self.names: list[str] = []
        self._at = at
        self._befall = befall
        self._lasting = lasting

    def act(self, name: str, half: Half = lambda: None) -> None:
        self.count += 1
        self.names.append(name)
        lasts = self._lasting and 0 < self._at < self.count and name in CHANGING
        if self.count == self._at or lasts:
            self._befall(half)


class ActingFs:
    """The real file system; every changing operation is an act."""

    def __init__(self, acts: Acts) -> None:
        self._fs: Fs = RealFs()
        self._acts = acts

    def __getattr__(self, name: str) -> object:
        call = getattr(self._fs, name)
        return self._counted(name, call) if name in CHANGING else call

    def _counted(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def operate(*arguments: Any) -> object:
            self._acts.act(name, lambda: name == "write" and _write_half(call, *arguments))
            return call(*arguments)

        return operate


def _write_half(write: Callable[..., object], fd: int, data: bytes, offset: int) -> None:
    write(fd, data[: len(data) // 2], offset)


@dataclass(frozen=True, slots=True)
class Street:
    """The workers that are alive, as a file: {nonce: health}. It outlives the processes that write it."""

    path: Path

    def alive(self) -> dict[str, Json]:
        return json.loads(self.path.read_bytes()) if self.path.exists() else {}

    def accepting(self) -> dict[str, Json]:
        """Those that have not lent their listener to one that is alive."""
        alive = self.alive()
        return {nonce: health for nonce, health in alive.items() if health.get("lent_to") not in alive}

    def set(self, alive: Mapping[str, Json]) -> None:
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        new.write_text(json.dumps(alive))
        new.replace(self.path)  # whoever reads meanwhile has no lock

    def drop(self, nonce: str) -> bool:
        alive = self.alive()
        found = alive.pop(nonce, None) is not None
        self.set(alive)
        return found


class StubWorkers:
    """`cfp.lifecycle.effects.Workers` and `journal.Processes` over a street.

    The go byte is kept: a worker whose parent dies before its pid is journaled was never there.
    """

    executable = "/opt/python"
    boot_id = BOOT

    def __init__(self, layout: Layout, street: Street, acts: Acts) -> None:
        self._layout = layout
        self._street = street
        self._acts = acts

    def settings_hash(self, settings: Settings) -> str:
        return "00"

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
        self._acts.act("spawn")
        journaled(4711, "1")
        self._acts.act("go")
        lender = "" if take_over is None else _nonce(take_over)
        if any(one["port"] == settings.port for name, one in self._street.accepting().items() if name != lender):
            raise Failed("worker_did_not_start", reason="port_taken", detail="", log="")
        alive = self._street.alive()
        if lender in alive:
            alive[lender]["lent_to"] = nonce
        self._street.set({**alive, nonce: health_of(settings, nonce, self._layout)})
        self._acts.act("healthy")
        return dict(self._street.alive()[nonce])

    def release(self, at: PortFact) -> None:
        self.stop((at,), 0)

    def stop(self, workers: Sequence[PortFact], grace: float) -> int:
        for at in workers:
            self._acts.act("stop")
            self._street.drop(_nonce(at))
        self._acts.act("stopped")
        return 0

    def record(self, at: PortFact) -> WorkerRecord:
        return WorkerRecord(nonce=_nonce(at), port=at.port, pid=4711, started="1", boot_id=BOOT)

    def relaunch_spec(self, at: PortFact) -> Json:
        return settings_from_json(at.health or {}).to_json()

    def files(self) -> list[Path]:
        return sorted(self._layout.worker.glob("fast_proxy.*"))

    def retract(self, worker: WorkerRecord) -> Literal["stopped", "gone", "deferred"]:
        self._acts.act("retract")
        return "stopped" if self._street.drop(worker.nonce) else "gone"

    def relaunch(self, spec: Json) -> bool:
        self._acts.act("relaunch")
        settings = settings_from_json(spec)
        if provider_url(parse(DISK.read(self._layout.config)), settings.provider) != settings.base_url:
            return False
        if not self._street.alive():
            self._street.set({"relaunched": health_of(settings, "relaunched", self._layout)})
        return True


def _nonce(at: PortFact) -> str:
    return str((at.health or {})["nonce"])


def health_of(settings: Settings, nonce: str, layout: Layout) -> dict[str, Any]:
    return {
        **settings.to_json(),
        "ok": True,
        "pid": 4711,
        "nonce": nonce,
        "started": "1",
        "runtime_id": runtime_id(),
        "codex_home": str(layout.home),
        "requests_in_flight": 0,
    }


@dataclass(frozen=True)
class StagedHost(Host):
    """One home on a stage."""

    street: Street = field(default=Street(Path("/nonexistent")))
    acts: Acts = field(default_factory=Acts)
    locks: Locks | None = None

    def survey(self, asked: Asked | None = None, *, ask_codex: bool = False) -> Facts:
        near = Neighbours(at=self._at, stray=self._stray, draining=lambda _: ())
        seen = survey(self.layout, self.environ, asked=asked, neighbours=near)
        return replace(seen, now=NOW + timedelta(seconds=len(seen.backups)))  # the same again in a fork

    def _at(self, layout: Layout, host: str, port: int) -> PortFact:
        for found in self._facts():
            if (found.host, found.port) == (host, port):
                return found
        return PortFact(host=host, port=port, state=PortState.FREE)

    def _stray(self, layout: Layout, known: tuple[PortFact | None, ...]) -> PortFact | None:
        return next((found for found in self._facts() if found not in known), None)

    def _facts(self) -> Iterator[PortFact]:
        for health in self.street.accepting().values():
            yield PortFact(
                host=health["host"], port=health["port"], state=PortState.OURS, health=health, hands_over=True
            )

    @cached_property
    def codex(self) -> None:
        return None

    @cached_property
    def codex_version(self) -> None:
        return None

    @cached_property
    def workers(self) -> StubWorkers:
        return StubWorkers(self.layout, self.street, self.acts)

    @cached_property
    def journal(self) -> Journal:
        return Journal(
            self.layout.journal,
            fs=ActingFs(self.acts),
            formats=FORMATS,
            processes=self.workers,
            tool="test",
            locks=self.locks,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A command's exit code and words."""

    code: int
    out: str
    err: str = ""

    @property
    def json(self) -> dict[str, Json]:
        return answer_in(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A user's folder with a Codex home in it, and the street outside."""

    root: Path
    environ: Mapping[str, str]

    @property
    def home(self) -> Path:
        return self.root / "user" / ".codex"

    @property
    def street(self) -> Street:
        return Street(self.root / "street.json")

    @property
    def layout(self) -> Layout:
        return locate(None, self._environ())

    def host(self, acts: Acts | None = None, locks: Locks | None = None) -> StagedHost:
        """The machine as one process sees it."""
        environ = self._environ()
        layout = locate(None, environ)
        return StagedHost(layout, environ, "/opt/python", street=self.street, acts=acts or Acts(), locks=locks)

    def run(self, *words: str, acts: Acts | None = None, locks: Locks | None = None) -> Said:
        """Run one command line in this process."""
        return run_on(self.host(acts, locks), words)

    def _environ(self) -> dict[str, str]:
        return {"HOME": str(self.home.parent), **self.environ}


def run_on(host: Host, words: Sequence[str]) -> Said:
    """Run one command line on a machine."""
    out, err = io.StringIO(), io.StringIO()
    code = main(words, host.environ, Streams(out=out, err=err), lambda *_: host)
    return Said(code=code, out=out.getvalue(), err=err.getvalue())


def in_a_child(act: Callable[[], object]) -> int:
    """Run something in a process of its own; returns its exit code, or minus the signal that ended it."""
    return _exit_of(_fork(act))


def in_children(acts: Sequence[Callable[[], object]], gate: int) -> list[int]:
    """The same for several at once, which wait for the closing of the descriptor `gate`."""
    children = [_fork(act) for act in acts]
    os.close(gate)
    return [_exit_of(child) for child in children]


def _fork(act: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        code = 99
        try:
            result = act()
            code = result if isinstance(result, int) else 0
        except BaseException:  # noqa: BLE001 - the parent's test must not go on in the child
            traceback.print_exc()
        os._exit(code)
    return child


def _exit_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
