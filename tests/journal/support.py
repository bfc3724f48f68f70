"""A home in a temporary folder, with a journal on the real file system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journal import FileChange, Journal, KeyEdit, RealFs, Transaction
from journal.fs import Fs
from tests.crash.lines import LINES
from tests.crash.world import Machine


@dataclass(frozen=True, kw_only=True)
class Home:
    """`path` is the user's folder; it contains the journal."""

    path: Path
    journal: Journal
    machine: Machine
    fs: Fs

    def write(self, name: str, content: bytes, mode: int = 0o600) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def commit(self, *changes: FileChange) -> None:
        with self.journal.acquire(command="test", timeout=5) as lease:
            transaction = lease.begin(command="test", argv=(), from_state="a", to_state="b", changes=changes)
            transaction.prepare()
            transaction.swap()
            transaction.commit()
            transaction.finish()

    def names(self) -> list[str]:
        """Return every name under the home, without the journal's own lasting files."""
        lasting = {"journal", "journal/lock", "journal/history.jsonl"}
        return sorted({path.relative_to(self.path).as_posix() for path in self.path.rglob("*")} - lasting)


def home_at(path: Path, fs: Fs | None = None, **more: object) -> Home:
    path.mkdir(exist_ok=True)
    machine, fs = Machine(), fs or RealFs()
    journal = Journal(path / "journal", fs=fs, formats={"lines": LINES}, processes=machine, **more)
    return Home(path=path, journal=journal, machine=machine, fs=fs)


def change(path: Path, before: bytes | None, after: bytes | None, *edits: KeyEdit, **more: object) -> FileChange:
    return FileChange(path=path, before=before, after=after, edits=edits, format="lines" if edits else "", **more)


def roll_back(transaction: Transaction) -> Sequence[tuple[str, ...]]:
    conflicts = transaction.restore_files()
    transaction.retract_workers()
    transaction.close_rolled_back("test")
    return conflicts


class WithoutExchange(RealFs):
    """A file system whose kernel cannot exchange two names."""

    def exchange(self, one: Path, other: Path) -> bool:
        return False
