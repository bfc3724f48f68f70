"""Add up the model requests of each day, model, tier, kind or session: tokens, times, Fast, and money by your prices.

The sums come from the ledger, which outlives the request log, and from the part of the log that is not in it yet.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cfp.commands.command import Command
from cfp.errors import Refused, UsageError
from cfp.host.home import Host
from cfp.messages.results import RESULTS
from cfp.proxy.telemetry.ledger.ledger_file import Ledger, LedgerInvalid
from cfp.proxy.telemetry.ledger.prices import Prices, PricesInvalid, parse_prices
from cfp.proxy.telemetry.ledger.report import By, UsageSums, report
from cfp.result import Raw, Result
from journal.private import read_from

EXAMPLES = (
    ("", "each day that is kept"),
    ("--since 7d --by model", "the models of the last seven days"),
    ("--by session --prices prices.toml", "what each session cost, by the prices in a file of your own"),
    ("--format csv > usage.csv", "for a spreadsheet"),
)

_DAYS: Final = re.compile(r"([1-9]\d{0,3})d")
_LARGEST_PRICES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    since: str | None
    by: str
    prices: str | None
    format: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--since",
        type=_since,
        metavar="DAY",
        help="the first day, as 2026-11-01, or 7d for the last seven days; days are those of UTC (default: all)",
    )
    parser.add_argument(
        "--by", choices=[str(name) for name in By], default="day", help="the name to add up by (default: day)"
    )
    parser.add_argument(
        "--prices",
        metavar="FILE",
        help="a TOML file with your prices of tokens (see docs/guide.md); without it, no money",
    )


def _since(text: str) -> str:
    if _DAYS.fullmatch(text):
        return text
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError("it takes a day, as 2026-11-01, or a number of days, as 7d") from None


def run(args: Args, host: Host) -> Result | Raw:
    """Read the ledger and the log; a proxy need not be running, and nothing is written."""
    prices = None if args.prices is None else _prices(Path(args.prices))
    ledger = _ledger(host.layout.ledger, host.layout.request_log)
    since = _first_day(args.since, host.disk.now())
    by = By(args.by)
    sums = report(ledger.table.rows(since), by, prices)
    if args.format == "csv":
        return Raw(text=_csv(sums, by))
    return Result(
        status="counted",
        fields={
            "by": by,
            "since": since or None,
            "rows": sums.rows,
            "total": sums.total,
            "currency": None if prices is None else prices.currency,
            "gaps": [{"after": gap.after, "before": gap.before} for gap in ledger.gaps if gap.before >= since],
            "warnings": _warnings(sums, ledger, since),
            "message": None if sums.rows else RESULTS["no_requests_counted"].sentence,
            "next_user_action": "",
        },
    )


def _ledger(path: Path, log: Path) -> Ledger:
    """Return the sums of ledger and log; raises Refused for what is there and cannot be read."""
    try:
        ledger = Ledger.read(path)
        ledger.fold(log)
    except OSError as error:
        raise Refused("record_unreadable", path=str(path), reason=error.strerror or type(error).__name__) from error
    except LedgerInvalid as error:
        raise Refused("record_unreadable", path=str(path), reason="it is not a ledger of this version") from error
    return ledger


def _prices(path: Path) -> Prices:
    try:
        with read_from(path) as file:
            return parse_prices(file.read(_LARGEST_PRICES).decode("utf-8-sig"))
    except OSError as error:
        raise UsageError("usage", reason=f"argument --prices: {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError("usage", reason=f"argument --prices: {path}: it is not UTF-8") from error
    except PricesInvalid as error:
        raise UsageError("usage", reason=f"argument --prices: {path}: {error}") from error


def _first_day(since: str | None, now: datetime) -> str:
    """Return the first day; "" for all."""
    match = _DAYS.fullmatch(since or "")
    return since or "" if match is None else (now.date() - timedelta(days=int(match[1]) - 1)).isoformat()


def _warnings(sums: UsageSums, ledger: Ledger, since: str) -> list[str]:
    gaps = [gap for gap in ledger.gaps if gap.before >= since]
    words = [RESULTS["usage_gap"].filled({"after": gap.after, "before": gap.before}) for gap in gaps]
    if sums.merged:
        words.append(RESULTS["usage_merged"].filled({"names": sums.merged}))
    if sums.unpriced:
        words.append(RESULTS["usage_unpriced"].filled({"models": sums.unpriced}))
    return [word.sentence for word in words]


def _csv(sums: UsageSums, by: By) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [by.value, *sums.total], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_cells, sums.rows))
    return text.getvalue()


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for a spreadsheet, in which a text of the provider's or the client's must be no formula."""
    return {
        name: f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
        for name, value in row.items()
    }


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    more_formats={"csv": "for spreadsheets"},
    needs_sockets=False,
)
