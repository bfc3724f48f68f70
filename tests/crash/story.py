"""The stories of the crash model: a world, a command, and the results that the command may leave."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol, Self

from journal import FileChange, Recovery
from tests.crash.simfs import SimFs

Outcome = Literal["committed", "rolled_back", "stuck"]


class Processes(Protocol):
    """The processes of a simulated machine."""

    @property
    def alive(self) -> Iterable[str]: ...

    def copy(self) -> Self: ...

    def after_power_cut(self) -> Self:
        """Return the machine after a reboot."""


class Story(Protocol):
    """A `world.Scenario` is the journal's protocol alone; a `commands.Command` is one whole command line."""

    name: str
    root: Path

    def world(self) -> SimFs:
        """Return a new copy of the world before."""

    def machine(self) -> Processes:
        """Return a new copy of the processes before."""

    def play(self, fs: SimFs, machine: Processes) -> Outcome | None:
        """Run the command; return its result, None where it reports nothing certain."""

    def recover(self, fs: SimFs, machine: Processes, *, boot: str) -> Recovery: ...

    def targets(self) -> Iterable[tuple[str, FileChange]]:
        """Return the target of each file that changes, and its content before and after."""

    def owned(self) -> set[str]:
        """Return files that their owner may have opened to others."""

    def is_lasting(self, path: str) -> bool:
        """Whether an existing file has to exist afterwards."""

    def empty_folders(self, now: SimFs) -> list[str]:
        """Return folders that are there for nothing."""

    def wrong_workers(self, now: SimFs, machine: Processes) -> list[str]:
        """Return complaints about the running workers, after a complete recovery in the same boot."""
