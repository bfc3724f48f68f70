"""What an interrupted transaction comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from journal.values import Json, KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What `Lease.recover` did."""

    kind: Literal["clean", "rolled_back", "finished", "conflict"]
    transactions: tuple[Json, ...] = ()
    conflicts: tuple[KeyPath, ...] = ()
    workers: tuple[Json, ...] = ()
