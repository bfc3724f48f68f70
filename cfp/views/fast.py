"""The page of `fast`: the rules in their order, and the budget of a day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table

from cfp.views.page import GOOD, headline, plain, result_page, rows


def fast(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return the rules, a line each, and what is left of the budget; for `test` the page of a result."""
    if "rules" not in answer:
        return result_page(answer)
    page: list[RenderableType] = [headline(GOOD, str(answer["status"]).replace("_", " "), str(answer["message"]))]
    if answer["rules"]:
        table = Table.grid(padding=(0, 2))
        for rule in answer["rules"]:
            table.add_row(str(rule["number"]), plain(rule["rule"]))
        page.append(Padding(table, (1, 0, 1 if budget(answer) else 0, 2)))
    return [*page, rows([("budget", budget(answer))])]


def budget(answer: Mapping[str, Any], spent: Mapping[str, Any] | None = None) -> str | None:
    """Return the limits of Fast a day, with what is spent of them where the proxy runs; None for no limit."""
    spent = answer.get("fast_budget") or spent or {}
    limits = [
        f"{spent[name]} of {limit} {name}" if name in spent else f"{limit} {name}"
        for name in ("requests", "tokens")
        if (limit := answer.get(f"fast_{name}_a_day")) is not None
    ]
    return f"{', '.join(limits)} with Fast a day" if limits else None
