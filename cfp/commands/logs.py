"""Show the last requests; with --follow, each as it ends. Columns on a terminal, JSON lines otherwise.

Below the columns stands the diagnosis of `status`.

Lines are those of the request log: the requested model and tier and the outcome, never contents or keys.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cfp.audience import AUTO, FORMATS
from cfp.commands.command import Command
from cfp.core.diagnosis import diagnose
from cfp.errors import Refused
from cfp.host.home import Host
from cfp.messages.results import RESULTS
from cfp.proxy.telemetry.log_reader import LogReader
from cfp.result import Rows
from journal.private import read_from

EXAMPLES = (
    ("", "the last twenty requests"),
    ("--follow", "the last ones, then each new one when it ends, until ^C"),
    ("--lines 1000 --format json > requests.jsonl", "many of them, for a program"),
)

_EVERY_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    follow: bool
    lines: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--follow", "-f", action="store_true", help="go on and print each new request when it ends, until ^C"
    )
    parser.add_argument(
        "--lines",
        "-n",
        type=_count,
        default=20,
        metavar="N",
        help="the number of past requests to show (default: 20)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=AUTO,
        help="auto: columns for a person at a terminal, else JSON lines (default)",
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("it takes a number")
    return int(text)


def run(args: Args, host: Host) -> Rows:
    """Read the worker's request log; a proxy need not be running."""
    _check_readable(host.layout.request_log)
    rows = requests(LogReader(host.layout.request_log), args.lines, follow=args.follow)
    return Rows(
        rows=rows,
        none=RESULTS["no_requests_logged"].sentence,
        closing=None if args.follow else lambda: " ".join(filter(None, diagnose(host.survey_to_diagnose()).message)),
    )


def _check_readable(log: Path) -> None:
    """Refuse a log that is there and cannot be read, which is not one without requests."""
    try:
        read_from(log).close()
    except FileNotFoundError:
        return
    except OSError as error:
        raise Refused("record_unreadable", path=str(log), reason=error.strerror or type(error).__name__) from error


def requests(
    reader: LogReader, past: int, *, follow: bool, wait: Callable[[], None] = lambda: time.sleep(_EVERY_SECONDS)
) -> Iterator[dict[str, Any]]:
    """Give the log's lines as objects, oldest first; with `follow` without end."""
    yield from _objects(reader.last_lines(past))
    while follow:
        wait()
        yield from _objects(reader.new_lines())


def _objects(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue  # cut off by a power loss, or not ours
        if isinstance(value, dict):
            yield value


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    has_format=False,
    needs_sockets=False,
)
