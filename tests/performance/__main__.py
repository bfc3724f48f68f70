"""`nox -s bench`: the worker beside nginx and its peers on the same work; ends with 1 where a bar is missed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.performance import apart, report
from tests.performance.contenders import (
    DIRECT,
    NGINX,
    REPOSITORY,
    WORKER,
    Setup,
    Site,
    announced,
    contenders,
    found,
    nginx,
    running,
)
from tests.performance.scenarios import FULL, QUICK, Numbers, Size, load, median_of, scenarios

PAGE = REPOSITORY / "docs" / "performance.md"
MARKS = ("<!-- measured -->", "<!-- end of measured -->")

APART = {
    "idle": ("idle_mb", "idle_rss_mb"),
    "start": ("start_ms",),
    "many requests": ("growth_mb",),
    **{f"HTTPS, {trip} ms round trip": ("first_p50",) for trip in apart.ROUND_TRIPS},
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one to two minutes; noisier")
    parser.add_argument("--rounds", type=int, help="how often everything is run, in turns")
    parser.add_argument("--only", default="", metavar="WORD", help="only scenarios with this word in their name")
    parser.add_argument("--peers", default="", metavar="A,B", help="only these beside the worker and nginx")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers")
    return parser.parse_args()


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def crowd(site: Site, setups: dict[str, Setup], size: Size, only: str) -> report.Table:
    """Every scenario against every contender, in turns, round by round."""
    rounds: dict[str, dict[str, list[Numbers]]] = defaultdict(lambda: defaultdict(list))
    chosen = [scenario for scenario in scenarios(size) if only in scenario.name]
    table: report.Table = {}
    with contenders(site, setups) as here:
        for number in range(size.rounds):
            for scenario in chosen:
                say(f"round {number + 1} of {size.rounds}: {scenario.name}")
                watch = "loaded_mb" in scenario.takes
                for one in here[number % len(here) :] + here[: number % len(here)]:
                    rounds[scenario.name][one.name].append(load(one, scenario.load, watch=watch))
        table |= {name: {who: median_of(all_) for who, all_ in row.items()} for name, row in rounds.items()}
        if only in "many requests":
            say("many requests")
            (worker,) = [one for one in here if one.name == WORKER]
            table["many requests"] = {WORKER: apart.growth(worker, size)}
    return table


def measure(size: Size, setups: dict[str, Setup], only: str) -> report.Table:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running([sys.executable, "-m", "tests.performance.upstream"]) as provider:
            port = announced(provider)
            table = {}
            for what, take in (("start", apart.starting), ("idle", lambda *given: apart.idle(*given[:2]))):
                if only in what:
                    say(what)
                    place = folder / what
                    place.mkdir()
                    table[what] = take(Site(folder=place, upstream=port), setups, size)
            place = folder / "crowd"
            place.mkdir()
            table |= crowd(Site(folder=place, upstream=port), setups, size, only)
        if only in "HTTPS":
            say("HTTPS")
            for trip, row in apart.distant(folder, setups, size).items():
                table[f"HTTPS, {trip} ms round trip"] = row
    return table


def versions() -> list[str]:
    program = nginx()
    text = subprocess.run([program, "-v"], check=True, capture_output=True, text=True).stderr if program else ""
    return [text.strip().rpartition(": ")[2].replace("/", " ")]


def lines(table: report.Table, names: list[str], size: Size) -> Iterator[str]:
    wanted = {**{one.name: one.takes for one in scenarios(size)}, **APART}
    yield f"{datetime.now(UTC):%Y-%m-%d}, {report.machine(versions())}; medians of {size.rounds} rounds in turns."
    yield ""
    yield from report.verdict_lines(report.verdicts(table, size.stream_seconds))
    yield ""
    yield from report.table_lines(table, wanted, names)


def put_into_page(text: str) -> None:
    page = PAGE.read_text()
    before, _, rest = page.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    PAGE.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


def main() -> int:
    given = arguments()
    usual = QUICK if given.quick else FULL
    size = Size(
        rounds=given.rounds or usual.rounds,
        share=usual.share,
        stream_seconds=usual.stream_seconds,
        requests_for_memory=usual.requests_for_memory,
        starts=usual.starts,
    )
    if nginx() is None:
        say("nginx is what the worker is measured against, and it is not installed (Debian: apt-get install nginx)")
        return 2
    peers = [name for name in given.peers.split(",") if name]
    setups = {name: setup for name, setup in found().items() if not peers or name in {WORKER, NGINX, *peers}}
    table = measure(size, setups, given.only)
    text = "\n".join(lines(table, [DIRECT, *setups], size))
    sys.stdout.write(text + "\n")
    if given.json:
        given.json.write_text(json.dumps(table, indent=1) + "\n")
    if given.write:
        put_into_page(text)
    verdicts = report.verdicts(table, size.stream_seconds)
    return int(any(measured is not None and not bar.holds(measured) for bar, measured in verdicts))


if __name__ == "__main__":
    sys.exit(main())
