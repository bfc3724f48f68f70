"""provider-auth.json: the keys that the proxy keeps, `{"version":1,"providers":{NAME:{"api_key":…}}}`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from cfp.core.keys.bearer import is_key
from cfp.errors import Refused


def stored_keys(data: bytes | None) -> dict[str, str]:
    """Return the keys by provider; a file that does not parse holds none. The values are secrets."""
    try:
        raw = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    entries = raw.get("providers") if isinstance(raw, Mapping) else None
    if not isinstance(entries, Mapping):
        return {}
    keys = {name: entry.get("api_key") for name, entry in entries.items() if isinstance(entry, Mapping)}
    return {name: key for name, key in keys.items() if isinstance(key, str) and is_key(key)}


def without_key(data: bytes | None, entry: str) -> bytes | None:
    """Return the file without this entry, and the rest as it was; None where no file is left to write."""
    if data is None or entry not in stored_keys(data):
        return data
    raw = json.loads(data)
    left = {name: value for name, value in raw["providers"].items() if name != entry}
    return json.dumps({**raw, "providers": left}, indent=2, ensure_ascii=False).encode() + b"\n"


def with_key(data: bytes | None, provider: str, key: str) -> bytes:
    """Return the file with this provider's key, and the rest as it was; raises Refused(provider_auth_invalid)."""
    try:
        raw = json.loads(data) if data is not None else {"version": 1, "providers": {}}
    except (ValueError, RecursionError) as error:
        raise Refused("provider_auth_invalid", reason="it is not JSON") from error
    entries = raw.get("providers", {}) if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or not isinstance(entries, dict):
        raise Refused("provider_auth_invalid", reason="it is not a JSON object of provider keys")
    entry = entries.get(provider)
    fields = entry if isinstance(entry, dict) else {}
    changed = {
        **raw,
        "version": raw.get("version", 1),
        "providers": {**entries, provider: {**fields, "api_key": key}},
    }
    return json.dumps(changed, indent=2, ensure_ascii=False).encode() + b"\n"
