"""What the upstream will not do, as learned from it: our tier for some models, WebSocket. Kept while it lives."""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import Final

_MOST: Final = 1000
_BELIEVED_SECONDS: Final = 600.0
# Said of this request, this key or this moment, and not of WebSocket.
_FAULTS: Final = frozenset({401, 402, 403, 407, 408, 413, 425, 429, 431})


class TierRefusals:
    """Upstreams are one per worker, so a model's name is the whole key. A change of settings is a new worker."""

    def __init__(self) -> None:
        self.models: set[str | None] = set()

    def add(self, model: str | None) -> None:
        if len(self.models) < _MOST:
            self.models.add(model)

    def model_names(self) -> list[str]:
        """For health and status."""
        return sorted(model or "" for model in self.models)


class WebSocketStatus(StrEnum):
    """What is known of the upstream; UNTRIED: Codex has not asked for one, or got no answer that says."""

    UNTRIED = "untried"
    SERVED = "served"
    NOT_SERVED = "not_served"


class WebSocketSupport:
    """That the upstream has no WebSocket.

    A clear no holds for good, silence for ten minutes; what is said of one request or one moment is not believed.
    """

    def __init__(self) -> None:
        self._until = -inf
        self._served = False

    def unavailable(self, now: float) -> bool:
        return now < self._until

    def record_switch(self) -> None:
        """It has answered with a 101."""
        self._served = True

    def status(self, now: float) -> WebSocketStatus:
        """For health, status and doctor."""
        if self.unavailable(now):
            return WebSocketStatus.NOT_SERVED
        return WebSocketStatus.SERVED if self._served else WebSocketStatus.UNTRIED

    def record_refusal(self, status: int | None, now: float) -> None:
        """`status` is what it answered in the place of a 101; None: nothing."""
        if status is None:
            self._until = now + _BELIEVED_SECONDS
        elif status not in _FAULTS and (status < 500 or status == 501):
            self._until = inf
