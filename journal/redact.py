"""Redaction: a view of a transaction has its paths and own keys, and no value, since any could be a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable

from journal.intents import Intent
from journal.values import ABSENT, Absent, Json, KeyEdit

REDACTED = "***"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^\s/?#]*)(?P<path>[^\s?#]*)(?P<secret>[?#]\S*)?")


def without_userinfo(text: str) -> str:
    """Strip user, password, query and fragment from every URL in a text (RFC 3986 3)."""
    return _URL.sub(lambda url: url["scheme"] + url["rest"].rpartition("@")[2] + url["path"], text)


def redacted_value(value: Json | Absent) -> Json:
    """Return None for an absent key, and REDACTED for any value."""
    return None if value is ABSENT else REDACTED


def redacted_edit(edit: KeyEdit) -> Json:
    return {"key": list(edit.path), "before": redacted_value(edit.before), "after": redacted_value(edit.after)}


def redacted_file(intent: Intent) -> Json:
    edits = [redacted_edit(edit) for edit in intent.edits]
    return {"path": str(intent.path), "target": str(intent.target), "edits": edits}


def redacted_argv(argv: Iterable[str]) -> list[str]:
    return [without_userinfo(argument) for argument in argv]
