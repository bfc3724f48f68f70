"""The names of service tiers, and which of them mean the same.

OpenAI's API takes and answers `fast` and `priority` for one tier; the ChatGPT backend, Codex 0.171 and older relays
know `priority` alone, so that is the name that is sent, compared and counted.
"""

from __future__ import annotations

from typing import Final

PRIORITY: Final = "priority"
FAST: Final = "fast"
ULTRAFAST: Final = "ultrafast"
FLEX: Final = "flex"
SCALE: Final = "scale"
DEFAULT: Final = "default"
AUTO: Final = "auto"

KNOWN: Final = (PRIORITY, FAST, ULTRAFAST, FLEX, SCALE, DEFAULT, AUTO)

# The tiers of a request that names none, said in words: there is nothing to refuse.
STANDARD: Final = frozenset({DEFAULT, AUTO})
_FASTER: Final = frozenset({PRIORITY, FAST, ULTRAFAST})


def canonical(tier: str) -> str:
    """Return the one name of a tier; a name that is not known stays as it is."""
    return PRIORITY if tier == FAST else tier


def is_fast(tier: str | None) -> bool:
    """Whether the tier costs more than the standard one and is meant to be faster."""
    return tier in _FASTER
