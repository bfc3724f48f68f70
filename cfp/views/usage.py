"""The page of `usage`: one line for each row of sums, and their total."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cfp.views.page import GOOD, WARN, duration, headline, plain, warnings

_MOST_ROWS: Final = 12
_GAP: Final = 2
_WIDE: Final = 100  # columns of a terminal that has room for every digit
# fmt: off
_COLUMNS: Final = (
    # heading      field                     leaves a narrow terminal
    ("requests",   "requests",               0),
    ("failed",     "failed",                 5),
    ("tokens in",  "input_tokens",           0),
    ("cached",     "cached_tokens",          1),
    ("out",        "output_tokens",          0),
    ("reasoning",  "reasoning_tokens",       2),
    ("fast sent",  "fast_sent",              6),
    ("served",     "fast_served",            4),
    ("first byte", "first_byte_median_ms",   7),
    ("p95",        "first_byte_p95_ms",      3),
    ("money",      "money",                  8),
)  # 0: never; of the others, the lowest first
# fmt: on


def usage(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return a table, with a line for the total where there are several rows."""
    since = f"since {answer['since']}" if answer["since"] else "on record"
    if not answer["rows"]:
        return [headline(WARN, "no requests", str(answer["message"])), *warnings(answer["warnings"])]
    count = answer["total"]["requests"]
    return [
        headline(GOOD, f"{count:,} request{'' if count == 1 else 's'}", since),
        Padding(_Sums(answer), (1, 0, 0, 0)),
        *warnings(answer["warnings"]),
    ]


@dataclass(frozen=True, slots=True)
class _Sums:
    """The table, with as many columns as there is room for.

    Of many rows a terminal shows the last ones where they are days, which come in their order, else the first and
    largest ones.
    """

    answer: Mapping[str, Any]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        by, rows = str(self.answer["by"]), list(self.answer["rows"])
        most = _MOST_ROWS if options.is_terminal else len(rows)
        chosen = rows[-most:] if by == "day" else rows[:most]
        lines = [*chosen, *([self.answer["total"]] if len(rows) > 1 else [])]
        names = [by, *(plain(row[by] or "not named") for row in chosen), "all"]
        columns = {
            title: (leaves, [_cell(field, row, self.answer["currency"], options.max_width) for row in lines])
            for title, field, leaves in _COLUMNS
        }
        if all(cell == "-" for cell in columns["money"][1]):
            del columns["money"]
        table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="dim")
        table.add_column(by, overflow="ellipsis", no_wrap=True)
        fitting = _fitting(columns, options.max_width - max(map(len, names)))
        for title in fitting:
            table.add_column(title, justify="right", no_wrap=True)
        for number, name in enumerate(names[1:][: len(lines)]):
            cells = (columns[title][1][number] for title in fitting)
            table.add_row(name, *cells, style="bold" if number == len(chosen) else None)
        yield table
        if len(chosen) < len(rows):
            yield Text(f"{len(rows) - len(chosen)} other rows are in the total; `--format csv` has them", "dim")


def _fitting(columns: Mapping[str, tuple[int, list[str]]], room: int) -> list[str]:
    """Return the headings of the columns for which there is room."""
    widths = {title: max(len(title), *map(len, cells)) + _GAP for title, (_, cells) in columns.items()}
    leaving = sorted((title for title, (leaves, _) in columns.items() if leaves), key=lambda title: columns[title][0])
    while leaving and sum(widths.values()) + _GAP > room:
        del widths[leaving.pop(0)]
    return list(widths)


def _cell(field: str, row: Mapping[str, Any], currency: str | None, width: int) -> str:
    value = row[field]
    if value is None:
        return "-"
    if field == "money":
        return f"{value:,.2f} {plain(currency or '')}".rstrip()
    return duration(value) if field.endswith("_ms") else _count(value, wide=width >= _WIDE)


def _count(number: int, *, wide: bool) -> str:
    """Return a number, in thousands or millions where it is long and the terminal narrow."""
    if wide or number < 100_000:
        return f"{number:,}"
    return f"{number / 1e6:,.1f}M" if number >= 10_000_000 else f"{number / 1e3:,.0f}k"
