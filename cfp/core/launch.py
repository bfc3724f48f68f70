"""What a worker is to be started with: what the lifecycle asks for and the machine does, in one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cfp.core.facts import PortFact
from cfp.core.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One start of a worker.

    nonce      names it from before it exists
    journaled  is told its pid and start time before it does anything; a worker whose parent dies before this has
               returned ends by itself
    patience   seconds until it must be healthy
    take_over  the worker that lends it its listener, and stands by until it is released or the new one ends
    """

    settings: Settings
    nonce: str
    journaled: Callable[[int, str], None]
    patience: float
    verbose: bool = False
    take_over: PortFact | None = None
