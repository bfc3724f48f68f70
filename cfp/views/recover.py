"""The page of `recover`: the work that was done, or would be, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import RenderableType

from cfp.views.page import GOOD, WARN, headline, rows

_AS_BEFORE: Final = "before"


def recover(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return one row for each transaction and each file that was not settled."""
    transactions = list(answer.get("transactions") or ())
    repair = answer.get("repair") or {}
    waits = bool(answer.get("dry_run")) and bool(transactions or repair)
    words = "waiting for recover" if waits else str(answer["status"]).replace("_", " ")
    good = not waits and answer["status"] != "conflict"
    pairs: list[tuple[str, Any]] = []
    for tx in transactions:
        pairs.append(("interrupted", " ".join(str(tx[name]) for name in ("command", "id") if name in tx)))
        pairs += [
            ("changed" if waits else "file", file.get("path"))
            for file in tx.get("files") or ()
            if not waits or file.get("now") != _AS_BEFORE
        ]
    pairs += [("file", path) for path in repair.get("files") or ()]
    pairs.append(("not changed", ", ".join(answer.get("conflicts") or ())))
    return [
        headline(GOOD if good else WARN, words, str(answer.get("message") or "")),
        rows(pairs),
    ]
