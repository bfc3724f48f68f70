"""What the crash model can play: a world, a command, and what that command may and may not leave."""

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
        """The machine as it comes up again."""


class Story(Protocol):
    """A `world.Scenario` is the journal's bare protocol; a `commands.Command` is one whole command line."""

    name: str
    root: Path

    def world(self) -> SimFs:
        """A new copy of the world before."""

    def machine(self) -> Processes:
        """A new copy of the processes before."""

    def play(self, fs: SimFs, machine: Processes) -> Outcome | None:
        """Run the command; returns what it says it came to, None where it says nothing certain."""

    def recover(self, fs: SimFs, machine: Processes, *, boot: str) -> Recovery: ...

    def targets(self) -> Iterable[tuple[str, FileChange]]:
        """Where each file that changes really lies, and its content before and after."""

    def owned(self) -> set[str]:
        """Files that their owner may have opened to others."""

    def is_lasting(self, path: str) -> bool:
        """Whether a file that is there before has to be there afterwards."""

    def empty_folders(self, now: SimFs) -> list[str]:
        """Folders that are there for nothing."""

    def wrong_workers(self, now: SimFs, machine: Processes) -> list[str]:
        """Complaints about the workers that run, after everything is recovered on the same boot."""
