"""What may be seen of a transaction: paths, our own keys, and no value that could be a secret."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from journal.intents import Intent
from journal.values import ABSENT, Absent, Json, KeyEdit

HIDDEN = "***"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^\s/?#]*)(?P<path>[^\s?#]*)(?P<secret>[?#]\S*)?")


def without_userinfo(text: str) -> str:
    """Strip user, password, query and fragment from every URL in a text (RFC 3986 3)."""
    return _URL.sub(lambda url: url["scheme"] + url["rest"].rpartition("@")[2] + url["path"], text)


def shown_value(key: str, value: Json | Absent, shown: Collection[str]) -> Json:
    """A value as the history may hold it; None where the key is absent."""
    if value is ABSENT:
        return None
    if key not in shown or not isinstance(value, str | bool | int | float):
        return HIDDEN
    return without_userinfo(value) if isinstance(value, str) else value


def shown_edit(edit: KeyEdit, shown: Collection[str]) -> Json:
    key = edit.path[-1]
    return {
        "key": list(edit.path),
        "before": shown_value(key, edit.before, shown),
        "after": shown_value(key, edit.after, shown),
    }


def shown_file(intent: Intent, shown: Collection[str]) -> Json:
    # Of a file that may hold secrets the keys are told, and no value.
    edits = [shown_edit(edit, () if intent.secret else shown) for edit in intent.edits]
    return {"path": str(intent.given), "target": str(intent.target), "edits": edits}


def shown_argv(argv: Iterable[str]) -> list[str]:
    return [without_userinfo(argument) for argument in argv]
