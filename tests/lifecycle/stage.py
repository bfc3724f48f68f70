"""The real commands on a home and a computer of ours: one call is one command line, with its JSON and exit code."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cfp import cli
from cfp.codex.config_toml import CONFIG_TOML, parse
from cfp.codex.hooks_json import HOOKS_JSON
from cfp.core.facts import Facts
from cfp.core.lifecycle import State, state_of
from cfp.core.provider import provider_url
from cfp.core.settings import Settings
from cfp.host.machine import Host
from cfp.host.survey import Asked, survey
from journal import Journal, Recovery, Unmergeable
from tests.crash.simfs import SimFs
from tests.crash.world import NoLock
from tests.lifecycle.computer import Computer, Crew, Recoverer
from tests.lifecycle.homes import Home, HomeDisk, MemoryHome

ENVIRONMENT = {"RELAY_KEY": "canary-relay-key-0123456789", "OTHER_KEY": "canary-other-key-0123456789"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a command said. `code` is "" after a success."""

    exit: int
    fields: dict[str, Any]

    @property
    def code(self) -> str:
        failed = self.exit or self.status == "error"
        return str(self.fields.get("code", "")) if failed else ""

    @property
    def status(self) -> str:
        return str(self.fields["status"])


@dataclass
class Stage:
    """A home and a computer, and commands that are run there."""

    home: Home
    computer: Computer

    def twin(self) -> Stage:
        """The same world once more, in memory."""
        return Stage(home=MemoryHome(layout=self.home.layout, fs=self.home.image()), computer=self.computer.copy())

    @property
    def disk(self) -> HomeDisk:
        return HomeDisk(fs=self.home.fs, seconds=lambda: self.computer.seconds)

    def survey(self) -> Facts:
        return survey(self.home.layout, ENVIRONMENT, neighbours=self.computer.neighbours(), disk=self.disk)

    @property
    def hot(self) -> bool:
        return any(name.endswith(".open") for name in self.disk.names(self.home.layout.journal))

    def state(self) -> State:
        return state_of(self.survey())

    def run(self, argv: Sequence[str]) -> Told:
        """Run one command line; a bug in it fails the test with its traceback."""
        self.computer.seconds += 1
        out = io.StringIO()
        code = cli.main(argv, ENVIRONMENT, cli.Streams(out=out, err=out), lambda *_: self.host())
        fields = json.loads(out.getvalue()) if out.getvalue() else {"status": "quiet"}
        if code == cli.EXIT_BUG:
            log = Path(fields["log"])
            text = log.read_text()
            log.unlink()
            raise AssertionError(f"{argv}: {text}")
        assert "canary" not in out.getvalue(), f"I5: {argv} shows a secret"
        return Told(exit=code, fields=fields)

    def recover(self) -> Recovery:
        with self.host().journal.acquire(command="recover", timeout=0) as lease:
            return lease.recover()

    def host(self) -> Host:
        return HostOfStage(layout=self.home.layout, environ=ENVIRONMENT, python="python", disk=self.disk).on(self)

    def wants(self, settings: Settings) -> bool:
        try:
            doc = parse(self.disk.read(self.home.layout.config))
        except Unmergeable:
            return False
        return provider_url(doc, settings.provider) == settings.base_url

    def worker_files(self) -> list[Path]:
        folder = self.home.layout.worker
        return sorted(folder / name for name in self.disk.names(folder) if name.startswith("fast_proxy."))


@dataclass(frozen=True, slots=True)
class Unlocked:
    """There is nobody to lock out on a stage; but the file is there that an uninstall removes."""

    stage: Stage

    def acquire(self, path: Path, timeout: float) -> NoLock:
        if self.stage.disk.read(path) is None:
            self.stage.home.put(path, b"")
        return NoLock()


@dataclass(frozen=True)
class HostOfStage(Host):
    """A Host whose machine is a stage; no Codex is installed there."""

    codex = None
    codex_version = None

    def on(self, stage: Stage) -> HostOfStage:
        self.__dict__["stage"] = stage
        return self

    @property
    def stage(self) -> Stage:
        return self.__dict__["stage"]

    def survey(self, asked: Asked | None = None, *, ask_codex: bool = False) -> Facts:
        return survey(
            self.layout, self.environ, asked=asked, neighbours=self.stage.computer.neighbours(), disk=self.disk
        )

    @cached_property
    def workers(self) -> Crew:
        stage = self.stage
        return Crew(computer=stage.computer, layout=self.layout, scribble=stage.home.put, written=stage.worker_files)

    @cached_property
    def journal(self) -> Journal:
        stage = self.stage
        return Journal(
            self.layout.journal,
            fs=stage.home.fs,
            formats={"config_toml": CONFIG_TOML, "hooks_json": HOOKS_JSON},
            processes=Recoverer(computer=stage.computer, wanted=stage.wants),
            clock=self.disk.now,
            token=stage.computer.token,
            tool="test",
            boot_id=lambda: stage.computer.boot_id,
            locks=Unlocked(stage),
        )


def in_memory(files: dict[str, bytes]) -> Stage:
    """A stage in memory whose home holds these files."""
    home = MemoryHome()
    for name, data in files.items():
        home.fs.add_file(home.layout.home / name, data)
    return Stage(home=home, computer=Computer(home=home.layout.home))


def files_of(image: SimFs) -> dict[str, tuple[bytes, int]]:
    """Bytes and mode of every file, by path."""
    return {path: (node.data, node.mode) for path, node in image.files() if node.kind.value == "file"}
