"""The page of `usage`: one line for each row of sums, and their total."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table

from cfp.views.page import GOOD, WARN, duration, headline, plain, warnings

_COUNTS: Final = (
    ("requests", "requests"),
    ("failed", "failed"),
    ("tokens in", "input_tokens"),
    ("cached", "cached_tokens"),
    ("out", "output_tokens"),
    ("reasoning", "reasoning_tokens"),
)


def usage(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return a table, with a line for the total where there are several rows."""
    since = f"since {answer['since']}" if answer["since"] else "on record"
    if not answer["rows"]:
        return [headline(WARN, "no requests", str(answer["message"])), *warnings(answer["warnings"])]
    total = answer["total"]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(str(answer["by"]), overflow="fold")
    for title in (*(title for title, _ in _COUNTS), "fast sent", "served", "first byte", "p95", "money"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in answer["rows"]:
        table.add_row(*_cells(plain(row[answer["by"]] or "not named"), row, answer["currency"]))
    if len(answer["rows"]) > 1:
        table.add_row(*_cells("all", total, answer["currency"]), style="bold")
    return [
        headline(GOOD, f"{total['requests']:,} requests", since),
        Padding(table, (1, 0, 0, 0)),
        *warnings(answer["warnings"]),
    ]


def _cells(name: str, row: Mapping[str, Any], currency: str | None) -> list[str]:
    money = "-" if row["money"] is None else f"{row['money']:,.2f} {plain(currency or '')}".rstrip()
    return [
        name,
        *(f"{row[field]:,}" for _, field in _COUNTS),
        *(f"{row[field]:,}" for field in ("fast_sent", "fast_served")),
        *(duration(row[field]) for field in ("first_byte_median_ms", "first_byte_p95_ms")),
        money,
    ]
