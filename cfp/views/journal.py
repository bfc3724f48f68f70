"""The page of `journal`: one line for each transaction, or one transaction with its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from cfp.views.page import GOOD, WARN, headline, plain, rows

_MOST_DONE: Final = 8  # each may need two lines
_NAMED: Final = ("command", "at", "tool", "from", "to", "outcome", "reason", "state")


def journal(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return the open transactions, then the finished ones, newest last."""
    if answer["status"] == "shown":
        return _one(answer)
    waiting, done = list(answer["open"]), list(answer["transactions"])
    words = f"{len(waiting)} {_waiting(answer)}" if waiting else "nothing is interrupted"
    head = headline(WARN if waiting else GOOD, f"{len(done)} transaction{'' if len(done) == 1 else 's'}", words)
    return [head, _Transactions(waiting, done)] if waiting or done else [head]


@dataclass(frozen=True, slots=True)
class _Transactions:
    """The table; of many finished transactions, a terminal shows the newest."""

    waiting: Sequence[str]
    done: Sequence[Mapping[str, Any]]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for title in ("id", "command", "from", "to", "outcome"):
            table.add_column(title, overflow="fold")
        for tx in self.waiting:
            table.add_row(plain(tx), "", "", "", "open")
        left = max(0, len(self.done) - _MOST_DONE) if options.is_terminal else 0
        for entry in self.done[left:]:
            table.add_row(*(plain(entry.get(name, "")) for name in ("id", "command", "from", "to", "outcome")))
        yield table
        if left:
            yield Text(f"  {left} older ones; `journal list --format json` has them", "dim")


def _one(answer: Mapping[str, Any]) -> list[RenderableType]:
    entry = answer["transaction"]
    files = [plain(one.get("path", "")) for one in entry.get("files", ()) if isinstance(one, dict)]
    named = [(name, entry.get(name)) for name in _NAMED]
    waits = "decision" in entry  # only what is still open has one
    words = f"{_waiting(answer)}, {entry['state']}" if waits else str(entry.get("outcome") or "")
    head = headline(WARN if waits else GOOD, plain(entry.get("id", entry.get("tx", ""))), words)
    return [head, rows([*named, *_numbered(files)])]


def _waiting(answer: Mapping[str, Any]) -> str:
    """Return the state of the open transactions."""
    return "running" if answer["at_work"] else "interrupted"


def _numbered(files: list[str]) -> list[tuple[str, str]]:
    return [("file" if number == 0 else "", path) for number, path in enumerate(files)]
