"""Names of models: which of them mean the same, since providers answer with names of their own."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# A snapshot of a model has its date (gpt-5-2026-01-01, claude-20260101), and a gateway writes its vendor before it.
_SNAPSHOT: Final = re.compile(r"(?:[-@](?:\d{4}-\d\d-\d\d|\d{8})|[-:]latest)$")


def plain_name(model: str) -> str:
    """Return the name without vendor, date and case."""
    return _SNAPSHOT.sub("", model.rpartition("/")[2].lower())


@lru_cache(64)  # a worker sees few models, and each in every answer
def is_same_model(requested: str | None, named: str | None) -> bool:
    """Whether a response names the model that was requested; one that names none does not contradict."""
    return requested is None or named is None or requested == named or plain_name(requested) == plain_name(named)
