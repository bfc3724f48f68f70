"""The real command line on a home and a computer of ours: one call is one command, with its exit code and words.

Nothing of the program is replaced but the machine under it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cfp import cli
from cfp.codex.config_toml import parse
from cfp.core.facts import Facts
from cfp.core.provider import provider_url
from cfp.core.settings import Settings
from cfp.core.state import State, state_of
from cfp.host.disk import Disk
from cfp.host.home import Host, formats
from cfp.host.reserve import Reserve
from cfp.host.survey import RequestedAddress, survey
from cfp.layout import Layout
from journal import Journal, Recovery, Unmergeable
from journal.context import Locks
from journal.fs import Fs
from tests.crash.simfs import SimFs
from tests.crash.story import Outcome
from tests.homes.computer import Computer, Crew, Desk, Recoverer, nothing
from tests.homes.places import Home, MemoryHome
from tests.promised import answer_in
from tests.users import of_user

FORMATS = formats()
ENVIRONMENT = {"RELAY_KEY": "canary-sk-0123456789", "OTHER_KEY": "canary-sk-9876543210"}


def environment(layout: Layout) -> dict[str, str]:
    """The environment of a user whose default home it is."""
    return {**ENVIRONMENT, **of_user(layout.home.parent)}


@dataclass(frozen=True, kw_only=True)
class CommandAnswer:
    """The result of one command line: exit code and output. A hook without output has the status `quiet`."""

    code: int
    out: str
    err: str = ""

    @cached_property
    def json(self) -> dict[str, Any]:
        return answer_in(self.out) if self.out else {"status": "quiet"}

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def status(self) -> str:
        return str(self.json["status"])

    @property
    def refusal(self) -> str:
        """The code of what went wrong; "" after a success."""
        failed = self.code or self.status == "error"
        return str(self.json.get("code", "")) if failed else ""

    @property
    def outcome(self) -> Outcome | None:
        """The outcome that the result reports for the files; None where it reports none for certain."""
        if self.code in {0, 3}:
            return "committed"
        return "rolled_back" if self.json.get("changed") is False and self.code != cli.EXIT_BUG else None


def run_on(host: Host, words: Sequence[str]) -> CommandAnswer:
    """Run one command line on a machine."""
    out, err = io.StringIO(), io.StringIO()
    code = cli.main(words, host.environ, cli.Streams(out=out, err=err), lambda *_: host)
    return CommandAnswer(code=code, out=out.getvalue(), err=err.getvalue())


class NoReserve(Reserve):
    """Keeps nothing: a home in memory has no room to keep, and the acts of a command on the disk are counted."""

    def __init__(self) -> None:
        """Name no files."""

    def keep(self, bytes_of_files: int = 0) -> None:
        """Write nothing."""

    def release(self) -> bool:
        return False


@dataclass(frozen=True)
class StagedHost(Host):
    """A Host on which workers are values, and no Codex is installed.

    fs     the port that the journal writes through
    more   further arguments of the journal: `locks`, and clock and tokens where those of the machine would differ
    """

    fs: Fs = field(default_factory=SimFs)
    computer: Computer = field(default_factory=lambda: Computer(home=Path("/h")))
    desk: Desk = field(default_factory=Desk)
    act: Callable[[str], None] = nothing
    more: Mapping[str, Any] = field(default_factory=dict)

    codex = None
    codex_version = None
    reserve = NoReserve()

    def import_error(self) -> str:
        return ""

    def survey(self, address: RequestedAddress | None = None, *, ask_codex: bool = False, **known: bool) -> Facts:
        return survey(
            self.layout,
            self.environ,
            address=address,
            queries=self.computer.worker_queries(),
            disk=self.disk,
            **known,
        )

    @cached_property
    def workers(self) -> Crew:
        return Crew(computer=self.computer, layout=self.layout, desk=self.desk, act=self.act)

    @cached_property
    def journal(self) -> Journal:
        recoverer = Recoverer(
            computer=self.computer, layout=self.layout, desk=self.desk, wanted=self._wants, act=self.act
        )
        return Journal(
            self.layout.journal,
            fs=self.fs,
            formats=FORMATS,
            processes=recoverer,
            tool="test",
            boot_id=lambda: self.computer.boot_id,
            **self.more,
        )

    def _wants(self, settings: Settings) -> bool:
        try:
            doc = parse(self.disk.read(self.layout.config))
        except Unmergeable:
            return False
        return provider_url(doc, settings.provider) == settings.base_url


@dataclass(frozen=True, slots=True)
class HomeDesk(Desk):
    """The folder of a home's workers."""

    home: Home
    disk: Disk

    def put(self, path: Path, data: bytes) -> None:
        self.home.put(path, data)

    def take(self, path: Path) -> None:
        self.home.take(path)

    def written(self) -> list[Path]:
        folder = self.home.layout.worker
        return sorted(folder / name for name in self.disk.names(folder) if name.startswith("fast_proxy."))


@dataclass(frozen=True, slots=True)
class LockFile:
    """The file that a lock leaves behind; in one thread there is nobody to lock out."""

    home: Home

    def acquire(self, path: Path, timeout: float) -> LockFile:
        fs = self.home.fs
        if isinstance(fs, SimFs):
            fs.touch(path)
        else:
            path.touch()
        return self

    def release(self) -> None:
        pass

    def release_file(self) -> None:
        pass


def host_on(home: Home, computer: Computer, act: Callable[[str], None] = nothing) -> StagedHost:
    """The machine that a home and a computer make."""
    disk = home.disk(computer.seconds)
    locks: Locks = LockFile(home)
    return StagedHost(
        layout=home.layout,
        environ=environment(home.layout),
        python="python",
        disk=disk,
        fs=home.fs,
        computer=computer,
        desk=HomeDesk(home, disk),
        act=act,
        more={"locks": locks, "clock": disk.now, "token": computer.token},
    )


def recover_on(home: Home, computer: Computer) -> Recovery:
    """Recover under the lock, as the command `recover` does."""
    with host_on(home, computer).journal.acquire(command="recover", timeout=0) as lease:
        return lease.recover()


def run_line(
    home: Home, computer: Computer, line: str | Sequence[str], act: Callable[[str], None] = nothing
) -> CommandAnswer:
    """Run one command line, all of it, there; a second passes."""
    computer.seconds += 1
    return run_on(host_on(home, computer, act), line.split() if isinstance(line, str) else line)


@dataclass
class Site:
    """A home and a computer to run commands on.

    act  called with the name of each effect on a worker, before it happens
    """

    home: Home
    computer: Computer
    act: Callable[[str], None] = nothing

    def twin(self) -> Site:
        """Return a copy of this world, in memory."""
        home = MemoryHome(layout=self.home.layout, fs=self.home.image())
        return Site(home=home, computer=self.computer.copy())

    @property
    def disk(self) -> Disk:
        return self.home.disk(self.computer.seconds)

    def survey(self) -> Facts:
        return survey(
            self.home.layout, environment(self.home.layout), queries=self.computer.worker_queries(), disk=self.disk
        )

    @property
    def interrupted(self) -> bool:
        return any(name.endswith(".open") for name in self.disk.names(self.home.layout.journal))

    def state(self) -> State:
        return state_of(self.survey())

    def run(self, argv: Sequence[str]) -> CommandAnswer:
        """Run one command line; a bug in it fails the test with its traceback."""
        result = run_line(self.home, self.computer, argv, self.act)
        if result.code == cli.EXIT_BUG:
            log = Path(result.json["log"])
            text = log.read_text()
            log.unlink()
            raise AssertionError(f"{argv}: {text}")
        assert "canary" not in result.text, f"I5: {argv} shows a secret"
        return result

    def recover(self) -> Recovery:
        return recover_on(self.home, self.computer)


def in_memory(files: Mapping[str, bytes]) -> Site:
    """A site in memory whose home holds these files."""
    home = MemoryHome.empty()
    for name, data in files.items():
        home.fs.add_file(home.layout.home / name, data)
    return Site(home=home, computer=Computer(home=home.layout.home))


def files_of(image: SimFs) -> dict[str, tuple[bytes, int]]:
    """Bytes and mode of every file, by path."""
    return {path: (node.data, node.mode) for path, node in image.files() if node.kind.value == "file"}
