"""`nox -s bench`: the worker beside nginx and its peers on the same work; ends with 1 where a bar is missed."""

from __future__ import annotations

import argparse
import compileall
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
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
    available,
    contenders,
    nginx,
    running,
)
from tests.performance.scenarios import FULL, QUICK, Size, load, scenarios

PAGE = REPOSITORY / "docs" / "performance.md"
MARKS = ("<!-- measured -->", "<!-- end of measured -->")

APART = {
    "idle": ("idle_mb", "idle_own_mb"),
    "start": ("start_ms", "start_per_interpreter"),
    "many requests": ("growth_mb",),
    **{f"HTTPS, {trip} ms round trip": ("first_p50",) for trip in apart.ROUND_TRIPS},
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two to three minutes, without the peers; noisier")
    parser.add_argument("--rounds", type=int, help="how often everything is run, in turns")
    parser.add_argument("--only", default="", metavar="WORD", help="only scenarios with this word in their name")
    parser.add_argument(
        "--peers", default="", metavar="A,B", help="only these beside the worker and nginx; none: nobody"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers")
    return parser.parse_args()


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def crowd(site: Site, setups: dict[str, Setup], size: Size, only: str) -> report.Rounds:
    """Every scenario against every contender, in turns, round by round."""
    rounds: report.Rounds = defaultdict(lambda: defaultdict(list))
    chosen = [scenario for scenario in scenarios(size) if only in scenario.name]
    with contenders(site, setups) as everybody:
        for number in range(size.rounds):
            all_of_them = number % size.peers_every == min(size.peers_every, size.rounds) // 2
            here = [one for one in everybody if all_of_them or one.name in {DIRECT, WORKER, NGINX}]
            for scenario in chosen:
                say(f"round {number + 1} of {size.rounds}: {scenario.name}")
                watch = "loaded_mb" in scenario.takes
                for turn in range(number, number + scenario.turns):
                    for one in here[turn % len(here) :] + here[: turn % len(here)]:
                        rounds[scenario.name][one.name].append(load(one, scenario.load, watch=watch))
        if only in "many requests":
            say("many requests")
            (worker,) = [one for one in everybody if one.name == WORKER]
            rounds["many requests"][WORKER] = apart.growth(worker, size)
    return rounds


def measure(size: Size, setups: dict[str, Setup], only: str) -> report.Rounds:
    rounds: report.Rounds = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running([sys.executable, "-m", "tests.performance.upstream"]) as provider:
            port = announced(provider)

            def site(what: str) -> Site:
                place = folder / what
                place.mkdir()
                return Site(folder=place, upstream=port)

            if only in "start":
                say("start")
                rounds["start"] = apart.starting(site("start"), setups, size)
            if only in "idle":
                say("idle")
                rounds["idle"] = apart.idle(site("idle"), setups)
            rounds |= crowd(site("crowd"), setups, size, only)
        if only in "HTTPS":
            say("HTTPS")
            for trip, row in apart.distant(folder, setups, size).items():
                rounds[f"HTTPS, {trip} ms round trip"] = row
    return rounds


def versions() -> list[str]:
    program = nginx()
    text = subprocess.run([program, "-v"], check=True, capture_output=True, text=True).stderr if program else ""
    return [text.strip().rpartition(": ")[2].replace("/", " ")]


def lines(rounds: report.Rounds, names: list[str], size: Size, circumstances: str) -> Iterator[str]:
    wanted = {**{one.name: one.takes for one in scenarios(size)}, **APART}
    yield f"{datetime.now(UTC):%Y-%m-%d}, {report.machine(versions())}; medians of {size.rounds} rounds in turns."
    yield circumstances
    yield report.failures(rounds)
    yield ""
    yield from report.verdict_lines(rounds, size.many_stream_seconds)
    yield ""
    yield from report.table_lines(rounds, wanted, names)


def put_into_page(text: str) -> None:
    page = PAGE.read_text()
    before, _, rest = page.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    PAGE.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


def main() -> int:
    options = arguments()
    if options.write and options.only:
        say("--write publishes whole tables: it does not go with --only")
        return 2
    size = QUICK if options.quick else FULL
    if options.rounds:
        size = replace(size, rounds=options.rounds)
    if nginx() is None:
        say("nginx is what the worker is measured against, and it is not installed (Debian: apt-get install nginx)")
        return 2
    wanted = options.peers or ("none" if options.quick else "")
    peers = {WORKER, NGINX, *wanted.split(",")}
    setups = {name: setup for name, setup in available().items() if not wanted or name in peers}
    compileall.compile_dir(REPOSITORY / "cfp", quiet=1)  # as pip does: starting is measured, not compiling
    before = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    began = time.monotonic()
    rounds = measure(size, setups, options.only)
    minutes = (time.monotonic() - began) / 60
    circumstances = (
        f"Load of the machine over 1, 5 and 15 minutes before it began: {before}. It took {minutes:.0f} minutes."
    )
    text = "\n".join(lines(rounds, [DIRECT, *setups], size, circumstances))
    sys.stdout.write(text + "\n")
    if options.json:
        options.json.write_text(json.dumps(rounds, indent=1) + "\n")
    if options.write:
        put_into_page(text)
    verdicts = report.verdicts(rounds, size.many_stream_seconds)
    return int(any(measured is not None and not bar.holds(measured) for bar, measured in verdicts))


if __name__ == "__main__":
    sys.exit(main())
