"""provider-auth.json: the providers' keys that the proxy keeps; here only whose keys there are."""

from __future__ import annotations

import json
from collections.abc import Mapping


def provider_names(data: bytes | None) -> frozenset[str]:
    """Return the providers with a non-empty key; a file that does not parse holds none."""
    try:
        raw = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return frozenset()
    entries = raw.get("providers") if isinstance(raw, Mapping) else None
    if not isinstance(entries, Mapping):
        return frozenset()
    return frozenset(
        name
        for name, entry in entries.items()
        if isinstance(entry, Mapping) and isinstance(entry.get("api_key"), str) and entry["api_key"]
    )
