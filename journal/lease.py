"""What may be done while the lock is held."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from journal.recovery import Recovery
from journal.transaction import Transaction
from journal.values import FileChange


class Lease:
    """The exclusive lock of one journal, held until `with` ends."""

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def recover(self) -> Recovery:
        raise NotImplementedError

    def begin(
        self,
        *,
        command: str,
        argv: Sequence[str],
        from_state: str,
        to_state: str,
        changes: Sequence[FileChange],
        folders: Sequence[Path] = (),
    ) -> Transaction:
        raise NotImplementedError

    def remove(self, paths: Sequence[Path]) -> None:
        raise NotImplementedError

    def dismantle(self) -> None:
        raise NotImplementedError
