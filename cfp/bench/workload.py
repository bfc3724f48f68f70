"""The workload: profiles with their prompts, the schedule of trials, the body of a direct request."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


class Tier(enum.StrEnum):
    """The two sides of a comparison: without a tier, and with the measured one, which by default is priority."""

    DEFAULT = "default"
    PRIORITY = "priority"

    def value_sent(self, measured: str) -> str | None:
        """Return the service_tier of this side's requests where `measured` is compared with none; None for none."""
        return measured if self is Tier.PRIORITY else None


class Mode(enum.StrEnum):
    CODEX_CLI = "codex-cli"
    DIRECT = "direct"


class Profile(enum.StrEnum):
    FULL = "full"
    SMOKE = "smoke"

    @property
    def prompt(self) -> str:
        return _PROMPTS[self]


# The full prompt has one right answer of about 400 tokens, so that both tiers write the same text.
_PROMPTS: Final = {
    Profile.FULL: (
        "Write the whole numbers from one to one hundred and twenty as English words, in ascending order, separated "
        "by commas, in one paragraph. Work from memory: run no command, use no tool, read no file. Answer with that "
        "list only."
    ),
    Profile.SMOKE: "Use no tool. Answer with the one word OK.",
}
_INSTRUCTIONS: Final = "You are a careful writer. Do exactly what is asked, without comments of your own."


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """`pair` counts from 1; `place` is 1 or 2, the order within the pair."""

    pair: int
    place: int
    tier: Tier


def schedule(pairs: int) -> tuple[Trial, ...]:
    """Return the trials in an order in which drift over time, such as load or caches, helps neither tier."""
    return tuple(
        Trial(pair=pair, place=place, tier=tier)
        for pair in range(1, pairs + 1)
        for place, tier in enumerate(tuple(Tier)[:: 1 if pair % 2 else -1], 1)
    )


def direct_body(profile: Profile, *, model: str, effort: str | None, tier: str | None, cache_key: str) -> bytes:
    """Return a Codex-shaped request; a `cache_key` of its own keeps a provider's cache from helping one tier."""
    body: dict[str, Any] = {
        "model": model,
        "instructions": _INSTRUCTIONS,
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": profile.prompt}]}],
        "store": False,
        "stream": True,
        "prompt_cache_key": cache_key,
        **({} if effort is None else {"reasoning": {"effort": effort}}),
    }
    return json.dumps(with_tier(body, tier)).encode()


def with_tier(body: Mapping[str, Any], tier: str | None) -> dict[str, Any]:
    """Return the request body with this tier and no other; None for none."""
    rest = {name: value for name, value in body.items() if name != "service_tier"}
    return rest if tier is None else {**rest, "service_tier": tier}
