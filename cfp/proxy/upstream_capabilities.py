"""Facts about the upstream that its responses showed: which models refuse the tier, whether it serves WebSocket.

They are kept in memory for as long as the worker runs; `telemetry/tier_memory.py` keeps the refusals for longer.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from math import inf
from typing import Final

_MAX_MODELS: Final = 1000
_TIMEOUT_SECONDS: Final = 600.0
# These are about one request, one key or one moment, not about WebSocket.
_UNRELATED_STATUSES: Final = frozenset({401, 402, 403, 407, 408, 413, 425, 429, 431})


class RefusedModels(set[str | None]):
    """Names of models; before one counts as refused, `recheck` may take it out."""

    def __init__(self) -> None:
        super().__init__()
        self.recheck: Callable[[], None] | None = None

    def __contains__(self, model: object) -> bool:
        if not super().__contains__(model):
            return False
        if self.recheck is not None:
            self.recheck()
        return super().__contains__(model)


class TierRefusals:
    """Models for which the upstream refused our tier, and those for which it has accepted it.

    A worker has one upstream and one tier for its whole life (new settings start a new worker), so the model's name
    is the key.

    on_refusal  is called with each model that `add` notes
    """

    def __init__(self, on_refusal: Callable[[str | None], None] = lambda _: None) -> None:
        self.models: set[str | None] = RefusedModels()
        self.accepted: set[str | None] = set()
        self._on_refusal = on_refusal

    def add(self, model: str | None) -> None:
        """Note that a request without the tier succeeded where the same one with it was refused."""
        if len(self.models) < _MAX_MODELS:
            self.models.add(model)
            self._on_refusal(model)

    def accept(self, model: str | None) -> None:
        """Note that the upstream runs a request with the tier."""
        if len(self.accepted) < _MAX_MODELS:
            self.accepted.add(model)

    def model_names(self) -> list[str]:
        """Return the names in order, for health and status."""
        return sorted(model or "" for model in self.models)


class WebSocketStatus(StrEnum):
    """Whether the upstream serves WebSocket; UNTRIED: no handshake yet, or no response that settles it."""

    UNTRIED = "untried"
    SERVED = "served"
    NOT_SERVED = "not_served"


class WebSocketSupport:
    """Remembers that the upstream does not serve WebSocket.

    A clear refusal counts for as long as the worker runs, a timeout for ten minutes. A status that is about one
    request or one moment (401, 429, 503 …) does not count.
    """

    def __init__(self) -> None:
        self._unavailable_until = -inf
        self._served = False

    def unavailable(self, now: float) -> bool:
        """Whether a handshake is refused without asking the upstream."""
        return now < self._unavailable_until

    def record_switch(self) -> None:
        """Note a 101."""
        self._served = True

    def status(self, now: float) -> WebSocketStatus:
        """Return what is known, for health, status and doctor."""
        if self.unavailable(now):
            return WebSocketStatus.NOT_SERVED
        return WebSocketStatus.SERVED if self._served else WebSocketStatus.UNTRIED

    def record_refusal(self, status: int | None, now: float) -> None:
        """Note the status that came instead of a 101; None: there was no response in time."""
        if status is None:
            self._unavailable_until = now + _TIMEOUT_SECONDS
        elif status not in _UNRELATED_STATUSES and (status < 500 or status == 501):
            self._unavailable_until = inf
