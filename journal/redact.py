"""Redaction: a view of a transaction has its paths and own keys, and no value that could be a secret."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from journal.intents import Intent
from journal.values import ABSENT, Absent, Json, KeyEdit

REDACTED = "***"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^\s/?#]*)(?P<path>[^\s?#]*)(?P<secret>[?#]\S*)?")


def without_userinfo(text: str) -> str:
    """Strip user, password, query and fragment from every URL in a text (RFC 3986 3)."""
    return _URL.sub(lambda url: url["scheme"] + url["rest"].rpartition("@")[2] + url["path"], text)


def redacted_value(key: str, value: Json | Absent, visible_keys: Collection[str]) -> Json:
    """Return a value for the history: None where the key is absent, REDACTED unless the key is visible."""
    if value is ABSENT:
        return None
    if key not in visible_keys or not isinstance(value, str | bool | int | float):
        return REDACTED
    return without_userinfo(value) if isinstance(value, str) else value


def redacted_edit(edit: KeyEdit, visible_keys: Collection[str]) -> Json:
    key = edit.path[-1]
    return {
        "key": list(edit.path),
        "before": redacted_value(key, edit.before, visible_keys),
        "after": redacted_value(key, edit.after, visible_keys),
    }


def redacted_file(intent: Intent, visible_keys: Collection[str]) -> Json:
    # A file that may hold secrets shows its keys, and no value.
    edits = [redacted_edit(edit, () if intent.secret else visible_keys) for edit in intent.edits]
    return {"path": str(intent.path), "target": str(intent.target), "edits": edits}


def redacted_argv(argv: Iterable[str]) -> list[str]:
    return [without_userinfo(argument) for argument in argv]
