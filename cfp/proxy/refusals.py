"""Which models refused the tier that we added: learned from their own words, kept while the worker lives."""

from __future__ import annotations

from typing import Final

_NAMES: Final = (b"service_tier", b"service tier")
_MOST: Final = 1000


class Refusals:
    """Upstreams are one per worker, so a model's name is the whole key. A change of settings is a new worker."""

    def __init__(self) -> None:
        self._models: dict[str | None, None] = {}

    def __contains__(self, model: str | None) -> bool:
        return model in self._models

    def add(self, model: str | None) -> None:
        if len(self._models) < _MOST:
            self._models[model] = None

    def listed(self) -> list[str]:
        """For health and status."""
        return sorted(model or "" for model in self._models)


def names_tier(body: bytes, coding: bytes) -> bool:
    """Whether the body of a 4xx speaks of the tier."""
    from cfp.proxy import codings  # noqa: PLC0415  not needed to listen

    if coding != b"identity":
        try:
            body = codings.decode(coding, body, 1 << 18)
        except (codings.Undecodable, codings.TooLarge):
            return False
    lowered = body.lower()
    return any(name in lowered for name in _NAMES)
