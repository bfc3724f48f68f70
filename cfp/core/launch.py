"""The order to start a worker, which the lifecycle gives and the host carries out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cfp.core.facts import PortFact
from cfp.core.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One start of a worker.

    nonce         its name, chosen before it exists
    record_start  journals its pid and start time before it does anything; if the parent dies before that returns, the
                  worker ends by itself
    patience      seconds until it must be healthy
    take_over     the worker that lends it its listener, and stands by until it is released or the new one ends
    """

    settings: Settings
    nonce: str
    record_start: Callable[[int, str], None]
    patience: float
    verbose: bool = False
    take_over: PortFact | None = None
